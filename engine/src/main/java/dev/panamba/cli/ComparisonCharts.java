package dev.panamba.cli;

import dev.panamba.cli.ComparisonReport.Row;
import dev.panamba.cli.ComparisonReport.Trained;
import dev.panamba.io.WeightFiles;
import dev.panamba.train.Curve;
import dev.panamba.train.SpeedUp;
import dev.panamba.train.TrainingRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The pictures of a comparison. A preset's curve is the mean over its seeds. */
final class ComparisonCharts {
    private static final int POINTS = 300;
    /** What is left out at the start, as a share: there losses fall from so high that the rest would be a flat line. */
    private static final double START = 0.04;

    private final Path folder;
    private final ComparisonReport report;

    private final List<Path> pictures = new ArrayList<>();

    private ComparisonCharts(Path folder, ComparisonReport report) {
        this.folder = folder;
        this.report = report;
    }

    /** Draws all that can be drawn, and says what that was. */
    static List<Path> draw(Path folder, ComparisonReport report) throws IOException {
        var charts = new ComparisonCharts(folder, report);
        Charts.attempt(() -> {
            charts.losses();
            charts.speedUps();
            charts.experts();
            for (var row : report.rows()) {
                charts.kinds(row);
            }
        });
        return charts.pictures;
    }

    private void losses() throws IOException {
        var bySteps = Charts.chart("Smoothed cross entropy, nats per token", "step", "loss");
        var byTime = Charts.chart("Smoothed cross entropy, nats per token", "seconds", "loss");
        for (var row : report.rows()) {
            var curves = row.trained().stream()
                    .map(t -> Curve.smoothed(t.history().loss(), report.plan().smoothing()))
                    .toList();
            var steps = new ArrayList<Double>();
            var seconds = new ArrayList<Double>();
            var losses = new ArrayList<Double>();
            for (int i : points(curves.getFirst().length())) {
                steps.add(i + 1.0);
                losses.add(mean(curves.stream().map(c -> c.values()[i]).toList()));
                seconds.add(mean(row.trained().stream()
                        .map(t -> t.history().seconds()[i])
                        .toList()));
            }
            add(bySteps, row.name(), steps, losses);
            add(byTime, row.name(), seconds, losses);
        }
        save("loss.png", List.of(bySteps));
        save("time.png", List.of(byTime));
    }

    private void speedUps() throws IOException {
        var baseline = report.rows().getFirst();
        var chart = Charts.chart(
                "Steps of " + baseline.name() + " by steps to the same loss", "step of " + baseline.name(), "speed-up");
        chart.getStyler().setLegendPosition(LegendPosition.InsideNW);
        for (var row : report.rows()) {
            for (var trained : row.trained()) {
                if (trained.speedUp() == null) {
                    continue;
                }
                var same = baseline.trained().stream()
                        .filter(t -> t.seed() == trained.seed())
                        .findFirst()
                        .orElseThrow();
                var curve = SpeedUp.overTraining(
                        same.history(), trained.history(), report.plan().smoothing());
                if (curve.length() > 0) {
                    chart.addSeries(row.name() + ", seed " + trained.seed(), curve.steps(), curve.values())
                            .setMarker(SeriesMarkers.NONE);
                }
            }
        }
        if (!chart.getSeriesCollection().isEmpty()) {
            save("speed-up.png", List.of(chart));
        }
    }

    /** Of each preset with experts the mean over its layers, of the first seed. */
    private void experts() throws IOException {
        var chart = Charts.chart("Load of the busiest and the idlest expert", "step", "share of tokens, 1 = even");
        for (var row : report.rows()) {
            var lines = lines(row.trained().getFirst());
            int layers = lines.getFirst().path("layers").size();
            if (layers == 0) {
                continue;
            }
            int width = Math.max(1, lines.size() / POINTS);
            var steps = new ArrayList<Double>();
            var busiest = new ArrayList<Double>();
            var idlest = new ArrayList<Double>();
            for (int i = 0; i + width <= lines.size(); i += width) {
                var part = lines.subList(i, i + width);
                var shares = IntStream.range(0, layers)
                        .mapToObj(layer -> Charts.shares(part, layer))
                        .toList();
                steps.add((double) (i + width));
                busiest.add(mean(shares.stream().map(share -> share[0]).toList()));
                idlest.add(mean(shares.stream().map(share -> share[1]).toList()));
            }
            add(chart, row.name() + " busiest", steps, busiest);
            add(chart, row.name() + " idlest", steps, idlest);
        }
        if (!chart.getSeriesCollection().isEmpty()) {
            save("experts.png", List.of(chart));
        }
    }

    private static List<JsonNode> lines(Trained trained) throws IOException {
        var mapper = new JsonMapper();
        return Files.readAllLines(TrainingRun.metrics(trained.directory())).stream()
                .map(mapper::readTree)
                .toList();
    }

    /** One chart below the other for each layer: bars of experts, made of kinds of tokens; of the first seed. */
    private void kinds(Row row) throws IOException {
        var routing = WeightFiles.json(row.trained().getFirst().directory().resolve(PresetTraining.ROUTING));
        var charts = new ArrayList<CategoryChart>();
        for (var layer : routing.path("layers")) {
            charts.add(kinds(row.name() + ", Switch layer " + (charts.size() + 1), routing.path("kinds"), layer));
        }
        if (!charts.isEmpty()) {
            save("kinds-" + row.name() + ".png", charts);
        }
    }

    private static CategoryChart kinds(String title, JsonNode kinds, JsonNode layer) {
        var chart = new CategoryChartBuilder()
                .width(900)
                .height(360)
                .title(title)
                .xAxisTitle("expert")
                .yAxisTitle("tokens")
                .build();
        chart.getStyler().setStacked(true).setLegendPosition(LegendPosition.OutsideE);
        var experts = IntStream.rangeClosed(1, layer.size()).boxed().toList();
        for (int kind = 0; kind < kinds.size(); kind++) {
            int k = kind;
            chart.addSeries(
                    kinds.path(kind).asString(),
                    experts,
                    experts.stream()
                            .map(e -> layer.path(e - 1).path(k).asLong())
                            .toList());
        }
        return chart;
    }

    private void save(String name, List<? extends Chart<?, ?>> charts) throws IOException {
        pictures.add(Charts.save(folder.resolve(name), charts));
    }

    private static int[] points(int length) {
        int first = (int) (START * length);
        int count = Math.min(POINTS, length - first);
        return IntStream.range(0, count)
                .map(i -> first + (int) ((i + 1L) * (length - first) / count) - 1)
                .toArray();
    }

    private static double mean(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    }

    private static void add(XYChart chart, String name, List<Double> x, List<Double> y) {
        chart.addSeries(name, x, y).setMarker(SeriesMarkers.NONE);
    }
}
