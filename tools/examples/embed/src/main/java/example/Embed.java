package example;

import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;

/** Several ways to go on from one text: {@code java ... example.Embed MODEL "some text"}. */
public final class Embed {
    private Embed() {}

    /**
     * Reads a prompt once and writes three continuations of it.
     *
     * @param arguments a model's directory, and a prompt
     * @throws IOException if the model cannot be loaded
     */
    public static void main(String[] arguments) throws IOException {
        try (var model = LanguageModel.load(Path.of(arguments[0]))) {
            continuations(model, arguments[1], 3).forEach(System.out::println);
        }
    }

    /**
     * Continuations of a prompt, which is read once: for a Mamba model the state behind it has the same size however long it was.
     *
     * @param model any model
     * @param prompt at least one character
     * @param count how many
     * @return texts of up to 40 tokens
     */
    public static List<String> continuations(LanguageModel model, String prompt, int count) {
        try (var session = model.newSession()) {
            session.feed(model.tokenizer().encode(prompt));
            var here = session.snapshot();
            return IntStream.range(0, count)
                    .mapToObj(seed -> {
                        var tokens = session.restore(here).generate(Sampler.topP(0.9f, seed), 40);
                        return StreamSupport.stream(tokens.spliterator(), false)
                                .map(token -> token.text())
                                .collect(Collectors.joining());
                    })
                    .toList();
        }
    }
}
