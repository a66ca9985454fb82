import java.awt.Color;
import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import javax.imageio.ImageIO;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Draws what {@code panamba bench --what decode --past ... --json} printed: speed and state against the tokens already read. */
final class Context {
    private static final int WIDTH = 640;
    private static final int HEIGHT = 460;

    private Context() {}

    public static void main(String[] arguments) throws Exception {
        System.setProperty("java.awt.headless", "true");
        var mapper = new JsonMapper();
        Map<String, List<JsonNode>> models = new LinkedHashMap<>();
        for (var line : Files.readAllLines(Path.of(arguments[0]))) {
            var measured = mapper.readTree(line);
            var name = Path.of(measured.path("preset").asString()).getFileName().toString();
            models.computeIfAbsent(name, _ -> new ArrayList<>()).add(measured);
        }
        var image = new BufferedImage(2 * WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
        chart("Generating", "tokens/s", models, m -> m.path("value").asDouble())
                .paint(image.createGraphics(), WIDTH, HEIGHT);
        var right = image.createGraphics();
        right.translate(WIDTH, 0);
        chart("State of a session", "KiB", models, m -> m.path("state_bytes").asDouble() / 1024)
                .paint(right, WIDTH, HEIGHT);
        ImageIO.write(image, "png", Path.of(arguments[1]).toFile());
    }

    private static XYChart chart(
            String title, String y, Map<String, List<JsonNode>> models, ToDoubleFunction<JsonNode> value) {
        var chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("tokens already read")
                .yAxisTitle(y)
                .build();
        chart.getStyler().setXAxisLogarithmic(true).setYAxisLogarithmic(true);
        chart.getStyler().setLegendPosition(LegendPosition.OutsideS).setChartBackgroundColor(Color.WHITE);
        models.forEach((name, measured) -> chart.addSeries(
                name,
                measured.stream().map(m -> m.path("past").asDouble()).toList(),
                measured.stream().mapToDouble(value).boxed().toList()));
        return chart;
    }
}
