package dev.panamba.train;

import dev.panamba.io.Digests;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes the manifest of a checkpoint again, so that what a test has changed in it is looked at for what it is. */
public final class Seal {
    private Seal() {}

    public static void again(Path checkpoint) throws IOException {
        var lines = new StringBuilder();
        try (var files = Files.newDirectoryStream(checkpoint)) {
            for (var file : files) {
                if (!file.endsWith(Digests.FILE)) {
                    lines.append(Digests.of(file))
                            .append("  ")
                            .append(file.getFileName())
                            .append('\n');
                }
            }
        }
        Files.writeString(checkpoint.resolve(Digests.FILE), lines);
    }
}
