package dev.panamba.infer;

import dev.panamba.io.AtomicFiles;
import dev.panamba.io.Digests;
import dev.panamba.io.SafeTensors;
import dev.panamba.model.Config;
import dev.panamba.model.ConfigFile;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import dev.panamba.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * A snapshot in a file: one tensor, with a version, the model's configuration, a fingerprint of its weights, the number of tokens read
 * and a SHA-256 of all that beside it. A file of version 1, which had no digest, is refused: the text can be read again.
 */
public final class SessionFile {
    private static final String VERSION = "2";
    private static final String STATE = "state";
    /** Bytes that are digested at once. */
    private static final long PART = 1 << 20;

    private SessionFile() {}

    /**
     * Writes a snapshot.
     *
     * @param file where to; replaced at once when the new one is whole
     * @param snapshot of a session
     * @throws IOException if it cannot be written
     */
    public static void write(Path file, Snapshot snapshot) throws IOException {
        var metadata = new LinkedHashMap<String, String>();
        metadata.put("panamba_session", VERSION);
        metadata.put("position", String.valueOf(snapshot.position()));
        metadata.put("config", ConfigFile.write(snapshot.config(), DType.F32).toString());
        metadata.put("weights", snapshot.fingerprint());
        metadata.put("sha256", digest(snapshot));
        var data = snapshot.bytes();
        var tensor = new Tensor(STATE, DType.F32, Shape.of(data.byteSize() / Float.BYTES), data);
        AtomicFiles.file(file, channel -> SafeTensors.write(channel, metadata, List.of(tensor)));
    }

    private static String digest(Snapshot snapshot) {
        var digest = Digests.sha256();
        var words = String.join(
                "\n",
                VERSION,
                String.valueOf(snapshot.position()),
                ConfigFile.write(snapshot.config(), DType.F32).toString(),
                snapshot.fingerprint(),
                "");
        digest.update(words.getBytes(StandardCharsets.UTF_8));
        var bytes = snapshot.bytes();
        for (long at = 0; at < bytes.byteSize(); at += PART) {
            digest.update(
                    bytes.asSlice(at, Math.min(PART, bytes.byteSize() - at)).asByteBuffer());
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /**
     * Reads a snapshot.
     *
     * @param file written by {@link #write}
     * @param model that is to go on with it
     * @return the snapshot
     * @throws IOException if it is no such file, damaged, or of another model, of other weights, or of the same in another format
     */
    public static Snapshot read(Path file, LanguageModel model) throws IOException {
        var snapshot = read(file, model.config());
        if (!snapshot.fingerprint().equals(model.fingerprint())) {
            throw new IOException(
                    file + " holds a session of other weights than this model's, or of the same in another"
                            + " format: read the text again with this model.");
        }
        return snapshot;
    }

    /**
     * Reads a snapshot. Whether it is of the weights of the model that is to go on with it, {@link Session#restore} says.
     *
     * @param file written by {@link #write}
     * @param config of the model that is to go on with it
     * @return the snapshot
     * @throws IOException if it is no such file, damaged, or of another model
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
            var fingerprint = metadata.getOrDefault("weights", "");
            var snapshot = Snapshot.empty(config, fingerprint, entry.shape().elements() * Float.BYTES, position);
            tensors.read(entry, snapshot.bytes());
            if (!digest(snapshot).equals(metadata.get("sha256"))) {
                throw new IOException(file + " is damaged: it is not what was written.");
            }
            return snapshot;
        }
    }
}
