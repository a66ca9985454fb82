package dev.panamba.bindings;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.panamba.bindings.kernels.panamba_h;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Panamba's own C kernels: {@code int pb_<kernel>(const struct pb_<kernel>_args *, int64_t begin, int64_t end)}. */
public final class Kernels {
    /** Linked when a library is loaded: where native access is denied, that is said in words. */
    private static final class Handle {
        // Not bound to an address: linking costs milliseconds for each handle, so all kernels share this one.
        static final MethodHandle KERNEL =
                Linker.nativeLinker().downcallHandle(FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG));
    }

    private static Library f32;
    private static Library f64;

    private Kernels() {}

    /**
     * {@return the single-precision library, which ships}
     *
     * @throws NativeException where it cannot be loaded
     */
    public static synchronized Library f32() {
        if (f32 == null) {
            Natives.loadKernels();
            f32 = new Library(Natives.KERNELS, SymbolLookup.loaderLookup(), Float.BYTES);
        }
        return f32;
    }

    /**
     * {@return the double-precision library, which exists to check gradients}
     *
     * @throws NativeException where the jar with classifier {@code f64} is not on the class path
     */
    public static synchronized Library f64() {
        if (f64 == null) {
            // Its functions have the names of the other library's, so it is searched alone.
            var file = Natives.extractKernelsF64();
            f64 = new Library(Natives.KERNELS_F64, SymbolLookup.libraryLookup(file, Arena.global()), Double.BYTES);
        }
        return f64;
    }

    /** {@return the instruction set the shipped kernels run on, for instance {@code x86-64-v4}} */
    public static String level() {
        Natives.loadKernels();
        return panamba_h.pb_level().getString(0);
    }

    /**
     * Runs the items [begin, end) of a kernel on the calling thread. Allocates nothing.
     *
     * @param function the kernel's address, from {@link Library#find}
     * @param args its argument block, filled; what the block points to must be alive and of the sizes it names
     * @param begin first item
     * @param end behind the last item
     * @throws NativeException where the kernel refuses
     */
    public static void call(MemorySegment function, MemorySegment args, long begin, long end) {
        int code = invoke(function, args, begin, end);
        if (code != 0) {
            throw new NativeException(refusal(code));
        }
    }

    static int invoke(MemorySegment function, MemorySegment args, long begin, long end) {
        try {
            return (int) Handle.KERNEL.invokeExact(function, args, begin, end);
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    private static String refusal(int code) {
        if (code == panamba_h.PB_TOKEN_OUT_OF_RANGE()) {
            return "A token id is negative or not below the vocabulary's size.";
        }
        if (code == panamba_h.PB_CONTEXT_FULL()) {
            return "The context is full: no position is left in the cache or the position table.";
        }
        if (code == panamba_h.PB_SIZE_UNSUPPORTED()) {
            return "A size is beyond what the kernels support: N is at most " + panamba_h.PB_MAX_STATE()
                    + ", K at most " + panamba_h.PB_MAX_CONV() + ", D/H at most " + panamba_h.PB_MAX_HEAD() + ".";
        }
        return "A kernel failed with the unknown code " + code + ".";
    }

    /** The kernels of one loaded library. */
    public static final class Library {
        private final String file;
        private final SymbolLookup symbols;
        private final Map<String, MemorySegment> found = new ConcurrentHashMap<>();

        private Library(String file, SymbolLookup symbols, int realBytes) {
            this.file = file;
            this.symbols = symbols;
            require("pb_abi_version", panamba_h.PB_ABI_VERSION());
            require("pb_real_bytes", realBytes);
        }

        /**
         * {@return the address of a kernel}
         *
         * @param kernel its C name, for instance {@code pb_scan_forward}
         * @throws NativeException where the library has none of that name
         */
        public MemorySegment find(String kernel) {
            return found.computeIfAbsent(
                    kernel,
                    name -> symbols.find(name)
                            .orElseThrow(() -> new NativeException(file + " has no " + name
                                    + ": library and bindings are of different builds, build both again.")));
        }

        private void require(String constant, int expected) {
            int actual = find(constant).reinterpret(Integer.BYTES).get(JAVA_INT, 0);
            if (actual != expected) {
                throw new NativeException(file + " has " + constant + " " + actual + " where the bindings expect "
                        + expected + ": run tools/bindings/regenerate and build again.");
            }
        }
    }
}
