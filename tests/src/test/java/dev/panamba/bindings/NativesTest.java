package dev.panamba.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.Fork;
import java.io.File;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The libraries in other people's processes. */
class NativesTest {
    /** Asks for all that needs native code, each way first on a thread of its own. */
    static final class Denied {
        public static void main(String[] arguments) throws InterruptedException {
            Natives.loadAhead();
            Natives.loadOpenBlasAhead();
            Thread.sleep(500);
            for (Supplier<?> way : Stream.<Supplier<?>>of(
                            Kernels::f32, Kernels::level, Natives::facts, Natives::loadOpenBlas)
                    .toList()) {
                try {
                    System.out.println("allowed: " + way.get());
                } catch (NativeException e) {
                    System.out.println(e.getMessage());
                }
            }
        }
    }

    @Test
    void deniedNativeAccessIsSaidAndHowToGiveIt() throws Exception {
        var fork = Fork.withoutNativeAccess(Denied.class);
        assertEquals(4, fork.output().lines().count(), fork.output());
        fork.output().lines().forEach(line -> {
            assertTrue(line.startsWith("Panamba may not call native code"), line);
            assertTrue(line.contains("--enable-native-access=ALL-UNNAMED"), line);
        });
    }

    /** A web container that deploys again: the libraries in one class loader after the other, none of which ends. */
    static final class Deployments {
        public static void main(String[] arguments) throws Exception {
            var urls = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                    .map(Deployments::url)
                    .toArray(URL[]::new);
            for (int i = 0; i < 3; i++) {
                var loader = new URLClassLoader(urls, ClassLoader.getPlatformClassLoader());
                // Somebody else's, or none.
                Thread.currentThread()
                        .setContextClassLoader(i == 0 ? null : i == 1 ? loader : ClassLoader.getPlatformClassLoader());
                var facts = loader.loadClass("dev.panamba.bindings.Natives")
                        .getMethod("facts")
                        .invoke(null);
                System.out.println(facts.toString().contains("threads=1"));
            }
        }

        private static URL url(String entry) {
            try {
                return Path.of(entry).toUri().toURL();
            } catch (MalformedURLException e) {
                throw new IllegalArgumentException(e);
            }
        }
    }

    @Test
    void eachClassLoaderHasItsLibraries() throws Exception {
        assertEquals("true\n".repeat(3), Fork.run(Map.of(), Deployments.class).output());
    }
}
