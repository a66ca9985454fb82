package dev.panamba.cli;

import java.util.ArrayList;
import java.util.List;
import org.apache.commons.cli.ParseException;

/** {@code panamba help}, and the help of each command. */
final class HelpCommand implements Command {
    private static final Opt<String> COMMAND = Opt.text("", "COMMAND", "What to explain; without one all are listed.");

    /** Where descriptions begin at most; what is wider has a line of its own. */
    private static final int WIDEST = 30;

    private static final int NARROWEST_LINE = 60;

    @Override
    public String description() {
        return "Explains a command, or lists all.";
    }

    @Override
    public List<Opt<?>> options() {
        return List.of(COMMAND);
    }

    @Override
    public int run(Arguments given) throws ParseException {
        System.out.print(given.has(COMMAND) ? of(given.get(COMMAND), Main.command(given.get(COMMAND))) : ofAll());
        return 0;
    }

    /** The help of a command. */
    static String of(String name, Command command) {
        var text = new StringBuilder();
        var usage = "Usage: panamba " + name + " ";
        text.append(usage);
        wrap(text, synopsis(command.options()), usage.length(), usage.length());
        paragraph(text, command.description());
        var rows = new ArrayList<String[]>();
        for (var option : command.options()) {
            rows.add(new String[] {"      " + option.usage(), option.description()});
        }
        rows.add(help());
        table(text, rows);
        return text.toString();
    }

    /** The help of {@code panamba}. */
    static String ofAll() throws ParseException {
        var text = new StringBuilder("Usage: panamba [-h] COMMAND\n");
        paragraph(text, "Trains and runs MoE-Mamba and the models it is compared with.");
        table(text, List.<String[]>of(help()));
        text.append("Commands:\n");
        var rows = new ArrayList<String[]>();
        for (var name : Main.COMMANDS) {
            rows.add(new String[] {"  " + name, Main.command(name).description()});
        }
        table(text, rows);
        text.append('\n');
        paragraph(text, "panamba test runs every test; panamba help COMMAND explains a command.");
        return text.toString();
    }

    private static String[] help() {
        return new String[] {"  -h, " + Opt.HELP.usage(), Opt.HELP.description()};
    }

    private static List<String> synopsis(List<Opt<?>> options) {
        var words = new ArrayList<String>();
        words.add("[-h]");
        var alternatives = new ArrayList<String>();
        var required = false;
        for (var option : options) {
            if (option.isAlternative()) {
                alternatives.add(option.usage());
                required = option.isRequired();
            } else {
                words.add(option.isRequired() ? option.usage() : "[" + option.usage() + "]");
            }
        }
        if (!alternatives.isEmpty()) {
            var all = String.join(" | ", alternatives);
            words.add(required ? "(" + all + ")" : "[" + all + "]");
        }
        return words;
    }

    private static void paragraph(StringBuilder text, String words) {
        wrap(text, List.of(words.split(" ")), 0, 0);
    }

    private static void table(StringBuilder text, List<String[]> rows) {
        int column = 0;
        for (var row : rows) {
            int wanted = row[0].length() + 2;
            column = wanted <= WIDEST ? Math.max(column, wanted) : column;
        }
        for (var row : rows) {
            text.append(row[0]);
            int at = row[0].length();
            if (at + 2 > column) {
                text.append('\n');
                at = 0;
            }
            text.repeat(' ', column - at);
            wrap(text, List.of(row[1].split(" ")), column, column + 2);
        }
    }

    /** Writes words from a column on, and on further lines from another. */
    private static void wrap(StringBuilder text, List<String> words, int column, int next) {
        int width = width();
        int at = column;
        var first = true;
        for (var word : words) {
            if (!first && at + 1 + word.length() > width) {
                text.append('\n').repeat(' ', next);
                at = next;
            } else if (!first) {
                text.append(' ');
                at++;
            }
            text.append(word);
            at += word.length();
            first = false;
        }
        text.append('\n');
    }

    private static int width() {
        try {
            return Math.max(NARROWEST_LINE, Integer.parseInt(System.getenv("COLUMNS")));
        } catch (NumberFormatException e) {
            // Not told.
            return 80;
        }
    }
}
