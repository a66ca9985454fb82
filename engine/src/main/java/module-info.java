/** The engine: everything between a text file and a trained MoE-Mamba, above one module of native bindings. */
@SuppressWarnings("requires-automatic")
module dev.panamba.engine {
    requires ai.djl.tokenizers;
    requires dev.panamba.bindings;
    requires HdrHistogram;
    requires java.desktop;
    requires java.management;
    requires me.tongfei.progressbar;
    requires org.apache.commons.cli;
    requires transitive tools.jackson.databind;
    requires xchart;

    exports dev.panamba.graph;
    exports dev.panamba.infer;
    exports dev.panamba.io;
    exports dev.panamba.memory;
    exports dev.panamba.model;
    exports dev.panamba.nn;
    exports dev.panamba.tensor;
    exports dev.panamba.text;
    exports dev.panamba.train;
}
