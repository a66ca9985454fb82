package dev.panamba.model;

import dev.panamba.graph.Graph;
import dev.panamba.graph.Value;
import dev.panamba.model.Config.Dense;
import dev.panamba.model.Config.Mamba;
import dev.panamba.model.Config.None;
import dev.panamba.model.Config.Norm;
import dev.panamba.model.Config.Position;
import dev.panamba.model.Config.Switch;
import dev.panamba.nn.Attention;
import dev.panamba.nn.FeedForward;
import dev.panamba.nn.Layer;
import dev.panamba.nn.LayerNorm;
import dev.panamba.nn.MambaMixer;
import dev.panamba.nn.Pass;
import dev.panamba.nn.RmsNorm;
import dev.panamba.nn.SwitchFeedForward;
import dev.panamba.tensor.DType;
import java.util.List;

/**
 * A network emitted from a configuration. Every layer is one pre-norm residual, x + layer(norm(x)), and has one index; the
 * layers of a parallel block share their norm and index.
 */
public final class Network {
    private final Config config;
    private final Pass pass;
    private final Graph graph;
    private int index;

    private Network(Config config, Pass pass) {
        this.config = config;
        this.pass = pass;
        this.graph = pass.graph();
    }

    /**
     * Emits embedding, blocks and final norm.
     *
     * @param config the model
     * @param pass the run that this is for
     * @param token [T] I32
     * @return [T, D], what the head reads
     */
    public static Value body(Config config, Pass pass, Value token) {
        return new Network(config, pass).body(token);
    }

    /**
     * Emits the head.
     *
     * @param config the model
     * @param pass the run that this is for
     * @param x rows of the body's output, [T, D]
     * @return logits [T, V]
     */
    public static Value head(Config config, Pass pass, Value x) {
        var name = config.tieEmbeddings() ? "backbone.embeddings.weight" : "lm_head.weight";
        return pass.graph().linear(x, pass.matrix(name, config.V(), config.D()), null);
    }

    /**
     * The parameters of a model, in the order of the network.
     *
     * @param config the model
     * @param weights type of the large matrices; the others are F32
     * @return values of role PARAMETER
     */
    public static List<Value> parameters(Config config, DType weights) {
        var graph = new Graph(DType.F32);
        var pass = Pass.whole(graph, 1, 1, true, weights);
        head(config, pass, body(config, pass, graph.input("token", DType.I32, 1)));
        return List.copyOf(graph.parameters().values());
    }

    private Value body(Value token) {
        var table = pass.matrix("backbone.embeddings.weight", config.V(), config.D());
        var position = config.position() == Position.LEARNED
                ? graph.parameter("backbone.positions.weight", config.maxPositions(), config.D())
                : null;
        var x = graph.embedding(token, table, position, pass.past(), pass.L());
        for (int block = 0; block < config.blocks(); block++) {
            x = config.parallel() ? parallel(x) : sequential(x);
        }
        return config.finalNorm() ? norm("backbone.norm_f").emit(pass, x) : x;
    }

    private Value sequential(Value x) {
        x = residual(x, mixer());
        return config.mlp() instanceof None ? x : residual(x, mlp());
    }

    private Value residual(Value x, Layer layer) {
        var n = norm(layerName() + ".norm").emit(pass, x);
        index++;
        return graph.add(x, layer.emit(pass, n));
    }

    private Value parallel(Value x) {
        var n = norm(layerName() + ".norm").emit(pass, x);
        var mixed = graph.add(x, mixer().emit(pass, n));
        var sum = graph.add(mixed, mlp().emit(pass, n));
        index++;
        return sum;
    }

    private Layer mixer() {
        long D = config.D();
        return switch (config.mixer()) {
            case Mamba(var E, var N, var K, var R, var projectionBias, var convBias) ->
                new MambaMixer(layerName() + ".mixer", D, E, N, K, R, projectionBias, convBias);
            case Config.Attention(var H) ->
                new Attention(layerName() + ".attention", D, H, config.position() == Position.ROPE);
        };
    }

    private Layer mlp() {
        long D = config.D();
        return switch (config.mlp()) {
            case None _ -> throw new IllegalStateException("Nothing follows the mixer.");
            case Dense(var F) -> new FeedForward(layerName() + ".feed_forward", D, F);
            case Switch(var X, var F, var capacityFactor, var auxLoss) ->
                new SwitchFeedForward(layerName() + ".switch", D, X, F, capacityFactor, auxLoss);
        };
    }

    private Layer norm(String name) {
        return config.norm() == Norm.LAYER
                ? new LayerNorm(name, config.D(), config.normEps())
                : new RmsNorm(name, config.D(), config.normEps());
    }

    private String layerName() {
        return "backbone.layers." + index;
    }
}
