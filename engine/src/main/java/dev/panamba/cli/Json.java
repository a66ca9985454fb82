package dev.panamba.cli;

import java.io.PrintStream;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/** One JSON object a line, the machine's form of a result. */
final class Json {
    private static final JsonMapper MAPPER = new JsonMapper();

    private Json() {}

    /**
     * An object in one line.
     *
     * @param fields in order; values are texts, numbers, booleans, arrays, maps and lists of these
     * @return JSON without a line break
     */
    static String line(Map<String, ?> fields) {
        return MAPPER.writeValueAsString(fields);
    }

    /** Prints an object. */
    static void print(PrintStream out, Map<String, ?> fields) {
        out.println(line(fields));
    }
}
