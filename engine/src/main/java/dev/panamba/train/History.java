package dev.panamba.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a training left in its metrics.
 *
 * @param loss of each step, NaN for one that was passed over
 * @param seconds from the start to the end of each step, saving and measuring excepted
 * @param heldOut loss on the sample, where it was measured
 * @param whole loss on the whole held-out text at the end, if there was one
 */
public record History(double[] loss, double[] seconds, Curve heldOut, OptionalDouble whole) {
    /**
     * Reads the metrics of a training that has come to its end.
     *
     * @param directory of the training
     * @param tokens of a step
     * @return its history
     * @throws IOException if they cannot be read
     */
    public static History read(Path directory, long tokens) throws IOException {
        var mapper = new JsonMapper();
        var lines = Files.readAllLines(TrainingRun.metrics(directory)).stream()
                .map(mapper::readTree)
                .toList();
        var seconds = new double[lines.size()];
        double sum = 0;
        for (int i = 0; i < seconds.length; i++) {
            sum += tokens / lines.get(i).path("tokens_per_s").asDouble();
            seconds[i] = sum;
        }
        var last = lines.getLast().path("valid_loss");
        return new History(
                lines.stream().mapToDouble(line -> number(line, "loss")).toArray(),
                seconds,
                sample(lines.subList(0, lines.size() - 1)),
                last.isNumber() ? OptionalDouble.of(last.asDouble()) : OptionalDouble.empty());
    }

    private static double number(JsonNode line, String name) {
        var number = line.path(name);
        return number.isNumber() && !line.has("skipped") ? number.asDouble() : Double.NaN;
    }

    private static Curve sample(List<JsonNode> lines) {
        var measured = IntStream.range(0, lines.size())
                .filter(i -> lines.get(i).path("valid_loss").isNumber())
                .toArray();
        return new Curve(
                IntStream.of(measured).mapToDouble(i -> i + 1).toArray(),
                IntStream.of(measured)
                        .mapToDouble(i -> lines.get(i).path("valid_loss").asDouble())
                        .toArray());
    }

    /**
     * The number of steps.
     *
     * @return a count
     */
    public int steps() {
        return loss.length;
    }

    /**
     * How long some steps took.
     *
     * @param steps from the first on, with a fraction
     * @return seconds
     */
    public double secondsTo(double steps) {
        int whole = (int) steps;
        double before = whole == 0 ? 0 : seconds[whole - 1];
        return whole == seconds.length ? before : before + (steps - whole) * (seconds[whole] - before);
    }
}
