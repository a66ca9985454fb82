package dev.panamba.bindings;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.bindings.kernels.panamba_h;
import dev.panamba.bindings.openblas.cblas_h;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The committed output of jextract belongs to the headers and the libraries of this build. */
class GeneratedTest {
    private static final Path ROOT = Path.of("").toAbsolutePath().getParent();

    @BeforeAll
    static void load() {
        Natives.loadOpenBlas();
        Natives.loadKernels();
    }

    @Test
    void bindingsAreGeneratedFromOurHeader() throws IOException {
        try (var header = Files.newInputStream(ROOT.resolve("native/include/panamba.h"))) {
            assertEquals(generated().getProperty("panamba.h.sha256"), sha256(header), "run tools/bindings/regenerate");
        }
    }

    @Test
    void bindingsAreGeneratedFromTheHeaderOfTheShippedOpenBlas() throws IOException {
        try (var header = cblasHeader()) {
            assertEquals(generated().getProperty("cblas.h.sha256"), sha256(header), "run tools/bindings/regenerate");
        }
    }

    @ParameterizedTest
    @ValueSource(classes = {cblas_h.class, panamba_h.class})
    void everyFunctionResolves(Class<?> header) {
        var addresses = addresses(header);
        assertFalse(addresses.isEmpty());
        for (var address : addresses) {
            assertDoesNotThrow(() -> address.invoke(null), address.getName());
        }
    }

    @Test
    void bothPrecisionsHoldTheSameKernels() {
        for (var address : addresses(panamba_h.class)) {
            var kernel = address.getName().replace("$address", "");
            assertTrue(
                    Kernels.f32().find(kernel).address()
                            != Kernels.f64().find(kernel).address(),
                    kernel);
        }
        var refusal = assertThrows(NativeException.class, () -> Kernels.f32().find("pb_nothing"));
        assertTrue(refusal.getMessage().contains("libpanamba.so has no pb_nothing"), refusal.getMessage());
    }

    private static List<Method> addresses(Class<?> header) {
        return Arrays.stream(header.getMethods())
                .filter(method -> method.getName().endsWith("$address"))
                .toList();
    }

    private static Properties generated() throws IOException {
        var properties = new Properties();
        try (var in = Files.newInputStream(ROOT.resolve("bindings/src/generated/GENERATED.properties"))) {
            properties.load(in);
        }
        return properties;
    }

    private static InputStream cblasHeader() {
        return Natives.class.getClassLoader().getResourceAsStream("org/bytedeco/openblas/linux-x86_64/include/cblas.h");
    }

    private static String sha256(InputStream in) throws IOException {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(in.readAllBytes()));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
