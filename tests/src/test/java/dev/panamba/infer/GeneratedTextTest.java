package dev.panamba.infer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.panamba.model.Presets;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.KnownTokenizers;
import dev.panamba.text.Tokenizers;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a session generates reads as it would in one text with the prompt, however often generating begins anew. */
class GeneratedTextTest {
    @TempDir
    private Path folder;

    private LanguageModel model() throws Exception {
        var tokenizer = Tokenizers.open(KnownTokenizers.write(folder, KnownTokenizers.llama()));
        var config = Presets.named("tiny-mamba")
                .withVocabulary(tokenizer.vocabulary())
                .config();
        return LanguageModel.of(Weights.random(config, 1), tokenizer, DType.F32, 1);
    }

    private String whole(List<Integer> ids) throws Exception {
        return KnownTokenizers.text(
                folder.resolve("tokenizer.json"),
                ids.stream().mapToInt(Integer::intValue).toArray());
    }

    @Test
    void textGoesOnAtEveryGenerate() throws Exception {
        try (var model = model()) {
            for (int count : new int[] {1, 2, 5}) {
                try (var session = model.newSession()) {
                    var ids = new java.util.ArrayList<Integer>();
                    for (int id : model.tokenizer().encode("the stone")) {
                        ids.add(id);
                    }
                    session.feed(ids.stream().mapToInt(Integer::intValue).toArray());
                    var read = new StringBuilder(whole(ids));
                    // Words and letters: of bytes that are no UTF-8 the library may think again when more follow.
                    var random = new Random(count);
                    Sampler sampler =
                            _ -> 259 + random.nextInt(model.tokenizer().vocabulary() - 259);
                    for (int i = 0; i < 40; i++) {
                        for (var token : session.generate(sampler, count)) {
                            ids.add(token.id());
                            read.append(token.text());
                        }
                    }
                    assertEquals(whole(ids), read.toString());
                }
            }
        }
    }

    /** The same word after the same state, by all the ways to come to it. */
    @Test
    void aWordHasItsSpaceWhateverCameBefore() throws Exception {
        try (var model = model();
                var session = model.newSession()) {
            var tokenizer = model.tokenizer();
            int the = tokenizer.plain().encode("the")[0];
            Sampler always = logits -> the;
            session.feed(tokenizer.encode("a stone"));
            assertEquals(" the", session.generate(always, 1).iterator().next().text());
            var snapshot = session.snapshot();
            try (var fork = session.fork();
                    var restored = model.newSession().restore(snapshot)) {
                assertEquals(" the", fork.generate(always, 1).iterator().next().text());
                assertEquals(
                        " the", restored.generate(always, 1).iterator().next().text());
                model.batch(List.of(fork, restored)).next(always);
                assertEquals(" the", fork.generate(always, 1).iterator().next().text());
            }
            session.next(always);
            session.feed(IntStream.generate(() -> the).limit(100).toArray());
            assertEquals(
                    List.of(" the", " the"),
                    Arrays.asList(
                            session.generate(always, 1).iterator().next().text(),
                            session.generate(always, 1).iterator().next().text()));
        }
    }
}
