package dev.panamba;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
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

    private static final List<String> ALLOWED = List.of("--enable-native-access=ALL-UNNAMED");

    /** Runs a main class to its end. */
    public static Fork run(Map<String, String> environment, Class<?> main, String... arguments)
            throws IOException, InterruptedException {
        return run(environment, ALLOWED, System.getProperty("java.class.path"), main, arguments);
    }

    /** Runs a main class that may not call native code. */
    public static Fork withoutNativeAccess(Class<?> main) throws IOException, InterruptedException {
        return run(Map.of(), List.of(), System.getProperty("java.class.path"), main);
    }

    /** Runs a main class on a class path without OpenBLAS, which the engine's jar would bring along. */
    public static Fork withoutOpenBlas(Class<?> main, String... arguments) throws IOException, InterruptedException {
        var left = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .map(Path::of)
                .filter(entry -> !entry.getFileName().toString().startsWith("openblas-"))
                .map(entry -> entry.endsWith("panamba-engine.jar") ? entry.resolveSibling("classes") : entry)
                .map(Path::toString)
                .collect(Collectors.joining(File.pathSeparator));
        return run(Map.of(), ALLOWED, left, main, arguments);
    }

    private static Fork run(
            Map<String, String> environment, List<String> access, String classPath, Class<?> main, String... arguments)
            throws IOException, InterruptedException {
        var java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        var options = List.of(
                "--illegal-native-access=deny",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-XX:-CreateCoredumpOnCrash",
                "-XX:ErrorFile=/dev/null",
                "-cp",
                classPath,
                main.getName());
        var builder =
                new ProcessBuilder(Stream.of(Stream.of(java), access.stream(), options.stream(), Stream.of(arguments))
                        .flatMap(words -> words)
                        .toList());
        builder.environment().putAll(environment);
        var process = builder.redirectErrorStream(true).start();
        var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Fork(process.waitFor(), output);
    }
}
