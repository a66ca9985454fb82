package dev.panamba.cli;

import dev.panamba.text.Corpus;
import java.nio.file.Files;
import java.nio.file.Path;

/** Text for whoever has none at hand: the sources of the JDK in use, or Panamba's own. */
final class SourceText {
    /** Of so many files one is held out. */
    private static final int HELD_OUT = 20;

    private SourceText() {}

    static Corpus find() {
        var zip = Path.of(System.getProperty("java.home"), "lib", "src.zip");
        if (Files.exists(zip)) {
            return new Corpus(zip, name -> name.startsWith("java.base/java/") && name.endsWith(".java"));
        }
        System.err.println("This JDK has no lib/src.zip, so Panamba's own sources serve: a small text.");
        return new Corpus(
                Path.of(System.getProperty("panamba.home", ".")),
                name -> !name.startsWith(".") && !name.contains("target/") && name.matches(".*\\.(java|c|h)"));
    }

    /** Those files of a corpus that are not held out. */
    static Corpus toLearn(Corpus all) {
        return new Corpus(all.path(), name -> all.include().test(name) && !isHeldOut(name));
    }

    static Corpus heldOut(Corpus all) {
        return new Corpus(all.path(), name -> all.include().test(name) && isHeldOut(name));
    }

    private static boolean isHeldOut(String name) {
        return Math.floorMod(name.hashCode(), HELD_OUT) == 0;
    }
}
