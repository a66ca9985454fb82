package dev.panamba.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.Fork;
import dev.panamba.infer.LanguageModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The tokenizers' library comes from a place where nobody else could have put it, and changes nothing else of the process. */
class TokenizersNativeTest {
    @TempDir
    private Path folder;

    /** Arguments: a tokenizer. */
    static final class Opens {
        private Opens() {}

        public static void main(String[] arguments) throws IOException {
            var before = new TreeMap<Object, Object>(System.getProperties());
            System.out.println(Tokenizers.open(Path.of(arguments[0])).encode("Hello").length + " tokens");
            System.out.println(
                    before.equals(new TreeMap<Object, Object>(System.getProperties()))
                            ? "nothing set"
                            : "properties set");
            try (var maps = Files.lines(Path.of("/proc/self/maps"))) {
                maps.filter(line -> line.contains("libtokenizers"))
                        .map(line -> "from " + line.substring(line.indexOf('/')))
                        .distinct()
                        .forEach(System.out::println);
            }
        }
    }

    private String opens(Map<String, String> environment) throws Exception {
        var fork = Fork.run(environment, Opens.class, TokenizerTest.small().toString());
        assertEquals(0, fork.exit(), fork.output());
        assertTrue(fork.output().contains("nothing set"), fork.output());
        return fork.output();
    }

    /** The cache's folder and file, made by a first start. */
    private Path made(Path cache) throws Exception {
        assertTrue(opens(Map.of("PANAMBA_CACHE", cache.toString())).contains("from " + cache), "from the cache");
        try (var files = Files.walk(cache)) {
            return files.filter(path -> path.endsWith("libtokenizers.so"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    @Test
    void aCacheOfOnesOwnIsUsed() throws Exception {
        var file = made(folder.resolve("cache"));
        var time = Files.getLastModifiedTime(file);
        made(folder.resolve("cache"));
        assertEquals(time, Files.getLastModifiedTime(file), "it is not copied again");
    }

    @Test
    void whatOthersMayHavePlantedIsNotLoaded() throws Exception {
        var cache = folder.resolve("cache");
        var file = made(cache);
        for (var open : List.of(cache, file.getParent(), file)) {
            var before = Files.getPosixFilePermissions(open);
            Files.writeString(file, "planted");
            Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
            var output = opens(Map.of("PANAMBA_CACHE", cache.toString()));
            if (open.equals(file)) {
                assertTrue(output.contains("from " + file), output);
                assertTrue(Files.size(file) > 1000, "it was replaced");
            } else {
                assertFalse(output.contains("from " + cache), output);
                assertEquals("planted", Files.readString(file));
            }
            Files.setPosixFilePermissions(open, before);
        }
    }

    @Test
    void linksAndPipesInTheCacheAreReplaced() throws Exception {
        var cache = folder.resolve("cache");
        var file = made(cache);
        var elsewhere = Files.writeString(folder.resolve("elsewhere"), "planted");
        Files.delete(file);
        Files.createSymbolicLink(file, elsewhere);
        made(cache);
        assertTrue(Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS));
        assertEquals("planted", Files.readString(elsewhere));
        Files.delete(file);
        assertEquals(0, new ProcessBuilder("mkfifo", file.toString()).start().waitFor());
        made(cache);
        assertTrue(Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS));
    }

    @Test
    void withoutAHomeAFreshFolderIsUsedAndRemoved() throws Exception {
        var temporary = Files.createDirectory(folder.resolve("temporary"));
        var output = opens(Map.of(
                "PANAMBA_CACHE",
                "",
                "XDG_CACHE_HOME",
                "",
                "JAVA_TOOL_OPTIONS",
                "-Duser.home=? -Djava.io.tmpdir=" + temporary));
        assertTrue(output.contains("from " + temporary), output);
        assertFalse(Files.exists(Path.of("?")));
        try (var left = Files.list(temporary)) {
            assertEquals(
                    List.of(),
                    left.filter(path -> path.toString().contains("panamba")).toList());
        }
        // A file where the folder would be.
        var blocked = Files.createFile(folder.resolve("blocked"));
        assertFalse(opens(Map.of("PANAMBA_CACHE", blocked.toString())).contains("from " + blocked));
    }

    /** The engine's jars as modules: a training with a tokenizer.json, and text of what it made. */
    @Test
    void onTheModulePathATokenizerCanBeOpened() throws Exception {
        var engine = Path.of(LanguageModel.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toURI());
        var modules = engine + ":" + engine.resolveSibling("lib");
        var text = Files.writeString(folder.resolve("text"), "Hello world, a text to learn from. ".repeat(50));
        Files.writeString(
                folder.resolve("config"),
                "{\"model_type\": \"panamba\", \"family\": \"mamba\", \"norm\": \"rms\","
                        + " \"final_norm\": true, \"vocab_size\": 400, \"hidden_size\": 16, \"num_blocks\": 1, \"norm_eps\": 1e-5}");
        var out = folder.resolve("model").toString();
        module(
                modules,
                "train",
                "--config",
                folder.resolve("config").toString(),
                "--data",
                text.toString(),
                "--out",
                out,
                "--tokenizer",
                TokenizerTest.small().toString(),
                "--steps",
                "1",
                "--batch",
                "1",
                "--context",
                "16");
        var output = module(modules, "generate", "--model", out, "--prompt", "Hello", "--tokens", "3");
        assertTrue(output.contains("Hello"), output);
    }

    private static String module(String modules, String... arguments) throws Exception {
        var java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        var command = Stream.concat(
                        Stream.of(
                                java,
                                "--enable-native-access=dev.panamba.bindings,ai.djl.tokenizers",
                                "--illegal-native-access=deny",
                                "-p",
                                modules,
                                "-m",
                                "dev.panamba.engine/dev.panamba.cli.Main"),
                        Stream.of(arguments))
                .toList();
        var process = new ProcessBuilder(command).redirectErrorStream(true).start();
        var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        return output;
    }
}
