package dev.panamba.nn;

import dev.panamba.graph.Value;

/**
 * The Mamba layer (arXiv 2312.00752), with the reference implementation's parameter names.
 *
 * @param name of the parameters {@code in_proj}, {@code conv1d}, {@code x_proj}, {@code dt_proj}, {@code A_log}, {@code D},
 *     {@code out_proj}
 * @param D width
 * @param E inner width
 * @param N state size
 * @param K convolution width
 * @param R rank of delta's projection
 * @param projectionBias whether in_proj and out_proj have biases
 * @param convBias whether the convolution has one
 */
public record MambaMixer(String name, long D, long E, long N, long K, long R, boolean projectionBias, boolean convBias)
        implements Layer {
    @Override
    public Value emit(Pass pass, Value n) {
        var graph = pass.graph();
        var xz = new Linear(name + ".in_proj", D, 2 * E, projectionBias).emit(pass, n);
        var u = graph.convolution(
                graph.columns(xz, 0, E),
                graph.parameter(name + ".conv1d.weight", E, 1, K),
                convBias ? graph.parameter(name + ".conv1d.bias", E) : null,
                pass.state(name + ".conv", K - 1, E),
                pass.slot(),
                pass.B());
        var rbc = graph.linear(u, pass.smallMatrix(name + ".x_proj.weight", R + 2 * N, E), null);
        var r = graph.linear(graph.columns(rbc, 0, R), pass.smallMatrix(name + ".dt_proj.weight", E, R), null);
        var g = graph.scan(
                u,
                r,
                graph.columns(xz, E, E),
                graph.columns(rbc, R, N),
                graph.columns(rbc, R + N, N),
                graph.parameter(name + ".A_log", E, N),
                graph.parameter(name + ".D", E),
                graph.parameter(name + ".dt_proj.bias", E),
                pass.state(name + ".ssm", N, E),
                pass.slot(),
                pass.B());
        return new Linear(name + ".out_proj", E, D, projectionBias).emit(pass, g);
    }
}
