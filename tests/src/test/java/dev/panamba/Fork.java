package dev.panamba;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A Java process of the tests' own class path, for what cannot be tried in this one: other environments, and crashes.
 *
 * @param exit its exit code
 * @param output standard output and error
 */
public record Fork(int exit, String output) {
    /** The exit code of a JVM that a signal ended and that was told to leave no core behind. */
    public static final int CRASHED = 1;

    /** Runs a main class to its end. */
    public static Fork run(Map<String, String> environment, Class<?> main, String... arguments)
            throws IOException, InterruptedException {
        var java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        var options = List.of(
                java,
                "--enable-native-access=ALL-UNNAMED",
                "--illegal-native-access=deny",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-XX:-CreateCoredumpOnCrash",
                "-XX:ErrorFile=/dev/null",
                "-cp",
                System.getProperty("java.class.path"),
                main.getName());
        var builder = new ProcessBuilder(
                Stream.concat(options.stream(), Stream.of(arguments)).toList());
        builder.environment().putAll(environment);
        var process = builder.redirectErrorStream(true).start();
        var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Fork(process.waitFor(), output);
    }
}
