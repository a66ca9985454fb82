import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;
import tools.jackson.databind.json.JsonMapper;

/**
 * Keeps of a comparison's metrics what its report is made of, the load of single experts left out:
 * {@code java -cp "engine/target/lib/*" tools/study/claim/Metrics.java COMPARISON DIR} writes {@code DIR/PRESET-seed-N.csv.gz}.
 */
final class Metrics {
    private static final String[] FIELDS = {"step", "loss", "aux", "grad_norm", "lr", "dropped", "tokens_per_s", "valid_loss"};

    private Metrics() {}

    static void main(String[] arguments) throws IOException {
        var comparison = Path.of(arguments[0]);
        var to = Files.createDirectories(Path.of(arguments[1]));
        try (var files = Files.find(comparison, 3, (path, _) -> path.endsWith("metrics.jsonl"))) {
            for (var file : files.filter(f -> !f.startsWith(comparison.resolve("sweep"))).toList()) {
                var training = comparison.relativize(file.getParent()).toString().replace('/', '-');
                write(file, to.resolve(training + ".csv.gz"));
            }
        }
    }

    private static void write(Path metrics, Path csv) throws IOException {
        var mapper = new JsonMapper();
        try (var out = new PrintWriter(
                new OutputStreamWriter(new GZIPOutputStream(Files.newOutputStream(csv)), StandardCharsets.UTF_8))) {
            out.println(String.join(",", FIELDS));
            for (var line : Files.readAllLines(metrics)) {
                var json = mapper.readTree(line);
                for (var field : FIELDS) {
                    out.print(field.equals(FIELDS[0]) ? "" : ",");
                    var value = json.get(field);
                    out.print(value == null ? "" : value.isIntegralNumber() ? value.asString() : Float.toString(value.floatValue()));
                }
                out.println();
            }
        }
    }
}
