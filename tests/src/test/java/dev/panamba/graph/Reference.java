package dev.panamba.graph;

import java.util.Arrays;

/**
 * The kernels' mathematics once more, slow and obvious, in double precision: one loop per index of the formula, no blocks, no
 * vectors. Arrays are dense and row-major; the alphabet is that of panamba.h.
 */
final class Reference {
    private Reference() {}

    static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    static double softplus(double x) {
        return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    }

    static double[] linear(double[] x, double[] weight, double[] bias, int T, int I, int O) {
        var y = new double[T * O];
        for (int t = 0; t < T; t++) {
            for (int o = 0; o < O; o++) {
                y[t * O + o] = bias[o];
                for (int i = 0; i < I; i++) {
                    y[t * O + o] += x[t * I + i] * weight[o * I + i];
                }
            }
        }
        return y;
    }

    static double[] layerNorm(double[] x, double[] weight, double[] bias, int D, double eps) {
        var y = new double[x.length];
        for (int t = 0; t < x.length / D; t++) {
            double mean = 0;
            double variance = 0;
            for (int i = 0; i < D; i++) {
                mean += x[t * D + i] / D;
            }
            for (int i = 0; i < D; i++) {
                variance += Math.pow(x[t * D + i] - mean, 2) / D;
            }
            for (int i = 0; i < D; i++) {
                y[t * D + i] = (x[t * D + i] - mean) / Math.sqrt(variance + eps) * weight[i] + bias[i];
            }
        }
        return y;
    }

    static double[] rmsNorm(double[] x, double[] weight, int D, double eps) {
        var y = new double[x.length];
        for (int t = 0; t < x.length / D; t++) {
            double square = 0;
            for (int i = 0; i < D; i++) {
                square += x[t * D + i] * x[t * D + i] / D;
            }
            for (int i = 0; i < D; i++) {
                y[t * D + i] = x[t * D + i] / Math.sqrt(square + eps) * weight[i];
            }
        }
        return y;
    }

    /** Inputs before the first token are zero. */
    static double[] convolution(double[] x, double[] weight, double[] bias, int B, int L, int E, int K) {
        var u = new double[x.length];
        for (int b = 0; b < B; b++) {
            for (int t = 0; t < L; t++) {
                for (int e = 0; e < E; e++) {
                    double c = bias[e];
                    for (int k = Math.max(0, K - 1 - t); k < K; k++) {
                        c += weight[e * K + k] * x[(b * L + t - K + 1 + k) * E + e];
                    }
                    u[(b * L + t) * E + e] = c * sigmoid(c);
                }
            }
        }
        return u;
    }

    /** States before the first token are zero. */
    static double[] scan(
            double[] u,
            double[] r,
            double[] z,
            double[] b,
            double[] c,
            double[] aLog,
            double[] skip,
            double[] dtBias,
            int B,
            int L,
            int E,
            int N) {
        var g = new double[u.length];
        for (int s = 0; s < B; s++) {
            for (int e = 0; e < E; e++) {
                var h = new double[N];
                for (int t = s * L; t < (s + 1) * L; t++) {
                    int at = t * E + e;
                    double delta = softplus(r[at] + dtBias[e]);
                    double y = skip[e] * u[at];
                    for (int n = 0; n < N; n++) {
                        h[n] = Math.exp(-delta * Math.exp(aLog[e * N + n])) * h[n] + delta * b[t * N + n] * u[at];
                        y += c[t * N + n] * h[n];
                    }
                    g[at] = y * z[at] * sigmoid(z[at]);
                }
            }
        }
        return g;
    }

    static double[] rope(double[] qkv, int[] past, int L, int D, int H) {
        var y = qkv.clone();
        int width = D / H;
        for (int t = 0; t < qkv.length / (3 * D); t++) {
            for (int head = 0; head < 2 * H; head++) {
                for (int j = 0; j < width / 2; j++) {
                    double angle = (past[t / L] + t % L) * Math.pow(10000, -2.0 * j / width);
                    int at = t * 3 * D + head * width + j;
                    double first = qkv[at];
                    double second = qkv[at + width / 2];
                    y[at] = first * Math.cos(angle) - second * Math.sin(angle);
                    y[at + width / 2] = second * Math.cos(angle) + first * Math.sin(angle);
                }
            }
        }
        return y;
    }

    static double[] attention(double[] qkv, int B, int L, int D, int H) {
        var y = new double[B * L * D];
        int width = D / H;
        for (int b = 0; b < B; b++) {
            for (int head = 0; head < H; head++) {
                for (int l = 0; l < L; l++) {
                    int query = (b * L + l) * 3 * D + head * width;
                    var weights = new double[l + 1];
                    for (int i = 0; i <= l; i++) {
                        int key = (b * L + i) * 3 * D + D + head * width;
                        for (int j = 0; j < width; j++) {
                            weights[i] += qkv[query + j] * qkv[key + j] / Math.sqrt(width);
                        }
                    }
                    softmax(weights, 0, l + 1);
                    for (int i = 0; i <= l; i++) {
                        int value = (b * L + i) * 3 * D + 2 * D + head * width;
                        for (int j = 0; j < width; j++) {
                            y[(b * L + l) * D + head * width + j] += weights[i] * qkv[value + j];
                        }
                    }
                }
            }
        }
        return y;
    }

    /** Turns elements [from, from + count) into their softmax. */
    static void softmax(double[] x, int from, int count) {
        double largest = Double.NEGATIVE_INFINITY;
        double sum = 0;
        for (int i = from; i < from + count; i++) {
            largest = Math.max(largest, x[i]);
        }
        for (int i = from; i < from + count; i++) {
            x[i] = Math.exp(x[i] - largest);
            sum += x[i];
        }
        for (int i = from; i < from + count; i++) {
            x[i] /= sum;
        }
    }

    /** Who goes to which expert, first come first kept. */
    static final class Routing {
        final double[] probability;
        final double[] gate;
        final double[] expert;
        final double[] load;
        final double[] row;
        final double[] offset;
        final double balance;

        Routing(double[] logits, int T, int X, long C, double alpha) {
            probability = logits.clone();
            gate = new double[T];
            expert = new double[T];
            load = new double[X];
            row = new double[T];
            offset = new double[X + 1];
            for (int t = 0; t < T; t++) {
                softmax(probability, t * X, X);
                for (int e = 1; e < X; e++) {
                    if (logits[t * X + e] > logits[t * X + (int) expert[t]]) {
                        expert[t] = e;
                    }
                }
                gate[t] = probability[t * X + (int) expert[t]];
                load[(int) expert[t]]++;
            }
            int next = 0;
            double sum = 0;
            for (int e = 0; e < X; e++) {
                offset[e] = next;
                double mean = 0;
                for (int t = 0; t < T; t++) {
                    mean += probability[t * X + e] / T;
                    if (expert[t] == e) {
                        row[t] = next - offset[e] < C ? next++ : -1;
                    }
                }
                sum += load[e] / T * mean;
            }
            offset[X] = next;
            balance = alpha * X * sum;
        }
    }

    /** y[t] = gate[t] W[expert[t]] x[t] for the kept tokens. */
    static double[] experts(double[] x, double[] weight, Routing routing, int T, int I, int O) {
        var y = new double[T * O];
        for (int t = 0; t < T; t++) {
            for (int o = 0; o < O && routing.row[t] >= 0; o++) {
                for (int i = 0; i < I; i++) {
                    y[t * O + o] += routing.gate[t] * weight[((int) routing.expert[t] * O + o) * I + i] * x[t * I + i];
                }
            }
        }
        return y;
    }

    static double[] crossEntropy(double[] logits, double[] target, int V) {
        var loss = new double[target.length];
        for (int t = 0; t < target.length; t++) {
            if (target[t] >= 0) {
                var p = Arrays.copyOfRange(logits, t * V, (t + 1) * V);
                double largest = Arrays.stream(p).max().orElseThrow();
                double sum = Arrays.stream(p).map(l -> Math.exp(l - largest)).sum();
                loss[t] = Math.log(sum) + largest - p[(int) target[t]];
            }
        }
        return loss;
    }
}
