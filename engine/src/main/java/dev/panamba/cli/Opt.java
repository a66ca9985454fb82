package dev.panamba.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.commons.cli.ParseException;

/**
 * An option and the type of its value. One without a name is a word that stands for itself. A description that has no full
 * stop is ended by the default.
 */
final class Opt<T> {
    /** The one that all commands have. */
    static final Opt<Boolean> HELP = flag("help", "Print this help.");

    /** Makes a value of a word, or throws IllegalArgumentException. */
    private interface Reader<T> {
        T read(String word) throws ParseException;
    }

    private final String name;
    private final String label;
    private final String description;
    private final T otherwise;
    private final String kind;
    private final Reader<T> reader;
    private boolean required;
    private boolean alternative;
    private boolean several;

    private Opt(String name, String label, String description, T otherwise, String kind, Reader<T> reader) {
        this.name = name;
        this.label = label;
        this.description = description;
        this.otherwise = otherwise;
        this.kind = kind;
        this.reader = reader;
    }

    static Opt<Boolean> flag(String name, String description) {
        return new Opt<>(name, null, description, false, "a flag", _ -> true);
    }

    static Opt<String> text(String name, String label, String description) {
        return text(name, label, description, null);
    }

    static Opt<String> text(String name, String label, String description, String otherwise) {
        return new Opt<>(name, label, description, otherwise, "a text", word -> word);
    }

    static Opt<Path> path(String name, String label, String description) {
        return new Opt<>(name, label, description, null, "a path", Path::of);
    }

    static Opt<Integer> integer(String name, String label, String description) {
        return integer(name, label, description, null);
    }

    static Opt<Integer> integer(String name, String label, String description, Integer otherwise) {
        return new Opt<>(name, label, description, otherwise, "a whole number of 32 bits", Integer::valueOf);
    }

    static Opt<Long> seed(String description) {
        return seed("seed", description, 1L);
    }

    static Opt<Long> seed(String name, String description, Long otherwise) {
        return new Opt<>(name, "N", description, otherwise, "a whole number of 64 bits", Long::valueOf);
    }

    static Opt<Double> number(String name, String description) {
        return number(name, description, null);
    }

    static Opt<Double> number(String name, String description, Double otherwise) {
        return new Opt<>(name, "X", description, otherwise, "a number", Double::valueOf);
    }

    /** One of some constants, in upper or lower case. */
    @SafeVarargs
    static <E extends Enum<E>> Opt<E> oneOf(String name, String description, E otherwise, E... constants) {
        var names = new ArrayList<String>();
        for (var constant : constants) {
            names.add(constant.name().toLowerCase(Locale.ROOT));
        }
        var kind = "one of ".concat(String.join(", ", names));
        return new Opt<>(name, String.join("|", names), description, otherwise, kind, word -> {
            for (var constant : constants) {
                if (constant.name().equalsIgnoreCase(word)) {
                    return constant;
                }
            }
            throw new IllegalArgumentException(word);
        });
    }

    /** One that must be given. */
    Opt<T> required() {
        required = true;
        return this;
    }

    /** One of those of the command of which only one may be given. */
    Opt<T> alternative() {
        alternative = true;
        return this;
    }

    /** The same with several values, which commas separate. */
    Opt<List<T>> several(List<T> otherwise) {
        var all = new Opt<List<T>>(name, label + ",...", description, otherwise, kind, words -> {
            var values = new ArrayList<T>();
            for (var word : words.split(",", -1)) {
                values.add(read(word));
            }
            return values;
        });
        all.required = required;
        all.several = true;
        return all;
    }

    /** The value that a word spells. */
    T read(String word) throws ParseException {
        try {
            return reader.read(word);
        } catch (IllegalArgumentException e) {
            throw new ParseException("Invalid value for option '--" + name + "': '" + word + "' is not " + kind);
        }
    }

    String name() {
        return name;
    }

    /** What it is where nothing is given, or null. */
    T otherwise() {
        return otherwise;
    }

    boolean hasValue() {
        return label != null;
    }

    boolean isRequired() {
        return required;
    }

    boolean isAlternative() {
        return alternative;
    }

    boolean isSeveral() {
        return several;
    }

    /** How it is written. */
    String usage() {
        if (name.isEmpty()) {
            return label;
        }
        return hasValue() ? "--" + name + "=" + label : "--" + name;
    }

    /** What it is for and its default. */
    String description() {
        if (description.endsWith(".")) {
            return description;
        }
        // Small numbers as people write them.
        var value = otherwise.toString().toLowerCase(Locale.ROOT).replace(".0e", "e");
        return description + "; default: " + value + ".";
    }
}
