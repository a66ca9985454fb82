package dev.panamba.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.Fork;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Libraries are extracted once, and again where somebody changed them. */
class CacheTest {
    @TempDir
    private Path cache;

    /** Loads everything and says where from. */
    static final class Loader {
        public static void main(String[] arguments) {
            Natives.loadOpenBlas().forEach(System.out::println);
            System.out.println(Natives.facts().file());
        }
    }

    private List<Path> load() throws IOException, InterruptedException {
        var fork = Fork.run(Map.of("PANAMBA_CACHE", cache.toString()), Loader.class);
        assertEquals(0, fork.exit(), fork.output());
        return fork.output().lines().map(Path::of).toList();
    }

    @Test
    void whatWasChangedIsReplaced() throws IOException, InterruptedException {
        var files = load();
        assertEquals(5, files.size());
        var library = files.getLast();
        assertTrue(library.startsWith(cache), library.toString());
        var right = Files.readAllBytes(library);
        var extracted = Files.getLastModifiedTime(library);

        assertEquals(files, load());
        assertEquals(extracted, Files.getLastModifiedTime(library), "extracted once");

        var wrong = right.clone();
        wrong[wrong.length / 2] ^= 1;
        for (var content : List.of(wrong, new byte[0])) {
            Files.write(library, content);
            assertEquals(files, load());
            assertEquals(-1, Files.mismatch(library, Files.write(cache.resolve("right"), right)));
        }

        Files.writeString(library.resolveSibling(library.getFileName() + ".verified"), "nonsense");
        assertEquals(files, load());
        Files.delete(library);
        assertEquals(files, load());
    }
}
