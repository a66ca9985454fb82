package dev.panamba.model;

import dev.panamba.graph.Store;
import dev.panamba.graph.Value;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Tensor;
import java.util.List;

/** A model's parameters in memory, F32, with the names and shapes of its configuration. */
public final class Weights implements AutoCloseable {
    private final Config config;
    private final List<Value> parameters;
    private final Store store;
    private final DType stored;

    Weights(Config config, List<Value> parameters, Store store, DType stored) {
        this.config = config;
        this.parameters = parameters;
        this.store = store;
        this.stored = stored;
    }

    /**
     * All zero.
     *
     * @param config the model
     * @param stored type of the file that they will come from
     * @return weights in memory of their own
     */
    static Weights zero(Config config, DType stored) {
        var parameters = Network.parameters(config, DType.F32);
        return new Weights(config, parameters, Store.allocate("the weights", parameters), stored);
    }

    /**
     * First weights, drawn as the paper's authors do.
     *
     * @param config the model
     * @param seed the same seed gives the same weights
     * @return weights in memory of their own
     */
    public static Weights random(Config config, long seed) {
        var weights = zero(config, DType.F32);
        Initialisation.draw(weights.parameters, weights.store, seed);
        return weights;
    }

    /**
     * What the model is.
     *
     * @return its configuration
     */
    public Config config() {
        return config;
    }

    /**
     * The narrowest type that holds these weights exactly, as far as the file that they come from says.
     *
     * @return F32, BF16 or F16
     */
    public DType stored() {
        return stored;
    }

    /**
     * Where the parameters stand.
     *
     * @return the store, owned by this
     */
    public Store store() {
        return store;
    }

    /**
     * The parameters as they go into a file.
     *
     * @return tensors in the order of the network
     */
    public List<Tensor> tensors() {
        return parameters.stream()
                .map(p -> new Tensor(p.name(), p.type(), p.shape(), store.at(p.name())))
                .toList();
    }

    @Override
    public void close() {
        store.close();
    }
}
