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
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import tools.jackson.core.JacksonException;

/** The command {@code panamba}. */
@Command(
        name = "panamba",
        description = "Trains and runs MoE-Mamba and the models it is compared with.",
        footer = "%npanamba test runs every test; panamba help COMMAND explains a command.",
        synopsisSubcommandLabel = "COMMAND")
public final class Main {
    private static final List<String> COMMANDS = List.of(
            "demo", "train", "generate", "eval", "logits", "inspect", "export", "convert", "bench", "doctor", "help");

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
        System.exit(commandLine(args).execute(args));
    }

    /**
     * The parser with its handling of errors. Where the words begin with a command it knows that one only: to look at the
     * options of all takes a tenth of a second.
     *
     * @param args what will be parsed
     * @return a fresh one
     */
    static CommandLine commandLine(String... args) {
        var line = new CommandLine(new Main());
        var first = args.length == 0 ? "help" : args[0];
        for (var name : COMMANDS) {
            if (first.equals(name) || first.equals("help") || !COMMANDS.contains(first)) {
                line.addSubcommand(name, command(name));
            }
        }
        addHelp(line);
        line.getSubcommands().values().forEach(Main::addHelp);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setExpandAtFiles(false);
        line.setUsageHelpAutoWidth(true);
        line.setParameterExceptionHandler((e, _) -> usage(e));
        line.setExecutionExceptionHandler((e, command, _) -> {
            command.getErr().println("panamba: " + line(sentence(e)));
            return 1;
        });
        return line;
    }

    private static Object command(String name) {
        return switch (name) {
            case "demo" -> new DemoCommand();
            case "train" -> new TrainCommand();
            case "generate" -> new GenerateCommand();
            case "eval" -> new EvalCommand();
            case "logits" -> new LogitsCommand();
            case "inspect" -> new InspectCommand();
            case "export" -> new ExportCommand();
            case "convert" -> new ConvertCommand();
            case "bench" -> new BenchCommand();
            case "doctor" -> new DoctorCommand();
            case "help" -> new HelpCommand();
            default -> throw new IllegalArgumentException("There is no command " + name + ".");
        };
    }

    private static void addHelp(CommandLine line) {
        if (!(line.getCommand() instanceof HelpCommand)) {
            line.getCommandSpec()
                    .addOption(OptionSpec.builder("-h", "--help")
                            .usageHelp(true)
                            .description("Print this help.")
                            .build());
        }
    }

    private static int usage(ParameterException e) {
        var command = e.getCommandLine();
        var help = command.getParent() == null ? "panamba help" : "panamba help " + command.getCommandName();
        command.getErr().println("panamba: " + line(e.getMessage().replaceFirst("^Error: ", "")) + " Try: " + help);
        return 2;
    }

    /** A sentence in one line, with its full stop. */
    private static String line(String message) {
        var line = message.replaceAll("\\p{Cntrl}+", " ").strip();
        return line.matches(".*[.!?]") ? line : line + ".";
    }

    private static String sentence(Exception e) throws Exception {
        return switch (e) {
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
            default -> throw e;
        };
    }
}
