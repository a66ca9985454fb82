package dev.panamba.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.infer.SessionFile;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Presets;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Corpus;
import dev.panamba.text.TokenFile;
import dev.panamba.text.Tokenizers;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Whatever is read is a regular file: nothing waits for a pipe, and no device fills a disk. */
class InputFilesTest {
    @TempDir
    private Path folder;

    private Path model;
    private Map<Path, String> special;

    @BeforeEach
    void make() throws Exception {
        model = folder.resolve("model");
        try (var weights = Weights.random(Presets.named("tiny-mamba").config(), 1)) {
            AtomicFiles.directory(model, ModelFiles.contents(weights, DType.F32, null));
        }
        var fifo = folder.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        var socket = Path.of(folder.toString(), "s");
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
        }
        special = new TreeMap<>(Map.of(
                fifo,
                "a FIFO",
                Files.createSymbolicLink(folder.resolve("link"), fifo),
                "a FIFO",
                Path.of("/dev/zero"),
                "a character device",
                Path.of("/dev/null"),
                "a character device",
                socket,
                "a socket",
                Files.createDirectory(folder.resolve("directory")),
                "a directory"));
    }

    @Test
    void everyReaderTakesRegularFilesOnly() {
        var config = Presets.named("tiny-mamba").config();
        for (var path : special.keySet()) {
            refused(path, () -> SafeTensors.open(path).close());
            refused(path, () -> WeightFiles.json(path));
            refused(path, () -> ModelFiles.readConfig(path));
            refused(path, () -> Tokenizers.open(path));
            refused(path, () -> TokenFile.open(path).close());
            refused(path, () -> SessionFile.read(path, config));
            var copied = assertTimeoutPreemptively(
                    Duration.ofSeconds(20),
                    () -> assertThrows(
                            IOException.class,
                            () -> AtomicFiles.file(folder.resolve("copy"), AtomicFiles.Content.copyOf(path))));
            assertTrue(copied.getMessage().contains(path + " is " + special.get(path)), copied.getMessage());
            if (!Files.isDirectory(path)) {
                refused(path, () -> TokenFile.write(folder.resolve("tokens"), Corpus.of(path), Tokenizers.bytes()));
            }
        }
        assertTrue(Files.notExists(folder.resolve("copy")) && Files.notExists(folder.resolve("tokens")));
    }

    @Test
    void everyFileOfAModelIsARegularOne() throws IOException {
        var config = Files.readString(model.resolve("config.json"));
        for (var name : List.of("config.json", "model.safetensors", "generation_config.json", "tokenizer.json")) {
            for (var path : special.keySet()) {
                var directory = Files.createTempDirectory(folder, "model");
                Files.writeString(directory.resolve("config.json"), config);
                Files.copy(model.resolve("model.safetensors"), directory.resolve("model.safetensors"));
                var file = directory.resolve(name);
                Files.deleteIfExists(file);
                Files.createSymbolicLink(file, path);
                refused(file, special.get(path), () -> {
                    ModelFiles.tokenizer(directory);
                    ModelFiles.weights(directory, false).close();
                });
            }
        }
        for (var path : special.keySet()) {
            var directory = Files.createTempDirectory(folder, "shards");
            Files.writeString(directory.resolve("config.json"), config);
            var index = directory.resolve("model.safetensors.index.json");
            Files.createSymbolicLink(index, path);
            refused(
                    index,
                    special.get(path),
                    () -> ModelFiles.weights(directory, true).close());
            Files.delete(index);
            Files.writeString(index, "{\"weight_map\": {\"a\": \"shard.safetensors\"}}");
            var shard = Files.createSymbolicLink(directory.resolve("shard.safetensors"), path);
            refused(
                    shard,
                    special.get(path),
                    () -> ModelFiles.weights(directory, true).close());
        }
    }

    private void refused(Path path, Executable read) {
        refused(path, special.get(path), read);
    }

    private static void refused(Path path, String kind, Executable read) {
        var refused = assertTimeoutPreemptively(Duration.ofSeconds(20), () -> assertThrows(IOException.class, read));
        assertTrue(refused.getMessage().startsWith(path + " is " + kind), refused.getMessage());
    }

    @Test
    void linksToFilesAreFollowed() throws IOException {
        var file = Files.writeString(folder.resolve("text"), "text");
        var link = Files.createSymbolicLink(folder.resolve("l"), file);
        assertEquals("text", new String(InputFiles.bytes(link, 4), StandardCharsets.UTF_8));
        assertThrows(IOException.class, () -> InputFiles.bytes(link, 3));
        var broken = Files.createSymbolicLink(folder.resolve("b"), folder.resolve("none"));
        assertThrows(NoSuchFileException.class, () -> InputFiles.open(broken));
    }

    /** Files of /proc have a size of 0, whatever they hold. */
    @Test
    void aSizeIsNotBelieved() throws IOException {
        assertTrue(InputFiles.bytes(Path.of("/proc/self/status"), 1 << 16).length > 100);
        assertThrows(IOException.class, () -> InputFiles.bytes(Path.of("/proc/self/status"), 100));
    }
}
