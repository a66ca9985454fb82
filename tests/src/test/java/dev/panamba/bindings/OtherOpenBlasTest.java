package dev.panamba.bindings;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.panamba.Fork;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Another library of the program may bring an OpenBLAS of its own: Panamba calls and sets its own copy, and leaves that one alone. */
class OtherOpenBlasTest {
    @Test
    void isNeitherCalledNorSet(@TempDir Path folder) throws Exception {
        int cores = Runtime.getRuntime().availableProcessors();
        assumeTrue(cores > 1, "On one core both copies have one thread whoever sets them.");
        var ours = Natives.loadOpenBlas();
        // A class loader searches its libraries in the order of their names' hashes: several names, several orders.
        for (var name : new String[] {"a", "b", "c", "d"}) {
            var copy = Files.createDirectory(folder.resolve(name)).resolve("libopenblas.so.0");
            Files.copy(openBlas(ours.stream()), copy);
            for (var order : new String[] {"before", "behind"}) {
                var arguments = Stream.concat(
                        Stream.of(order),
                        Stream.concat(Stream.of(copy), ours.stream()).map(Path::toString));
                var fork = Fork.run(Map.of(), Loader.class, arguments.toArray(String[]::new));
                assertEquals(
                        "ours 1, the other's " + cores, fork.output().strip(), copy + " is loaded " + order + " ours");
                assertEquals(0, fork.exit());
            }
            Files.delete(copy);
        }
    }

    private static Path openBlas(Stream<Path> files) {
        return files.filter(file -> file.endsWith("libopenblas.so.0"))
                .findFirst()
                .orElseThrow();
    }

    /** Loads the other copy before or behind ours and says how many threads each has. */
    @SuppressWarnings("restricted")
    static final class Loader {
        private Loader() {}

        public static void main(String[] arguments) throws Throwable {
            var copy = Path.of(arguments[1]);
            if (arguments[0].equals("before")) {
                // What OpenBLAS needs comes first in the list, ours last.
                Stream.of(arguments).skip(2).limit(arguments.length - 3).forEach(System::load);
                System.load(copy.toString());
            }
            Natives.loadOpenBlas();
            System.load(copy.toString());
            var threads = Linker.nativeLinker()
                    .downcallHandle(
                            SymbolLookup.libraryLookup(copy, Arena.global())
                                    .find("openblas_get_num_threads")
                                    .orElseThrow(),
                            FunctionDescriptor.of(JAVA_INT));
            System.out.println("ours " + OpenBlas.facts().threads() + ", the other's " + (int) threads.invokeExact());
        }
    }
}
