package dev.panamba.train;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.panamba.graph.Executable;
import dev.panamba.graph.ForwardOp.Route;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Role;
import dev.panamba.graph.Team;
import dev.panamba.graph.Value;
import dev.panamba.memory.Placement;
import dev.panamba.model.Network;
import dev.panamba.model.Weights;
import dev.panamba.nn.Pass;
import dev.panamba.tensor.DType;
import dev.panamba.text.TokenFile;
import dev.panamba.text.TokenKind;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;

/**
 * The loss of a model on a text, without dropping: consecutive windows of one context, each from zero state, every token but
 * the first a target once.
 */
public final class Evaluation implements AutoCloseable {
    /** Tokens that go through the network at once, about: logits take V floats each. */
    private static final int TOKENS = 1024;

    private static final DType REAL = DType.F32;

    private final int B;
    private final int L;
    private final Executable executable;
    private final Value token;
    private final Value target;
    private final Value loss;
    private final List<Route> routes;

    /**
     * A sum of losses.
     *
     * @param nats sum over targets
     * @param tokens number of targets
     */
    public record Result(double nats, long tokens) {
        /**
         * The mean loss.
         *
         * @return nats per token
         */
        public double natsPerToken() {
            return nats / tokens;
        }

        /**
         * e to the mean loss.
         *
         * @return the perplexity of a token
         */
        public double perplexity() {
            return Math.exp(natsPerToken());
        }

        /**
         * The loss by the size of the text.
         *
         * @param bytes of the text that the targets stand for
         * @return bits per byte
         */
        public double bitsPerByte(double bytes) {
            return nats / Math.log(2) / bytes;
        }
    }

    /**
     * Plans and binds the forward pass.
     *
     * @param weights the model
     * @param compute F32, or BF16: what large products round their factors to
     * @param context tokens of a window
     * @param team who works
     * @param placement {@link Placement#PACKED} for work
     */
    public Evaluation(Weights weights, DType compute, int context, Team team, Placement placement) {
        var config = weights.config();
        if (context < 1 || context > config.longest()) {
            throw new IllegalArgumentException("A context of " + context
                    + " tokens does not fit the model, which takes 1 to " + config.longest() + ".");
        }
        L = context;
        B = Math.max(1, TOKENS / context);
        var graph = new Graph(REAL, compute);
        var pass = Pass.whole(graph, B, L, true, weights.format());
        token = graph.input("token", DType.I32, pass.T());
        target = graph.input("target", DType.I32, pass.T());
        var logits = Network.head(config, pass, Network.body(config, pass, token));
        loss = graph.output(graph.crossEntropy(logits, target));
        routes = List.copyOf(pass.routes());
        routes.forEach(route -> graph.output(route.expert()));
        executable = Executable.bind(graph.program(), REAL, team, Map.of(Role.PARAMETER, weights.store()), placement);
    }

    /**
     * Measures a text, or windows of it that stand at even distances.
     *
     * @param tokens the text, at least two tokens
     * @param most targets to measure at most, rounded up to whole windows
     * @return the sum of losses
     */
    public Result measure(TokenFile tokens, long most) {
        var sum = new Object() {
            double nats;
            long targets;
        };
        read(tokens, most, targets -> {
            sum.nats += sum(executable.at(loss));
            sum.targets += targets;
        });
        return new Result(sum.nats, sum.targets);
    }

    /**
     * Counts which kinds of tokens go to which expert.
     *
     * @param tokens the text, at least two tokens
     * @param most tokens to count at most, rounded up to whole windows
     * @param kinds of the vocabulary's tokens
     * @return for each Switch layer tokens by expert and {@link TokenKind#ordinal}
     */
    public List<long[][]> routing(TokenFile tokens, long most, TokenKind[] kinds) {
        var counts = new ArrayList<long[][]>();
        for (var route : routes) {
            counts.add(new long[(int) route.logits().columns()][TokenKind.values().length]);
        }
        read(tokens, most, _ -> {
            for (int layer = 0; layer < routes.size(); layer++) {
                var expert = executable.at(routes.get(layer).expert());
                for (long t = 0; t < (long) B * L; t++) {
                    if (executable.at(target).getAtIndex(JAVA_INT, t) >= 0) {
                        var kind = kinds[executable.at(token).getAtIndex(JAVA_INT, t)];
                        counts.get(layer)[expert.getAtIndex(JAVA_INT, t)][kind.ordinal()]++;
                    }
                }
            }
        });
        return counts;
    }

    /** Runs the windows, and says behind each run how many targets it had. */
    private void read(TokenFile tokens, long most, LongConsumer behind) {
        if (most < 1) {
            throw new IllegalArgumentException("There are " + most + " targets to measure, and one is the least.");
        }
        if (tokens.length() < 2) {
            throw new IllegalArgumentException("The text has " + tokens.length()
                    + " tokens, and a loss needs at least two: one to read and one to expect.");
        }
        long all = Math.ceilDiv(tokens.length() - 1, L);
        long some = Math.min(all, Math.ceilDiv(most, L));
        for (long window = 0; window < some; window += B) {
            long targets = 0;
            executable.at(token).fill((byte) 0);
            // Every byte 0xFF is the integer -1, which is no target.
            executable.at(target).fill((byte) 0xFF);
            for (int b = 0; b < Math.min(B, some - window); b++) {
                long at = (window + b) * all / some * L;
                int n = (int) Math.min(L, tokens.length() - 1 - at);
                tokens.copy(at, n, executable.at(token), (long) b * L);
                tokens.copy(at + 1, n, executable.at(target), (long) b * L);
                targets += n;
            }
            executable.run();
            behind.accept(targets);
        }
    }

    private static double sum(MemorySegment floats) {
        double sum = 0;
        for (long i = 0; i < floats.byteSize() / Float.BYTES; i++) {
            sum += floats.getAtIndex(JAVA_FLOAT, i);
        }
        return sum;
    }

    @Override
    public void close() {
        executable.close();
    }
}
