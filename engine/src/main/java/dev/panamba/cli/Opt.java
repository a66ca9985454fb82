package dev.panamba.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.commons.cli.ParseException;
import tools.jackson.databind.JsonNode;

/**
 * An option, the type of its value and, of a number, its range: a whole number is at least 1 and another above 0 unless the option
 * says otherwise, so that no command can forget it. One without a name is a word that stands for itself. A description that has
 * no full stop is ended by the default.
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
    /** What a number is at least and at most. */
    private double least = Double.NEGATIVE_INFINITY;

    private double most = Double.POSITIVE_INFINITY;

    private Opt(String name, String label, String description, T otherwise, String kind, Reader<T> reader) {
        this.name = name;
        this.label = label;
        this.description = description;
        this.otherwise = otherwise;
        this.kind = kind;
        this.reader = reader;
    }

    static Opt<Boolean> flag(String name, String description) {
        return new Opt<>(name, null, description, false, "true or false", word -> switch (word) {
            case "", "true" -> true;
            case "false" -> false;
            default -> throw new IllegalArgumentException(word);
        });
    }

    static Opt<String> text(String name, String label, String description) {
        return text(name, label, description, null);
    }

    static Opt<String> text(String name, String label, String description, String otherwise) {
        return new Opt<>(name, label, description, otherwise, "a text", word -> word);
    }

    /** A text that is not empty. */
    static Opt<String> word(String name, String label, String description) {
        return new Opt<>(name, label, description, null, "a name", word -> {
            if (word.isEmpty()) {
                throw new IllegalArgumentException(word);
            }
            return word;
        });
    }

    static Opt<Path> path(String name, String label, String description) {
        return new Opt<>(name, label, description, null, "a path", word -> {
            // To Java the empty path is the folder that the process is in.
            if (word.isEmpty()) {
                throw new IllegalArgumentException(word);
            }
            return Path.of(word);
        });
    }

    static Opt<Integer> integer(String name, String label, String description) {
        return integer(name, label, description, null);
    }

    static Opt<Integer> integer(String name, String label, String description, Integer otherwise) {
        return new Opt<>(name, label, description, otherwise, "a whole number of 32 bits", Integer::valueOf)
                .within(1, Integer.MAX_VALUE);
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
        return new Opt<>(name, "X", description, otherwise, "a number", Double::valueOf)
                .within(Double.MIN_VALUE, Double.MAX_VALUE);
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

    /** The same for numbers of another range, bounds included. */
    Opt<T> within(double least, double most) {
        this.least = least;
        this.most = most;
        return this;
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

    /**
     * The value that a word spells.
     *
     * @throws ParseException if it spells none
     * @throws IllegalArgumentException if it is out of the option's range
     */
    T read(String word) throws ParseException {
        T value;
        try {
            value = reader.read(word);
        } catch (IllegalArgumentException e) {
            if (several) {
                // Each was read by itself, and one is out of its range.
                throw e;
            }
            throw new ParseException("Invalid value for option '--" + name + "': '" + word + "' is not " + kind);
        }
        if (value instanceof Number number && !(number.doubleValue() >= least && number.doubleValue() <= most)) {
            throw new IllegalArgumentException("--" + name + " is " + word + " and must be " + range() + ".");
        }
        return value;
    }

    /** The value that settings remember under the option's name, or the default. */
    T recall(JsonNode settings, T otherwise) {
        var key = name.replace('-', '_');
        if (settings == null || !settings.has(key)) {
            return otherwise;
        }
        try {
            return read(settings.path(key).asString("nothing"));
        } catch (ParseException e) {
            throw new IllegalArgumentException("The settings that were kept are damaged: " + e.getMessage() + ".", e);
        }
    }

    private String range() {
        var from = least == Double.MIN_VALUE ? "above 0" : "of at least " + plain(least);
        var unbounded = most == Double.MAX_VALUE || most == Integer.MAX_VALUE;
        return unbounded ? "a number " + from : "a number " + from + " and at most " + plain(most);
    }

    private static String plain(double bound) {
        return bound == Math.rint(bound) ? String.format(Locale.ROOT, "%.0f", bound) : String.valueOf(bound);
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
