package dev.panamba.cli;

import dev.panamba.bindings.NativeException;
import java.io.FileDescriptor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.ClosedChannelException;
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

    private static final String LEVEL = "PANAMBA_CPU_LEVEL";
    private static final List<String> LEVELS = List.of("v2", "v3", "v4", "vnni");

    private Main() {}

    /**
     * Runs a command and ends the process with 0 for done, 1 for failed, 2 for wrong usage.
     *
     * @param args the command line
     */
    public static void main(String[] args) {
        // Charts are files; no window system is needed.
        System.setProperty("java.awt.headless", "true");
        // Numbers are written the same way everywhere.
        Locale.setDefault(Locale.ROOT);
        // Without a home the JVM says that it is a folder named "?", and the pictures' fonts would be remembered there.
        if (System.getProperty("user.home").equals("?")) {
            System.setProperty("user.home", "/dev/null");
        }
        System.setOut(StandardStream.of(FileDescriptor.out, System.out.charset()));
        System.setErr(StandardStream.of(FileDescriptor.err, System.err.charset()));
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
            checkEnvironment();
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
            warnOfThreads(given.get(Shared.THREADS));
            return command.run(given);
        } catch (ParseException e) {
            return tell(2, line(e.getMessage()) + " Try: " + help);
        } catch (Throwable e) {
            var sentence = sentence(e);
            if (sentence == null) {
                e.printStackTrace();
                return 1;
            }
            return tell(1, line(sentence));
        }
    }

    private static void warnOfThreads(int threads) {
        int cores = Runtime.getRuntime().availableProcessors();
        if (threads > cores) {
            System.err.printf(
                    "--threads %d is more than the %d cores of this process: they wait for each other, and all is slower%n",
                    threads, cores);
        }
    }

    private static int tell(int code, String sentence) {
        try {
            System.err.println("panamba: " + sentence);
        } catch (UncheckedIOException e) {
            // Nobody hears it.
        }
        return code;
    }

    /** The kernels' library reads this before anybody could refuse it, and takes a name that it does not know for none. */
    private static void checkEnvironment() {
        var level = System.getenv(LEVEL);
        if (level != null && !level.isEmpty() && !LEVELS.contains(level)) {
            throw new IllegalArgumentException(
                    LEVEL + " is '" + level + "' and must be one of " + String.join(", ", LEVELS) + ", or not set.");
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
            case NoSuchFileException f -> f.getFile() + " does not exist.";
            case AccessDeniedException f -> f.getFile() + " may not be read or written by this user.";
            case FileAlreadyExistsException f -> f.getFile() + " is in the way: there is a file of that name.";
            case FileSystemException f -> f.getMessage();
            case UncheckedIOException u -> sentence(u.getCause());
            case JacksonException j -> "A JSON text is not as it should be: " + j.getOriginalMessage();
            case ArithmeticException a
            when String.valueOf(a.getMessage()).endsWith(" overflow") ->
                "A size is beyond what can be counted: choose a smaller model, batch or context.";
            case IOException _,
                    IllegalArgumentException _,
                    ArithmeticException _,
                    NativeException _,
                    IllegalStateException _
            when e.getMessage() != null -> e.getMessage();
            case ClosedChannelException _ -> "A file was closed while it was read or written.";
            case IOException _ -> "A file cannot be read or written, and the system gives no reason.";
            case Error error -> sentence(error);
            // What nobody foresaw is a defect of ours, and its trace is what a report needs.
            default -> null;
        };
    }

    private static String sentence(Error e) {
        return switch (e) {
            case OutOfMemoryError _ ->
                "There is not enough memory (" + e.getMessage()
                        + "): choose a smaller model, batch or context, or raise the heap with JAVA_TOOL_OPTIONS=-Xmx8g.";
            case StackOverflowError _ -> "Something is nested too deeply to be read.";
            case InternalError _ ->
                "A file became shorter while it was in use, or its disk failed (" + e.getMessage() + ").";
            case LinkageError _ when e.getCause() != null -> sentence(e.getCause());
            case LinkageError _ -> "The program is not whole (" + e.getMessage() + "): build or install it again.";
            default -> null;
        };
    }
}
