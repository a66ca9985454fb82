package dev.panamba.jmh;

import dev.panamba.bindings.Natives;
import dev.panamba.bindings.openblas.cblas_h;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas_full;

/** JavaCPP's JNI binding of OpenBLAS, on the memory and the library that the FFM binding uses. */
final class JniTwin {
    private JniTwin() {}

    /**
     * Loads both bindings, in the one order in which both call the same instruction.
     *
     * <p>Panamba's copy of OpenBLAS comes first: the dynamic linker then gives it to the JNI glue, which asks for {@code
     * libopenblas.so.0} by name. And all that is called through FFM is looked up before JavaCPP loads a second copy, with a
     * thread for each core, because a lookup in the class loader's libraries finds a name in any of them.
     */
    static void load() {
        Natives.loadOpenBlas();
        Natives.loadKernels();
        cblas_h.cblas_sgemm$address();
        cblas_h.openblas_get_num_threads$address();
        var config = cblas_h.openblas_get_config().address();
        Loader.load(openblas_full.class);
        if (openblas_full.openblas_get_config().address() != config || openblas_full.openblas_get_num_threads() != 1) {
            throw new IllegalStateException("JavaCPP calls another copy of OpenBLAS than FFM does.");
        }
    }

    /** The same floats, for JavaCPP. */
    static FloatPointer pointer(MemorySegment floats) {
        return new FloatPointer(
                floats.asByteBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer());
    }
}
