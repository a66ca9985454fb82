package dev.panamba.cli;

import dev.panamba.bindings.NativeException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Locale;
import org.apache.commons.cli.ParseException;
import tools.jackson.core.JacksonException;

/** The command {@code panamba}. */
public final class Main {
    /** The names in the order of the help. */
    static final List<String> COMMANDS = List.of(
            "demo",
            "train",
            "compare",
            "generate",
            "eval",
            "logits",
            "inspect",
            "export",
            "convert",
            "bench",
            "doctor",
            "help");

    private Main() {}

    /**
     * Runs a command and ends the process with 0 for done, 1 for failed, 2 for wrong usage.
     *
     * @param args the command line
     */
    public static void main(String[] args) {
        // A library of ours logs through SLF4J, and nobody is to be told that nobody listens.
        System.setProperty("slf4j.internal.verbosity", "ERROR");
        // Charts are files; no window system is needed.
        System.setProperty("java.awt.headless", "true");
        // Numbers are written the same way everywhere.
        Locale.setDefault(Locale.ROOT);
        int code = run(args);
        // System.exit looks through every jar for somebody who wants to log it.
        if (code != 0) {
            System.exit(code);
        }
    }

    /** Runs a command and returns the exit code. */
    static int run(String... words) {
        var name = words.length == 0 ? "" : words[0];
        var help = "panamba help";
        try {
            if (name.equals("-h") || name.equals("--help")) {
                System.out.print(HelpCommand.ofAll());
                return 0;
            }
            var command = command(name);
            if (!(command instanceof HelpCommand)) {
                help = String.join(" ", help, name);
            }
            var given = Arguments.parse(command.options(), List.of(words).subList(1, words.length));
            if (given.get(Opt.HELP)) {
                System.out.print(HelpCommand.of(name, command));
                return 0;
            }
            return command.run(given);
        } catch (ParseException e) {
            System.err.println("panamba: " + line(e.getMessage()) + " Try: " + help);
            return 2;
        } catch (Exception | OutOfMemoryError | InternalError e) {
            var sentence = sentence(e);
            if (sentence == null) {
                e.printStackTrace();
            } else {
                System.err.println("panamba: " + line(sentence));
            }
            return 1;
        }
    }

    /** A fresh command; the others are not touched, which would take longer than all else. */
    static Command command(String name) throws ParseException {
        return switch (name) {
            case "demo" -> new DemoCommand();
            case "train" -> new TrainCommand();
            case "compare" -> new CompareCommand();
            case "generate" -> new GenerateCommand();
            case "eval" -> new EvalCommand();
            case "logits" -> new LogitsCommand();
            case "inspect" -> new InspectCommand();
            case "export" -> new ExportCommand();
            case "convert" -> new ConvertCommand();
            case "bench" -> new BenchCommand();
            case "doctor" -> new DoctorCommand();
            case "help" -> new HelpCommand();
            case "" -> throw new ParseException("Missing required subcommand");
            default ->
                throw new ParseException(
                        name.startsWith("-")
                                ? "Unknown option: '" + name + "'"
                                : "There is no command '" + name + "'; there are " + String.join(", ", COMMANDS));
        };
    }

    /** A sentence in one line, with its full stop. */
    private static String line(String message) {
        var line = message.replaceAll("\\p{Cntrl}+", " ").strip();
        return line.matches(".*[.!?]") ? line : line + ".";
    }

    /** What to tell the user, or null. */
    private static String sentence(Throwable e) {
        return switch (e) {
            case OutOfMemoryError o ->
                String.format(
                        "Java's heap of %,d bytes is too small for this (%s): what is asked for is larger than this machine can hold.",
                        Runtime.getRuntime().maxMemory(), o.getMessage());
            // What a mapped file was, and is no more, arrives as this.
            case InternalError i
            when String.valueOf(i.getMessage()).contains("memory access") ->
                "A file became shorter while it was read: leave models and texts alone while they are in use.";
            case NoSuchFileException f -> f.getFile() + " does not exist.";
            case AccessDeniedException f -> f.getFile() + " may not be read or written by this user.";
            case FileAlreadyExistsException f -> f.getFile() + " is in the way: there is a file of that name.";
            case FileSystemException f -> f.getMessage();
            case UncheckedIOException u -> sentence(u.getCause());
            case JacksonException j -> "A JSON text is not as it should be: " + j.getOriginalMessage();
            case IOException _,
                    IllegalArgumentException _,
                    ArithmeticException _,
                    NativeException _,
                    IllegalStateException _
            when e.getMessage() != null -> e.getMessage();
            // What nobody foresaw is a defect of ours, and its trace is what a report needs.
            default -> null;
        };
    }
}
