package dev.panamba.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.io.FolderLock;
import dev.panamba.io.WeightFiles;
import dev.panamba.train.Checkpoint;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** A training goes on as it was, but for what is given, and that is said; never with what is damaged. */
class ResumeTest {
    @TempDir
    private Path folder;

    private Path text;
    private Path other;
    private Path out;

    @BeforeEach
    void train() throws IOException {
        text = Files.writeString(folder.resolve("text.txt"), "The quick brown fox.\n".repeat(60));
        other = Files.writeString(folder.resolve("other.txt"), "Jumps over the lazy dog.\n".repeat(60));
        out = folder.resolve("out");
        ok(begin(out, "--steps", 4, "--save-every", 2));
    }

    private Line begin(Path out, Object... more) {
        return Line.run(Stream.concat(
                        Stream.of(
                                "train",
                                "--preset",
                                "tiny-mamba",
                                "--data",
                                text,
                                "--out",
                                out,
                                "--batch",
                                2,
                                "--context",
                                16,
                                "--schedule",
                                "constant",
                                "--warmup-steps",
                                1),
                        Stream.of(more))
                .toArray());
    }

    private Line resume(Object... more) {
        return Line.run(Stream.concat(Stream.of("train", "--out", out, "--resume"), Stream.of(more))
                .toArray());
    }

    private static Line ok(Line line) {
        assertEquals(0, line.exit(), line.err());
        return line;
    }

    private static void refused(Line line, String... words) {
        assertEquals(1, line.exit(), line.err());
        assertEquals(1, line.sentences().size(), line.err());
        for (var word : words) {
            assertTrue(line.sentences().getFirst().contains(word), line.err());
        }
        assertFalse(line.err().contains("\tat "), line.err());
    }

    private JsonNode settings() throws IOException {
        return WeightFiles.json(Checkpoint.latest(out).orElseThrow().directory().resolve("trainer.json"))
                .path("settings");
    }

    private static void flip(Path file) throws IOException {
        var bytes = Files.readAllBytes(file);
        bytes[bytes.length - 1] ^= 1;
        Files.write(file, bytes);
    }

    private void sameModel(Path a, Path b) throws IOException {
        for (var name : List.of("model.safetensors", "trainer.safetensors")) {
            assertEquals(-1, Files.mismatch(a.resolve(name), b.resolve(name)), name);
        }
    }

    @Test
    void anotherTextIsReadAndSaid() throws IOException {
        var before = settings().path("train_tokens");
        var line = ok(resume("--data", other, "--steps", 6));
        assertTrue(
                line.err().contains("from step 4 on: --data " + other + ", which is another text than before"),
                line.err());
        assertEquals(other.toString(), settings().path("data").asString());
        assertFalse(before.equals(settings().path("train_tokens")));
        assertTrue(Files.readString(out.resolve("train.tokens"), StandardCharsets.ISO_8859_1)
                .contains("lazy dog"));
        line = ok(resume("--steps", 7));
        assertFalse(line.err().contains("--data"), line.err());
        // From the first text on it would have come to something else.
        var whole = folder.resolve("whole");
        ok(begin(whole, "--steps", 7));
        assertTrue(Files.mismatch(whole.resolve("model.safetensors"), out.resolve("model.safetensors")) >= 0);
    }

    @Test
    void theSameTextIsNoChange() throws IOException {
        var line = ok(resume("--data", text, "--steps", 6));
        assertFalse(line.err().contains("--data"), line.err());
        var whole = folder.resolve("whole");
        ok(begin(whole, "--steps", 6));
        sameModel(whole.resolve("step-6"), out.resolve("step-6"));
    }

    @Test
    void aTextThatHasChangedCountsWhereItIsGiven() throws IOException {
        Files.copy(other, text, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        assertFalse(ok(resume("--steps", 5)).err().contains("--data"));
        assertTrue(ok(resume("--steps", 6, "--data", text)).err().contains("another text than before"));
    }

    @Test
    void aHeldOutTextIsTreatedAlike() throws IOException {
        var line = ok(resume("--valid", other, "--steps", 5));
        assertTrue(line.err().contains("from step 4 on: --valid " + other), line.err());
        flip(out.resolve("valid.tokens"));
        refused(resume("--steps", 6), "valid.tokens", "--valid");
        assertTrue(ok(resume("--valid", text, "--steps", 6)).err().contains("another text than before"));
    }

    @Test
    void tokensThatAreDamagedAreRefused() throws IOException {
        var tokens = out.resolve("train.tokens");
        flip(tokens);
        refused(resume("--steps", 6), tokens.toString(), "--data");
        assertEquals(4, Checkpoint.latest(out).orElseThrow().step());
        Files.delete(tokens);
        ok(resume("--steps", 6));
        flip(tokens);
        ok(resume("--steps", 7, "--data", text));
        var whole = folder.resolve("whole");
        ok(begin(whole, "--steps", 7));
        sameModel(whole.resolve("step-7"), out.resolve("step-7"));
        Files.delete(tokens);
        Files.copy(other, text, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        refused(resume("--steps", 8), tokens.toString(), "has changed");
    }

    /** Every option of a training, given another value beside --resume: it is said, written down, and that of the next. */
    @Test
    void everyOptionThatIsGivenCountsAndIsSaid() throws IOException {
        var changes = new LinkedHashMap<String, String>();
        changes.put("steps", "5");
        changes.put("batch", "4");
        changes.put("context", "24");
        changes.put("micro-batch", "1");
        changes.put("seed", "9");
        changes.put("lr", "1.0E-5");
        changes.put("warmup-steps", "3");
        changes.put("schedule", "cosine");
        changes.put("min-lr-ratio", "0.5");
        changes.put("weight-decay", "0.25");
        changes.put("decay", "matrices");
        changes.put("clip", "2.0");
        changes.put("beta1", "0.5");
        changes.put("beta2", "0.75");
        changes.put("eps", "1.0E-6");
        changes.put("order", "sequential");
        changes.put("compute", "bf16");
        var words = new ArrayList<Object>();
        changes.forEach((name, value) -> {
            words.add("--" + name);
            words.add(value);
        });
        words.add("--lazy-experts");
        assertEquals(TrainingOptions.ALL.size(), changes.size() + 1, "an option is not tried");
        var line = ok(resume(words.toArray()));
        changes.put("lazy-experts", "true");
        for (var change : changes.entrySet()) {
            assertTrue(
                    line.err()
                            .contains(
                                    "from step 4 on: --" + change.getKey() + " " + change.getValue() + " instead of "),
                    change + " in " + line.err());
            assertEquals(
                    change.getValue(),
                    settings().path(change.getKey().replace('-', '_')).asString());
        }
        line = ok(resume("--steps", 6));
        assertTrue(line.err().contains("--steps 6 instead of 5"), line.err());
        assertEquals(
                1,
                line.err().lines().filter(one -> one.contains(" instead of ")).count(),
                line.err());
    }

    @Test
    void fewerStepsThanWereTakenAreRefused() throws IOException {
        refused(resume("--steps", 3), "--steps is 3", "has taken 4");
        var line = ok(resume());
        assertTrue(line.err().contains("has taken all of its 4 steps, so nothing is done"), line.err());
        assertEquals(4, Checkpoint.latest(out).orElseThrow().step());
    }

    /** A vocabulary of the same size is not yet the same tokenizer. */
    @Test
    void anotherTokenizerIsRefused() throws Exception {
        var tokenizer = Path.of(
                ResumeTest.class.getResource("../text/small-tokenizer.json").toURI());
        refused(resume("--tokenizer", tokenizer, "--steps", 5), "another tokenizer");
        var own = folder.resolve("own");
        ok(begin(own, "--steps", 2, "--tokenizer", tokenizer));
        var copy = Files.copy(tokenizer, folder.resolve("copy.json"));
        ok(Line.run("train", "--out", own, "--resume", "--steps", 3, "--tokenizer", copy));
        Files.writeString(copy, Files.readString(copy) + "\n");
        refused(Line.run("train", "--out", own, "--resume", "--steps", 4, "--tokenizer", copy), "another tokenizer");
        refused(Line.run("train", "--out", own, "--resume", "--steps", 4, "--tokenizer", "bytes"), "another tokenizer");
    }

    @Test
    void itGoesBackToTheLastGoodCheckpointAndEndsAlike() throws IOException {
        flip(out.resolve("step-4/trainer.safetensors"));
        var line = ok(resume("--steps", 6));
        assertTrue(
                line.err().contains("trainer.safetensors is damaged")
                        && line.err().contains("goes on from step 2"),
                line.err());
        var whole = folder.resolve("whole");
        ok(begin(whole, "--steps", 6));
        sameModel(whole.resolve("step-6"), out.resolve("step-6"));
        assertTrue(Files.exists(out.resolve("damaged-step-4/model.safetensors")));
        assertEquals(6, Files.readAllLines(out.resolve("metrics.jsonl")).size());
        flip(out.resolve("step-6/config.json"));
        var last = Checkpoint.latest(out).orElseThrow().step();
        assertEquals(6, last);
        for (var step : List.of("step-2", "step-4", "step-5")) {
            if (Files.exists(out.resolve(step))) {
                flip(out.resolve(step).resolve("trainer.json"));
            }
        }
        refused(resume("--steps", 8), "step-6/config.json", "is damaged");
    }

    @Test
    void twoDoNotTrainIntoOneFolder() throws IOException {
        try (var _ = FolderLock.of(out)) {
            refused(resume("--steps", 5), "at work in " + out);
            refused(Line.run("demo", "--out", out), "at work in " + out);
        }
        var empty = Files.createDirectory(folder.resolve("empty"));
        try (var _ = FolderLock.of(empty)) {
            refused(begin(empty, "--steps", 1), "at work in " + empty);
        }
        assertFalse(Files.exists(empty.resolve("train.tokens")));
        ok(begin(empty, "--steps", 1));
        ok(resume("--steps", 5));
        refused(Line.run("demo", "--out", out), "holds a training already");
        assertTrue(Files.exists(out.resolve("train.tokens")));
    }

    @Test
    void aRateThatIsFarTooHighEndsInASentenceAndASaneOneGoesOn() {
        var wild = folder.resolve("wild");
        var line = begin(wild, "--lr", 1000, "--clip", 1e9, "--save-every", 1, "--steps", 100);
        refused(line, "diverged at step", "last good checkpoint", "lower learning rate");
        assertTrue(line.err().contains("is passed over: its loss is NaN"), line.err());
        ok(Line.run("train", "--out", wild, "--resume", "--lr", 1e-3, "--clip", 0.5, "--steps", 100));
        var measured = Line.run("eval", "--model", wild, "--data", text, "--json");
        assertTrue(ok(measured).json().getFirst().path("nats_per_token").asDouble() < 6);
    }
}
