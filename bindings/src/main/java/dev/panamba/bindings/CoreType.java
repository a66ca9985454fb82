package dev.panamba.bindings;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;

/**
 * The CPU family whose kernels OpenBLAS takes. It reads {@code OPENBLAS_CORETYPE} once, from C's environment, while it is loaded, and
 * has no function for it; what the user has set there stays.
 */
final class CoreType {
    private static final String VARIABLE = "OPENBLAS_CORETYPE";
    private static final Path CPUINFO = Path.of("/proc/cpuinfo");

    private CoreType() {}

    /** Loads OpenBLAS with the family that was measured to be the fastest on this processor. */
    static void choose(Runnable load) {
        var core = best();
        if (core == null || System.getenv(VARIABLE) != null) {
            load.run();
            return;
        }
        try (var arena = Arena.ofConfined()) {
            var name = arena.allocateFrom(VARIABLE);
            MethodHandle set = link("setenv", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_INT));
            MethodHandle unset = link("unsetenv", FunctionDescriptor.of(JAVA_INT, ADDRESS));
            int code = (int) set.invokeExact(name, arena.allocateFrom(core), 0);
            try {
                load.run();
            } finally {
                code = (int) unset.invokeExact(name);
            }
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    /**
     * AMD's Zen 3 and Zen 4 work on 256 bits at a time. For Zen 4 OpenBLAS takes its kernels of 512 bits, which are 4 % slower there
     * than those for Haswell (jmh/README.md).
     *
     * @return a family, or null to leave the choice to OpenBLAS
     */
    private static String best() {
        try (var lines = Files.lines(CPUINFO)) {
            var first = lines.takeWhile(line -> !line.isEmpty())
                    .map(line -> line.split("\\s*:\\s*", 2))
                    .filter(field -> field.length == 2)
                    .collect(Collectors.toMap(field -> field[0], field -> field[1], (a, _) -> a));
            var isZen3Or4 = "AuthenticAMD".equals(first.get("vendor_id")) && "25".equals(first.get("cpu family"));
            return isZen3Or4 ? "Haswell" : null;
        } catch (IOException e) {
            return null;
        }
    }

    private static MethodHandle link(String function, FunctionDescriptor descriptor) {
        MemorySegment address = Linker.nativeLinker().defaultLookup().findOrThrow(function);
        return Linker.nativeLinker().downcallHandle(address, descriptor);
    }
}
