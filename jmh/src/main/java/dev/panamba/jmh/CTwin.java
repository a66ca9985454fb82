package dev.panamba.jmh;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;

/** What a C program pays: {@code twins.c} calls the same address again and again, so that a call costs no Java. */
@SuppressWarnings("restricted")
final class CTwin {
    private static final String LIBRARY = "/libpanamba-jmh.so";

    private static final MethodHandle REPEAT_SGEMM = Linker.nativeLinker()
            .downcallHandle(
                    lookup().findOrThrow("repeat_sgemm"),
                    FunctionDescriptor.ofVoid(
                            ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, ADDRESS));

    private CTwin() {}

    private static SymbolLookup lookup() {
        try {
            var file = Files.createTempFile("panamba-jmh", ".so");
            try (var in = CTwin.class.getResourceAsStream(LIBRARY)) {
                Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
            }
            var lookup = SymbolLookup.libraryLookup(file, Arena.global());
            Files.delete(file);
            return lookup;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** y [m, n] = x [m, k] w [n, k]^T, so many times, by the function at an address. */
    static void repeatSgemm(
            MemorySegment sgemm, long calls, int m, int n, int k, MemorySegment x, MemorySegment w, MemorySegment y) {
        try {
            REPEAT_SGEMM.invokeExact(sgemm, calls, m, n, k, x, w, y);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
