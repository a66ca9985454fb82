package dev.panamba.cli;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A command line that was run in this process.
 *
 * @param exit its exit code
 * @param out standard output
 * @param err standard error
 */
record Line(int exit, String out, String err) {
    /** Runs it; arguments are objects, so that paths and numbers can be given, or arrays of words. */
    static Line run(Object... arguments) {
        var out = new ByteArrayOutputStream();
        var err = new ByteArrayOutputStream();
        var stdout = System.out;
        var stderr = System.err;
        try {
            System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
            var words = Stream.of(arguments)
                    .flatMap(
                            argument -> argument instanceof String[] several ? Stream.of(several) : Stream.of(argument))
                    .map(Object::toString)
                    .toArray(String[]::new);
            int exit = Main.run(words);
            return new Line(exit, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(stdout);
            System.setErr(stderr);
        }
    }

    /** The lines of the output as JSON. */
    List<JsonNode> json() {
        var mapper = new JsonMapper();
        return out.lines().map(mapper::readTree).toList();
    }

    /** The sentence of an error. */
    List<String> sentences() {
        return err.lines().filter(line -> line.startsWith("panamba: ")).toList();
    }
}
