package dev.panamba.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.train.Seal;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.commons.cli.ParseException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A mistake is one sentence on stderr and 1, wrong usage 2, and never a stack trace. */
class MistakesTest {
    @TempDir
    private static Path folder;

    private static Path text;
    private static Path model;
    private static Path transformer;

    @BeforeAll
    static void train() throws IOException {
        text = Files.writeString(folder.resolve("text.txt"), "The quick brown fox.\n".repeat(30));
        model = folder.resolve("model");
        transformer = folder.resolve("transformer");
        for (var preset :
                Map.of("tiny-mamba", model, "tiny-transformer", transformer).entrySet()) {
            var line = Line.run(
                    "train",
                    "--preset",
                    preset.getKey(),
                    "--data",
                    text,
                    "--out",
                    preset.getValue(),
                    "--steps",
                    1,
                    "--batch",
                    1,
                    "--context",
                    16);
            assertEquals(0, line.exit(), line.err());
        }
        Files.writeString(folder.resolve("short.txt"), "short");
        Files.writeString(folder.resolve("empty.txt"), "");
        Files.createDirectory(folder.resolve("empty"));
    }

    static List<Arguments> mistakes() {
        var all = new ArrayList<Arguments>();
        // Wrong usage.
        all.add(mistake(2, "subcommand", ""));
        all.add(mistake(2, "foo", "foo"));
        all.add(mistake(2, "--out", "train"));
        all.add(mistake(2, "--nonsense", "train --out {new} --nonsense"));
        all.add(mistake(2, "--model", "generate --prompt a"));
        all.add(mistake(2, "--tokens", "generate --model {model} --prompt a --tokens x"));
        all.add(mistake(2, "--tokens", "generate --model {model} --prompt a --tokens 99999999999"));
        all.add(mistake(2, "--prompt", "generate --model {model} --prompt"));
        all.add(mistake(2, "mutually exclusive", "train --preset tiny-mamba --init {model} --data {text} --out {new}"));
        all.add(mistake(2, "--schedule", train("--schedule linear")));
        all.add(mistake(2, "--order", train("--order random")));
        all.add(mistake(2, "--lr", train("--lr fast")));
        all.add(mistake(2, "--tokens", "logits --model {model} --tokens 1,x --out {new}"));
        all.add(mistake(2, "--what", "bench --what sleep"));
        all.add(mistake(2, "--past", "bench --past 3,x"));
        all.add(mistake(2, "only once", "generate --model {model} --prompt a --tokens 3 --tokens 4"));
        all.add(mistake(2, "takes no value", "generate --model {model} --prompt a --map=true"));
        all.add(mistake(2, "-model", "generate -model {model} --prompt a"));
        all.add(mistake(2, "--mod", "generate --mod {model} --prompt a"));
        all.add(mistake(2, "extra", "generate --model {model} --prompt a extra"));
        all.add(mistake(2, "Missing required", "inspect"));
        // Files and directories.
        all.add(mistake(1, "does not exist", "train --preset tiny-mamba --data {missing} --out {new}"));
        all.add(mistake(1, "does not exist", "train --config {missing} --data {text} --out {new}"));
        all.add(mistake(1, "does not exist", "train --init {missing} --data {text} --out {new}"));
        all.add(mistake(1, "does not exist", train("--tokenizer {missing}")));
        all.add(mistake(1, "does not exist", train("--valid {missing}")));
        all.add(mistake(1, "no tokenizer.json", train("--tokenizer {text}")));
        all.add(mistake(1, "is no JSON", "train --config {text} --data {text} --out {new}"));
        all.add(mistake(1, "is a directory", "train --config {folder} --data {text} --out {new}"));
        all.add(mistake(1, "is a directory", train("--tokenizer {folder}")));
        all.add(mistake(1, "in the way", "train --preset tiny-mamba --data {text} --out {text}"));
        all.add(mistake(1, "already", "train --preset tiny-mamba --data {text} --out {model}"));
        all.add(mistake(1, "holds a model", "train --preset tiny-mamba --data {text} --out {model}/step-1"));
        all.add(mistake(1, "no checkpoint", "train --out {new} --resume"));
        all.add(mistake(1, "no checkpoint", "train --out {empty} --resume"));
        all.add(mistake(1, "another model", "train --out {model} --resume --preset tiny-transformer"));
        all.add(mistake(1, "one of them", "train --out {model} --resume --init {transformer}"));
        all.add(mistake(1, "needs 257", train("--data {short} --context 256")));
        all.add(mistake(1, "0 tokens", train("--data {emptyfile}")));
        all.add(mistake(1, "0 tokens", train("--data {empty}")));
        all.add(mistake(1, "at least two", train("--valid {emptyfile}")));
        all.add(mistake(1, "does not exist", "generate --model {missing} --prompt a"));
        all.add(mistake(1, "a model is a directory", "generate --model {text} --prompt a"));
        all.add(mistake(1, "config.json does not exist", "generate --model {empty} --prompt a"));
        all.add(mistake(1, "does not exist", "generate --model {model} --load-state {missing}"));
        all.add(mistake(1, "header", "generate --model {model} --load-state {text}"));
        all.add(mistake(1, "no session", "generate --model {model} --load-state {model}/model.safetensors"));
        all.add(mistake(1, "no folder", "generate --model {model} --prompt a --tokens 1 --save-state {missing}/s"));
        all.add(mistake(1, "does not exist", "eval --model {model} --data {missing}"));
        all.add(mistake(1, "at least two", "eval --model {model} --data {emptyfile}"));
        all.add(mistake(1, "no folder", "logits --model {model} --tokens 1 --out {missing}/file"));
        all.add(mistake(1, "is a directory", "logits --model {model} --tokens 1 --out {empty}"));
        all.add(mistake(1, "exists already", "export --model {model} --out {model}"));
        all.add(mistake(1, "exists already", "export --model {model} --out {text}"));
        all.add(mistake(1, "exists already", "export --model {model} --out /"));
        all.add(mistake(1, "does not exist", "inspect {missing}"));
        all.add(mistake(1, "has a header", "inspect {text}"));
        all.add(mistake(1, "too short", "inspect {emptyfile}"));
        // Numbers and names.
        all.add(mistake(1, "There is no preset foo", train("", "--preset foo")));
        all.add(mistake(1, "There is no preset foo", "inspect --preset foo"));
        all.add(mistake(1, "Give --preset", train("", "")));
        all.add(mistake(1, "--data", "train --preset tiny-mamba --out {new}"));
        all.add(mistake(1, "--steps", train("--steps 0")));
        all.add(mistake(1, "--steps", train("--steps -3")));
        all.add(mistake(1, "--lr", train("--lr NaN")));
        all.add(mistake(1, "--lr", train("--lr Infinity")));
        all.add(mistake(1, "--lr", train("--lr 0")));
        all.add(mistake(1, "--lr", train("--lr 1e39")));
        all.add(mistake(1, "--eps", train("--eps 1e-300")));
        all.add(mistake(1, "--weight-decay", train("--weight-decay -1")));
        all.add(mistake(1, "--beta1", train("--beta1 1")));
        all.add(mistake(1, "--clip", train("--clip 0")));
        all.add(mistake(1, "--min-lr-ratio", train("--min-lr-ratio 2")));
        all.add(mistake(1, "--warmup-steps", train("--warmup-steps -1")));
        all.add(mistake(1, "--micro-batch", train("--batch 3 --micro-batch 2")));
        all.add(mistake(1, "--context", train("--context 0")));
        all.add(mistake(1, "--threads", train("--threads 0")));
        all.add(mistake(1, "--threads", train("--threads 1000000")));
        all.add(mistake(1, "256 positions", train("--context 257", "--preset tiny-transformer")));
        all.add(mistake(1, "memory", train("--context 2000000000")));
        all.add(mistake(1, "memory", train("--batch 2000000000")));
        all.add(mistake(1, "prompt is empty", "generate --model {model}"));
        all.add(mistake(1, "--tokens", "generate --model {model} --prompt a --tokens -1"));
        all.add(mistake(1, "--temperature", "generate --model {model} --prompt a --temperature NaN"));
        all.add(mistake(1, "--temperature", "generate --model {model} --prompt a --temperature -1"));
        all.add(mistake(1, "--top-k", "generate --model {model} --prompt a --top-k -1"));
        all.add(mistake(1, "--top-p", "generate --model {model} --prompt a --top-p 0"));
        all.add(mistake(1, "threads", "generate --model {model} --prompt a --threads 0"));
        all.add(mistake(1, "threads", "generate --model {model} --prompt a --threads 100000"));
        all.add(mistake(1, "256 positions", "generate --model {transformer} --prompt " + "a".repeat(257)));
        all.add(mistake(1, "vocabulary", "logits --model {model} --tokens 1,256 --out {new}"));
        all.add(mistake(1, "vocabulary", "logits --model {model} --tokens -1 --out {new}"));
        all.add(mistake(1, "--context", "eval --model {model} --data {text} --context 0"));
        all.add(mistake(1, "threads", "eval --model {model} --data {text} --threads 0"));
        all.add(mistake(1, "--reps", "bench --preset tiny-mamba --reps 0"));
        all.add(mistake(1, "--past", "bench --preset tiny-mamba --past 0"));
        all.add(mistake(1, "There is no preset foo", "bench --preset foo"));
        all.add(mistake(1, "threads", "bench --preset tiny-mamba --threads 0"));
        all.add(mistake(1, "Give --presets", "compare --data {text} --out {new}"));
        all.add(mistake(1, "alone", "compare --presets tiny-mamba --data {text} --out {new}"));
        all.add(mistake(1, "alone", "compare --presets tiny-mamba,tiny-mamba --data {text} --out {new}"));
        all.add(mistake(1, "There is no preset foo", compare("", "tiny-mamba,foo")));
        all.add(mistake(1, "There is no preset ", compare("", "tiny-mamba,,tiny-transformer")));
        all.add(mistake(1, "--steps 600", compare("", "tiny-mamba,small-mamba")));
        all.add(mistake(1, "--batch 16", compare("--steps 2", "tiny-mamba,small-mamba")));
        all.add(mistake(1, "--data", "compare --presets tiny-mamba,tiny-transformer --out {new}"));
        all.add(mistake(1, "does not exist", compare("--data {missing}")));
        all.add(mistake(1, "does not exist", compare("--valid {missing}")));
        all.add(mistake(1, "needs 257", compare("--data {short}")));
        all.add(mistake(1, "in the way", compare("--out {text}")));
        all.add(mistake(2, "--seeds", compare("--seeds ,")));
        all.add(mistake(2, "--seeds", compare("--seeds 1,x")));
        all.add(mistake(2, "--seed", compare("--seed 1")));
        all.add(mistake(1, "--sweep", compare("--sweep lr=1e-3")));
        all.add(mistake(1, "--sweep", compare("--sweep lr=1e-3,fast")));
        all.add(mistake(1, "--sweep", compare("--sweep clip=1,2")));
        all.add(mistake(1, "--lr", compare("--sweep lr=-1,1")));
        all.add(mistake(1, "one of them", compare("--sweep lr=1e-3,2e-3 --lr 1")));
        all.add(mistake(1, "--smoothing", compare("--smoothing 0")));
        all.add(mistake(1, "--threads", compare("--threads 0")));
        all.add(mistake(1, "--clip", compare("--clip 0")));
        all.add(mistake(1, "--save-every", train("--save-every -5")));
        all.add(mistake(1, "--save-every", compare("--save-every -5")));
        all.add(mistake(1, "--batch", "bench --preset tiny-mamba --batch -1"));
        all.add(mistake(1, "--context", "bench --preset tiny-mamba --context 0"));
        all.add(mistake(1, "threads", "demo --out {new} --threads 0"));
        // The empty path would be the folder that the process is in.
        all.add(mistake(2, "'--data': '' is not a path", train("--data=")));
        all.add(mistake(2, "'--out': '' is not a path", compare("--out=")));
        all.add(mistake(2, "'--tokenizer': '' is not a name", train("--tokenizer=")));
        all.add(mistake(2, "'--tokenizer': '' is not a name", compare("--tokenizer=")));
        all.add(mistake(2, "'--model': '' is not a path", "generate --model= --prompt a"));
        return all;
    }

    private static String compare(String more) {
        return compare(more, "tiny-mamba,tiny-transformer");
    }

    private static String compare(String more, String presets) {
        var data = more.contains("--data") ? "" : " --data {text}";
        var out = more.contains("--out") ? "" : " --out {new}";
        return ("compare --presets " + presets + data + out + " " + more).strip();
    }

    private static String train(String more) {
        return train(more, "--preset tiny-mamba");
    }

    private static String train(String more, String model) {
        var data = more.contains("--data") ? "" : " --data {text}";
        var context = more.contains("--context") ? "" : " --context 16";
        return ("train " + model + data + context + " --out {new} " + more).strip();
    }

    private static Arguments mistake(int exit, String word, String line) {
        return Arguments.of(exit, word, line);
    }

    @ParameterizedTest(name = "panamba {2}")
    @MethodSource("mistakes")
    void isOneSentence(int exit, String word, String line) throws IOException {
        check(Line.run((Object[]) words(line)), exit, word);
    }

    /** The words of a line, with places of their own. */
    private static String[] words(String line) throws IOException {
        var fresh = Files.createTempDirectory(folder, "fresh").resolve("new");
        var arguments = line.isEmpty() ? new String[0] : line.split(" +");
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = arguments[i]
                    .replace("{new}", fresh.toString())
                    .replace("{model}", model.toString())
                    .replace("{transformer}", transformer.toString())
                    .replace("{text}", text.toString())
                    .replace("{short}", folder.resolve("short.txt").toString())
                    .replace("{emptyfile}", folder.resolve("empty.txt").toString())
                    .replace("{empty}", folder.resolve("empty").toString())
                    .replace("{missing}", folder.resolve("missing").toString())
                    .replace("{folder}", folder.toString());
        }
        return arguments;
    }

    private static void check(Line line, int exit, String word) {
        assertEquals(exit, line.exit(), line.out() + line.err());
        assertEquals(1, line.sentences().size(), line.err());
        var sentence = line.sentences().getFirst();
        assertTrue(sentence.contains(word), sentence);
        assertTrue(sentence.matches("panamba: .*[.!?]( Try: .*)?"), sentence);
        assertFalse(line.err().contains("\tat ") || line.err().contains("Exception"), line.err());
        assertTrue(sentence.length() < 1000, sentence);
    }

    /** A command line of each command that has numbers, which does little. */
    private static final List<String> LINES = List.of(
            "train --preset tiny-mamba --data {text} --steps 1 --batch 1 --context 8 --out {new}",
            "compare --presets tiny-mamba,tiny-transformer --data {text} --steps 1 --batch 1 --context 8 --out {new}",
            "generate --model {model} --prompt a --tokens 1",
            "eval --model {model} --data {short} --context 8",
            "logits --model {model} --tokens 1 --out {new}",
            "bench --preset tiny-mamba --what decode",
            "demo --data {text} --out {new}");

    static List<Arguments> numbers() throws ParseException {
        var all = new ArrayList<Arguments>();
        for (var line : LINES) {
            for (var option : Main.command(line.split(" ")[0]).options()) {
                if (isNumber(option)) {
                    all.add(Arguments.of(line, option.name()));
                }
            }
        }
        assertTrue(all.size() > 40, "numbers: " + all.size());
        return all;
    }

    private static boolean isNumber(Opt<?> option) {
        try {
            var value = option.read("1");
            return value instanceof Number || value instanceof List<?> several && several.getFirst() instanceof Number;
        } catch (ParseException | IllegalArgumentException e) {
            return false;
        }
    }

    /** Whether a command does something with a number or not: it ends well, or in one sentence that names the option. */
    @ParameterizedTest(name = "panamba {0} --{1}")
    @MethodSource("numbers")
    void noNumberIsTooOdd(String line, String option) throws IOException {
        for (var number : List.of("-1", "0", "2147483648", "9223372036854775808", "-9223372036854775809", "NaN", "")) {
            var without = line.replaceFirst(" --" + option + " [^ ]+", "");
            var done = Line.run((Object[]) words(without + " --" + option + "=" + number));
            if (done.exit() != 0) {
                assertTrue(done.exit() == 1 || done.exit() == 2, number);
                check(done, done.exit(), option.equals("tokens") && line.startsWith("logits") ? "" : "--" + option);
            }
        }
    }

    @Test
    void numbersHaveTheRangesThatTheirOptionsSay() throws IOException {
        // Each of these was a crash, or was taken.
        for (var line : LINES) {
            if (!line.startsWith("logits")) {
                check(Line.run((Object[]) words(line + " --threads=1025")), 1, "--threads is 1025 and must be");
            }
        }
        for (var legal : List.of("--save-every=0", "--warmup-steps=0", "--weight-decay=0", "--seed=-1", "--beta1=0")) {
            var line = Line.run((Object[]) words(LINES.getFirst() + " " + legal));
            assertEquals(0, line.exit(), legal + line.err());
        }
    }

    @Test
    void moreThreadsThanCoresAreSaid() throws IOException {
        int cores = Runtime.getRuntime().availableProcessors();
        var line = Line.run((Object[]) words(LINES.get(2) + " --threads " + (cores + 1)));
        assertEquals(0, line.exit(), line.err());
        assertTrue(line.err().contains("more than the " + cores + " cores"), line.err());
        assertFalse(Line.run((Object[]) words(LINES.get(2) + " --threads " + cores))
                .err()
                .contains("cores"));
    }

    /** Weights that are no numbers give no results that look like some. */
    @Test
    void resultsThatAreNoNumbersAreNoResults() throws IOException {
        var damaged = Files.createTempDirectory(folder, "damaged");
        Files.copy(model.resolve("config.json"), damaged.resolve("config.json"));
        var bytes = ByteBuffer.wrap(Files.readAllBytes(model.resolve("model.safetensors")))
                .order(ByteOrder.LITTLE_ENDIAN);
        for (int at = bytes.capacity() - 4 * 64 * 256; at < bytes.capacity(); at += 4) {
            bytes.putFloat(at, Float.NaN);
        }
        Files.write(damaged.resolve("model.safetensors"), bytes.array());
        var line = Line.run("eval", "--model", damaged, "--data", text);
        check(line, 1, "NaN");
        assertEquals("", line.out());
        var out = damaged.resolve("logits.safetensors");
        check(Line.run("logits", "--model", damaged, "--tokens", "1,2", "--out", out), 1, "NaN");
        assertFalse(Files.exists(out));
    }

    /** A pipe that nobody reads would be waited for. */
    @Test
    void whatIsNoFileIsNotWrittenTo() throws Exception {
        var pipe = folder.resolve("pipe");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        check(Line.run("logits", "--model", model, "--tokens", 1, "--out", pipe), 1, "a pipe");
        var line = Line.run("generate", "--model", model, "--prompt", "a", "--tokens", 1, "--save-state", pipe);
        check(line, 1, "a pipe");
        assertEquals("", line.out());
        for (var command : List.of("export", "convert --weights bf16")) {
            check(Line.run((Object[]) words(command + " --model {model} --out " + pipe)), 1, "exists already");
        }
        assertTrue(Files.readAttributes(pipe, BasicFileAttributes.class).isOther());
    }

    @Test
    void everyFieldOfAConfigurationThatIsWrongIsNamed() throws IOException {
        for (var from : List.of(model, transformer)) {
            var directory = Files.createTempDirectory(folder, "config");
            Files.copy(from.resolve("model.safetensors"), directory.resolve("model.safetensors"));
            var mapper = new JsonMapper();
            var right = (ObjectNode) mapper.readTree(Files.readAllBytes(from.resolve("config.json")));
            var values = List.of(
                    "null",
                    "\"x\"",
                    "-1",
                    "0",
                    "1.5",
                    "2147483647",
                    "1e300",
                    "9223372036854775808",
                    "[]",
                    "{}",
                    "true",
                    "false",
                    "\"\"");
            for (var field : right.propertyNames()) {
                for (var value : values) {
                    var wrong = right.deepCopy();
                    wrong.set(field, mapper.readTree(value));
                    tryConfig(directory, mapper.writeValueAsString(wrong));
                }
                var missing = right.deepCopy();
                missing.remove(field);
                tryConfig(directory, mapper.writeValueAsString(missing));
            }
            var whole = mapper.writeValueAsString(right);
            for (var garbage : List.of(
                    "",
                    "null",
                    "[]",
                    "1",
                    "{",
                    whole + "}",
                    whole.replaceFirst("[{]", "{\"family\":\"mamba\","),
                    "[".repeat(100_000))) {
                Files.writeString(directory.resolve("config.json"), garbage);
                check(Line.run("generate", "--model", directory, "--prompt", "a", "--tokens", 1), 1, "config.json");
            }
        }
    }

    /** Some wrong values are harmless, such as those of fields that this family does not have. */
    private static void tryConfig(Path directory, String json) throws IOException {
        Files.writeString(directory.resolve("config.json"), json);
        for (var command : List.of(
                List.of("generate", "--model", directory, "--prompt", "a", "--tokens", 1),
                List.of("inspect", directory))) {
            var line = Line.run(command.toArray());
            if (line.exit() != 0) {
                check(line, 1, directory.toString());
            }
        }
    }

    @Test
    void aModelOfAnotherShapeIsRefused() throws IOException {
        var directory = Files.createTempDirectory(folder, "mixed");
        Files.copy(transformer.resolve("config.json"), directory.resolve("config.json"));
        Files.copy(model.resolve("model.safetensors"), directory.resolve("model.safetensors"));
        check(Line.run("generate", "--model", directory, "--prompt", "a"), 1, "asks for");
        check(Line.run("train", "--init", directory, "--data", text, "--out", directory.resolve("new")), 1, "asks for");
    }

    @Test
    void aDamagedCheckpointIsRefused() throws IOException {
        var damages = new TreeMap<String, String>(Map.of(
                "trainer.json",
                "{",
                "model.safetensors",
                "",
                "trainer.safetensors",
                "xxxxxxxxxxxx",
                "config.json",
                "[]"));
        for (var damage : damages.entrySet()) {
            var out = Files.createTempDirectory(folder, "damaged").resolve("run");
            assertEquals(
                    0,
                    Line.run(
                                    "train",
                                    "--preset",
                                    "tiny-mamba",
                                    "--data",
                                    text,
                                    "--out",
                                    out,
                                    "--steps",
                                    1,
                                    "--batch",
                                    1,
                                    "--context",
                                    16)
                            .exit());
            for (var step : List.of("step-0", "step-1")) {
                Files.writeString(out.resolve(step).resolve(damage.getKey()), damage.getValue());
            }
            check(Line.run("train", "--out", out, "--resume", "--steps", 2), 1, damage.getKey());
            Seal.again(out.resolve("step-0"));
            Seal.again(out.resolve("step-1"));
            check(Line.run("train", "--out", out, "--resume", "--steps", 2), 1, damage.getKey());
        }
        for (var field : List.of("batch", "lr", "schedule", "order", "seed", "data", "steps", "warmup_steps")) {
            var file = model.resolve("step-1/trainer.json");
            var right = Files.readString(file);
            for (var value : List.of("\"x\"", "[]", "null", "-1", "1e300")) {
                Files.writeString(file, right.replaceFirst("(\"" + field + "\" : )[^,\n]+", "$1" + value));
                Seal.again(file.getParent());
                var line = Line.run("train", "--out", model, "--resume", "--steps", 1);
                if (line.exit() != 0) {
                    check(line, 1, "");
                }
            }
            Files.writeString(file, right);
            Seal.again(file.getParent());
        }
    }

    /** What a checkpoint remembers is checked as what is given, by the same options. */
    @Test
    void settingsThatWereKeptAreCheckedLikeOptions() throws IOException {
        var file = model.resolve("step-1/trainer.json");
        var right = Files.readString(file);
        try {
            var damages = Map.of(
                    "schedule", "\"x\"",
                    "decay", "[]",
                    "order", "\"\"",
                    "compute", "\"int8\"",
                    "batch", "0",
                    "lr", "\"NaN\"",
                    "beta1", "1",
                    "lazy_experts", "\"perhaps\"",
                    "micro_batch", "1e300",
                    "data", "\"\"");
            for (var damage : damages.entrySet()) {
                var wrong = right.replaceFirst(
                        "(\"" + damage.getKey() + "\" : )[^,\n]+",
                        "$1" + damage.getValue().replace("\\", "\\\\"));
                assertNotEquals(right, wrong, damage.getKey());
                Files.writeString(file, wrong);
                Seal.again(file.getParent());
                var line = Line.run("train", "--out", model, "--resume", "--steps", 1);
                check(line, 1, "--" + damage.getKey().replace('_', '-'));
            }
        } finally {
            Files.writeString(file, right);
            Seal.again(file.getParent());
        }
    }

    @Test
    void garbageInMetricsOrTokensIsOneSentence() throws IOException {
        var out = folder.resolve("metrics");
        var line = Line.run(
                "train",
                "--preset",
                "tiny-mamba",
                "--data",
                text,
                "--out",
                out,
                "--steps",
                1,
                "--batch",
                1,
                "--context",
                16);
        assertEquals(0, line.exit(), line.err());
        Files.writeString(out.resolve("metrics.jsonl"), "{no json\n");
        check(Line.run("train", "--out", out, "--resume", "--steps", 2, "--batch", 1), 1, "JSON");
        Files.writeString(out.resolve("train.tokens"), "garbage");
        check(Line.run("train", "--out", out, "--resume", "--steps", 3), 1, "token file");
    }

    @Test
    void controlCharactersOfAFileDoNotReachTheTerminal() throws IOException {
        var header = "{\"\u001B]0;owned\u0007\":1}".replace("\u001B", "\\u001b").replace("\u0007", "\\u0007");
        var bytes = java.nio.ByteBuffer.allocate(8 + header.length()).order(java.nio.ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(header.length()).put(header.getBytes());
        var file = Files.write(folder.resolve("control.safetensors"), bytes.array());
        var line = Line.run("inspect", file);
        check(line, 1, "describes a tensor");
        assertTrue(line.err().strip().chars().noneMatch(Character::isISOControl));
    }
}
