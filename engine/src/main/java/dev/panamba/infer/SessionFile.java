package dev.panamba.infer;

import dev.panamba.io.AtomicFiles;
import dev.panamba.io.SafeTensors;
import dev.panamba.model.Config;
import dev.panamba.model.ConfigFile;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import dev.panamba.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** A snapshot in a file: one tensor, with the model's configuration, the number of tokens read and a version beside it. */
public final class SessionFile {
    private static final String VERSION = "1";
    private static final String STATE = "state";

    private SessionFile() {}

    /**
     * Writes a snapshot.
     *
     * @param file where to; replaced at once when the new one is whole
     * @param snapshot of a session
     * @throws IOException if it cannot be written
     */
    public static void write(Path file, Snapshot snapshot) throws IOException {
        var metadata = Map.of(
                "panamba_session",
                VERSION,
                "position",
                String.valueOf(snapshot.position()),
                "config",
                ConfigFile.write(snapshot.config(), DType.F32).toString());
        var data = snapshot.bytes();
        var tensor = new Tensor(STATE, DType.F32, Shape.of(data.byteSize() / Float.BYTES), data);
        AtomicFiles.file(file, channel -> SafeTensors.write(channel, metadata, List.of(tensor)));
    }

    /**
     * Reads a snapshot.
     *
     * @param file written by {@link #write}
     * @param config of the model that is to go on with it
     * @return the snapshot
     * @throws IOException if it is no such file, or of another model
     */
    public static Snapshot read(Path file, Config config) throws IOException {
        try (var tensors = SafeTensors.open(file)) {
            var metadata = tensors.metadata();
            var entry = tensors.tensor(STATE);
            if (!VERSION.equals(metadata.get("panamba_session"))
                    || entry == null
                    || entry.type() != DType.F32
                    || !metadata.getOrDefault("position", "").matches("\\d{1,9}")) {
                throw new IOException(file + " holds no session of this version of Panamba.");
            }
            if (!ConfigFile.write(config, DType.F32).toString().equals(metadata.get("config"))) {
                throw new IOException(file + " holds a session of another model than this one.");
            }
            int position = Integer.parseInt(metadata.get("position"));
            if (position > config.longest()) {
                throw new IOException(file + " holds a session of " + position + " tokens, and the model has "
                        + config.longest() + " positions.");
            }
            var snapshot = Snapshot.empty(config, entry.shape().elements() * Float.BYTES, position);
            tensors.read(entry, snapshot.bytes());
            return snapshot;
        }
    }
}
