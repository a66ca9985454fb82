package dev.panamba.io;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.panamba.model.ConfigFile;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Files of any bytes: only the refusals that are meant. The inputs that are kept are run with the tests. */
class FilesFuzz {
    @FuzzTest
    void safeTensors(byte[] bytes) throws IOException {
        var path = Files.createTempFile("panamba", ".safetensors");
        try (var file = SafeTensors.open(Files.write(path, bytes));
                var arena = Arena.ofConfined()) {
            for (var tensor : file.tensors()) {
                assertTrue(tensor.begin() >= 0 && tensor.end() <= bytes.length, tensor.toString());
                file.map(arena).asSlice(tensor.begin(), tensor.end() - tensor.begin());
            }
        } catch (MalformedFileException e) {
            assertTrue(e.getMessage().length() < 1000);
        } finally {
            Files.delete(path);
        }
    }

    @FuzzTest
    void config(byte[] bytes) throws IOException {
        var path = Files.createTempFile("panamba", ".json");
        try {
            Files.write(path, bytes);
            var config = ConfigFile.read(WeightFiles.json(path));
            var again = ConfigFile.read(ConfigFile.write(config, DType.F32));
            assertTrue(config.equals(again), () -> config + " became " + again);
        } catch (IOException e) {
            assertTrue(e.getMessage().contains("is no JSON"), e.getMessage());
        } catch (IllegalArgumentException e) {
            // The field that is wrong.
        } finally {
            Files.delete(path);
        }
    }

    @FuzzTest
    void tokens(byte[] bytes) throws Exception {
        var small = Path.of(Tokenizers.class
                .getResource("/dev/panamba/text/small-tokenizer.json")
                .toURI());
        for (var tokenizer : new dev.panamba.text.Tokenizer[] {Tokenizers.bytes(), Tokenizers.open(small)}) {
            for (int id : tokenizer.encode(bytes, bytes.length)) {
                assertTrue(id >= 0 && id < tokenizer.vocabulary());
            }
            var decoder = tokenizer.decoder();
            var read = new StringBuilder();
            for (int i = 0; i + 1 < bytes.length; i += 2) {
                read.append(decoder.append((bytes[i] & 0xFF) << 8 | bytes[i + 1] & 0xFF));
            }
            assertTrue(StandardCharsets.UTF_8.newEncoder().canEncode(read), "half a character");
        }
    }
}
