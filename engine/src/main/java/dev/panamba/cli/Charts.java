package dev.panamba.cli;

import dev.panamba.io.AtomicFiles;
import dev.panamba.train.TrainingRun;
import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Pictures of a training, drawn from its metrics. */
final class Charts {
    /** Points of a curve; longer trainings are averaged down. */
    private static final int POINTS = 300;

    /** Layers in one picture. */
    private static final int LAYERS = 100;

    private final Path directory;
    private final List<JsonNode> lines = new ArrayList<>();

    private Charts(Path directory) {
        this.directory = directory;
    }

    /**
     * Draws {@code loss.png}, and {@code experts.png} where there are experts.
     *
     * @param directory of a training
     * @return the pictures
     * @throws IOException if metrics cannot be read or pictures not written
     */
    static List<Path> draw(Path directory) throws IOException {
        var charts = new Charts(directory);
        var mapper = new JsonMapper();
        for (var line : Files.readAllLines(TrainingRun.metrics(directory))) {
            charts.lines.add(mapper.readTree(line));
        }
        var pictures = new ArrayList<Path>();
        if (charts.lines.isEmpty()) {
            return pictures;
        }
        attempt(() -> {
            pictures.add(charts.loss());
            if (!charts.lines.getFirst().path("layers").isEmpty()) {
                pictures.add(charts.experts());
            }
        });
        return pictures;
    }

    /** Draws pictures. */
    @FunctionalInterface
    interface Drawing {
        void draw() throws IOException;
    }

    /** Draws where that can be done: a system may have no fonts, or its Java no windows, and no work is to end in that. */
    static void attempt(Drawing drawing) throws IOException {
        try {
            drawing.draw();
        } catch (RuntimeException | LinkageError | InternalError e) {
            System.err.println("no picture could be drawn, for which Java needs fonts (Debian: fontconfig): " + e);
        }
    }

    private Path loss() throws IOException {
        var chart = chart("Cross entropy, nats per token", "step", "loss");
        var steps = new ArrayList<Double>();
        var losses = new ArrayList<Double>();
        var validSteps = new ArrayList<Double>();
        var valid = new ArrayList<Double>();
        int width = Math.max(1, lines.size() / POINTS);
        for (int i = 0; i + width <= lines.size(); i += width) {
            var part = lines.subList(i, i + width);
            steps.add(part.getLast().path("step").asDouble() + 1);
            losses.add(part.stream()
                    .map(l -> l.path("loss"))
                    .filter(JsonNode::isNumber)
                    .mapToDouble(JsonNode::asDouble)
                    .average()
                    .orElse(Double.NaN));
        }
        for (var line : lines) {
            if (line.path("valid_loss").isNumber()) {
                validSteps.add(line.path("step").asDouble() + 1);
                valid.add(line.path("valid_loss").asDouble());
            }
        }
        chart.addSeries("training", steps, losses).setMarker(SeriesMarkers.NONE);
        if (!valid.isEmpty()) {
            chart.addSeries("held-out", validSteps, valid).setMarker(SeriesMarkers.CIRCLE);
        }
        return save(chart, "loss.png");
    }

    /**
     * Of each layer, the busiest and the idlest expert's share of the tokens, in multiples of an even share; of a very deep model
     * only layers at even distances.
     */
    private Path experts() throws IOException {
        var chart = chart("Load of the busiest and the idlest expert", "step", "share of tokens, 1 = even");
        int layers = lines.getFirst().path("layers").size();
        int width = Math.max(1, lines.size() / POINTS);
        int shown = Math.min(layers, LAYERS);
        for (int one = 0; one < shown; one++) {
            int layer = (int) ((long) one * layers / shown);
            var steps = new ArrayList<Double>();
            var busiest = new ArrayList<Double>();
            var idlest = new ArrayList<Double>();
            for (int i = 0; i + width <= lines.size(); i += width) {
                var share = shares(lines.subList(i, i + width), layer);
                steps.add(lines.get(i + width - 1).path("step").asDouble() + 1);
                busiest.add(share[0]);
                idlest.add(share[1]);
            }
            chart.addSeries("layer " + (layer + 1) + " busiest", steps, busiest).setMarker(SeriesMarkers.NONE);
            chart.addSeries("layer " + (layer + 1) + " idlest", steps, idlest).setMarker(SeriesMarkers.NONE);
        }
        return save(chart, "experts.png");
    }

    /** Of one layer, the share of the busiest and that of the idlest expert, 1 being an even one. */
    static double[] shares(List<JsonNode> part, int layer) {
        double[] load = new double
                [part.getFirst().path("layers").path(layer).path("load").size()];
        double sum = 0;
        for (var line : part) {
            for (int e = 0; e < load.length; e++) {
                var n = line.path("layers").path(layer).path("load").path(e).asDouble();
                load[e] += n;
                sum += n;
            }
        }
        double most = 0;
        double least = Double.MAX_VALUE;
        for (double n : load) {
            most = Math.max(most, n * load.length / sum);
            least = Math.min(least, n * load.length / sum);
        }
        return new double[] {most, least};
    }

    static XYChart chart(String title, String x, String y) {
        var chart = new XYChartBuilder()
                .width(900)
                .height(540)
                .title(title)
                .xAxisTitle(x)
                .yAxisTitle(y)
                .build();
        chart.getStyler().setLegendPosition(LegendPosition.InsideNE).setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setXAxisTickMarkSpacingHint(120);
        return chart;
    }

    private Path save(XYChart chart, String name) throws IOException {
        return save(directory.resolve(name), List.of(chart));
    }

    /** Paints charts of one width below each other. */
    static Path save(Path file, List<? extends Chart<?, ?>> charts) throws IOException {
        int height = charts.stream().mapToInt(Chart::getHeight).sum();
        var image = new BufferedImage(charts.getFirst().getWidth(), height, BufferedImage.TYPE_INT_RGB);
        var graphics = image.createGraphics();
        for (var chart : charts) {
            chart.paint(graphics, chart.getWidth(), chart.getHeight());
            graphics.translate(0, chart.getHeight());
        }
        // Into a file it would write in place, whatever is there, and be silent where the disk is full.
        var bytes = new ByteArrayOutputStream();
        ImageIO.write(image, "png", bytes);
        AtomicFiles.file(file, AtomicFiles.Content.of(bytes.toByteArray()));
        return file;
    }
}
