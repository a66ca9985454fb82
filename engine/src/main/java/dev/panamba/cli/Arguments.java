package dev.panamba.cli;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.DefaultParser;
import org.apache.commons.cli.MissingArgumentException;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.apache.commons.cli.ParseException;
import org.apache.commons.cli.UnrecognizedOptionException;

/** What a command was given. */
final class Arguments {
    private final Map<Opt<?>, Object> values = new HashMap<>();

    private Arguments() {}

    /**
     * Reads a command line. Where it asks for help, nothing else of it is looked at.
     *
     * @param options that there are
     * @param words behind the command's name
     * @return all values
     * @throws ParseException with a sentence, if the words are not as they should be
     */
    static Arguments parse(List<Opt<?>> options, List<String> words) throws ParseException {
        var names = new HashMap<String, Opt<?>>();
        var known = new Options().addOption("h", Opt.HELP.name(), false, null);
        for (var option : options) {
            names.put(option.name(), option);
            if (!option.name().isEmpty()) {
                known.addOption(Option.builder()
                        .longOpt(option.name())
                        .hasArg(option.hasValue())
                        .get());
            }
        }
        var given = new Arguments();
        var spelt = new LinkedHashMap<Opt<?>, String>();
        var line = line(known, words);
        if (line.hasOption(Opt.HELP.name())) {
            given.values.put(Opt.HELP, true);
            return given;
        }
        for (var found : line.getOptions()) {
            spell(spelt, names.get(found.getLongOpt()), found.getValue(""));
        }
        for (var word : line.getArgList()) {
            if (!names.containsKey("") || spelt.containsKey(names.get(""))) {
                throw new ParseException("Unmatched argument: '" + word + "'");
            }
            spell(spelt, names.get(""), word);
        }
        for (var option : spelt.entrySet()) {
            given.values.put(option.getKey(), option.getKey().read(option.getValue()));
        }
        given.check(options);
        return given;
    }

    private static void spell(Map<Opt<?>, String> spelt, Opt<?> option, String word) throws ParseException {
        var before = spelt.put(option, word);
        if (before != null && !option.isSeveral()) {
            throw new ParseException("Option '--" + option.name() + "' should be specified only once");
        }
        if (before != null) {
            spelt.put(option, before + "," + word);
        }
    }

    private static CommandLine line(Options known, List<String> words) throws ParseException {
        try {
            return DefaultParser.builder()
                    .setAllowPartialMatching(false)
                    .setStripLeadingAndTrailingQuotes(false)
                    .get()
                    .parse(known, joined(known, words));
        } catch (MissingArgumentException e) {
            throw new ParseException(
                    "Missing required value of option '--" + e.getOption().getLongOpt() + "'");
        } catch (UnrecognizedOptionException e) {
            var word = e.getOption();
            var name = word.substring(0, Math.max(0, word.indexOf('=')));
            throw new ParseException(
                    known.hasLongOption(name)
                            ? "Option '" + name + "' takes no value: '" + word + "'"
                            : "Unknown option: '" + word + "'");
        }
    }

    /**
     * The same words with options and their values in one each: the parser takes a value that begins like an option, as
     * {@code -model} does, for one. It also takes {@code -model} for {@code --model}, which is no option of ours.
     */
    private static String[] joined(Options known, List<String> words) throws UnrecognizedOptionException {
        var joined = new ArrayList<String>();
        for (int i = 0; i < words.size(); i++) {
            var word = words.get(i);
            if (word.equals("--")) {
                joined.addAll(words.subList(i, words.size()));
                break;
            }
            if (word.startsWith("--")) {
                if (takesValue(known, word) && i + 1 < words.size() && !isOption(known, words.get(i + 1))) {
                    word = String.join("=", word, words.get(++i));
                }
            } else if (word.startsWith("-") && word.length() > 1 && !word.equals("-h")) {
                throw new UnrecognizedOptionException(null, word);
            }
            joined.add(word);
        }
        return joined.toArray(new String[0]);
    }

    private static boolean takesValue(Options known, String word) {
        return known.hasLongOption(word) && known.getOption(word).hasArg();
    }

    private static boolean isOption(Options known, String word) {
        int end = word.indexOf('=');
        return word.equals("--")
                || word.equals("-h")
                || word.startsWith("--") && known.hasLongOption(end < 0 ? word : word.substring(0, end));
    }

    private void check(List<Opt<?>> options) throws ParseException {
        var chosen = new ArrayList<String>();
        var choice = new ArrayList<String>();
        var missing = new ArrayList<String>();
        for (var option : options) {
            if (has(option) && option.isAlternative()) {
                chosen.add(option.usage());
            } else if (!has(option) && option.isRequired()) {
                (option.isAlternative() ? choice : missing).add("'" + option.usage() + "'");
            }
        }
        if (chosen.size() > 1) {
            throw new ParseException(String.join(", ", chosen) + " are mutually exclusive (specify only one)");
        }
        if (chosen.isEmpty() && !choice.isEmpty()) {
            missing.add(String.join(" or ", choice));
        }
        if (!missing.isEmpty()) {
            throw new ParseException("Missing required " + (missing.size() == 1 ? "option" : "options") + ": "
                    + String.join(", ", missing));
        }
    }

    /** Whether an option was given. */
    boolean has(Opt<?> option) {
        return values.containsKey(option);
    }

    /** The value that was given, or the default. */
    @SuppressWarnings("unchecked")
    <T> T get(Opt<T> option) {
        return has(option) ? (T) values.get(option) : option.otherwise();
    }
}
