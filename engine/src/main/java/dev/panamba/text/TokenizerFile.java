package dev.panamba.text;

import dev.panamba.io.FileType;
import dev.panamba.io.InputFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A {@code tokenizer.json} that is known to be harmless. The library ends the process, or takes for ever, where a file is made for
 * that, so all that it has is compared with lists of what published tokenizers have, and what can grow has bounds; the rest is
 * refused by name. What the library need not know is taken out: padding, truncation, and the post-processor, whose tokens are
 * put around the text's here.
 *
 * @param json what the library gets
 * @param tokens ids by text
 * @param vocabulary ids are below it
 * @param endOfText the token that ends a document
 * @param before ids that the post-processor puts in front of a text
 * @param after ids that it puts behind
 * @param cuts where a text can be cut
 */
record TokenizerFile(
        ObjectNode json,
        Map<String, Integer> tokens,
        int vocabulary,
        OptionalInt endOfText,
        List<Integer> before,
        List<Integer> after,
        Cuts cuts) {
    /** Published files have up to 35 MB. */
    private static final long LARGEST = 1 << 26;
    /** More ids than any vocabulary has. */
    private static final int MOST_IDS = 1 << 24;

    /** The library compares each with each. */
    private static final int MOST_ADDED = 1 << 14;

    private static final int LONGEST_ADDED = 1024;

    /** Names under which published vocabularies keep the token that ends a document. */
    private static final List<String> ENDS = List.of("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>");

    /**
     * Reads and checks a file.
     *
     * @throws IOException if it cannot be read, is no {@code tokenizer.json}, or has what is not known to be harmless
     */
    static TokenizerFile read(Path file) throws IOException {
        InputFiles.check(file);
        if (Files.size(file) > LARGEST) {
            throw new IOException(file + " is no tokenizer.json: it has " + Files.size(file) + " bytes, and " + LARGEST
                    + " at most can be read.");
        }
        try {
            return of(parse(file));
        } catch (JacksonException e) {
            var why = InputFiles.type(file).map(FileType::toString).orElse(e.getOriginalMessage());
            throw new IOException(file + " is no tokenizer.json: " + why, e);
        } catch (CharacterCodingException e) {
            throw new IOException(file + " is no tokenizer.json: it is not UTF-8.", e);
        } catch (IllegalArgumentException e) {
            throw new IOException(file + " is refused: " + e.getMessage() + ".", e);
        }
    }

    private static ObjectNode parse(Path file) throws IOException {
        var text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(Files.readAllBytes(file)));
        // A key that comes twice could be one thing here and another there.
        var mapper = JsonMapper.builder()
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .build();
        return mapper.readTree(text.toString()) instanceof ObjectNode json ? json : mapper.createObjectNode();
    }

    private static TokenizerFile of(ObjectNode json) {
        var checks = new TokenizerChecks();
        var tokens = vocabulary(json);
        // Equal pieces of a Unigram count each.
        int words = json.path("model").path("vocab").size();
        var added = added(json, tokens, words);
        int vocabulary = Math.max(
                words,
                1 + tokens.values().stream().mapToInt(Integer::intValue).max().orElse(-1));
        if (vocabulary < 1) {
            throw new IllegalArgumentException("it has no vocabulary");
        }
        checks.model(json.path("model"));
        checks.normalizer(json.path("normalizer"));
        checks.added(json.path("added_tokens"), json.path("normalizer"));
        checks.preTokenizer(json.path("pre_tokenizer"));
        checks.decoder(json.path("decoder"));
        var before = new ArrayList<Integer>();
        var after = new ArrayList<Integer>();
        new PostProcessor(before, after, vocabulary).read(json.path("post_processor"));
        var library = json.deepCopy();
        for (var unused : List.of("truncation", "padding", "post_processor")) {
            library.putNull(unused);
        }
        var end = added.stream()
                .filter(ENDS::contains)
                .map(tokens::get)
                .findFirst()
                .map(OptionalInt::of)
                .orElse(OptionalInt.empty());
        return new TokenizerFile(
                library,
                tokens,
                vocabulary,
                end,
                List.copyOf(before),
                List.copyOf(after),
                Cuts.of(json, tokens, added));
    }

    /** The ids of the model, without what is added. */
    private static Map<String, Integer> vocabulary(JsonNode json) {
        var tokens = new HashMap<String, Integer>();
        var vocab = json.path("model").path("vocab");
        if (vocab.isObject()) {
            for (var entry : vocab.properties()) {
                tokens.put(entry.getKey(), id(entry.getValue(), entry.getKey()));
            }
        } else {
            int id = 0;
            for (var piece : vocab) {
                // The last of equal ones counts, as in the library.
                tokens.put(piece.path(0).asString(""), id++);
            }
        }
        return tokens;
    }

    /** Adds tokens as the library does, which gives ids of its own to those that the model does not have. */
    private static List<String> added(JsonNode json, Map<String, Integer> tokens, int words) {
        var added = new ArrayList<String>();
        int next = words;
        if (json.path("added_tokens").size() > MOST_ADDED) {
            throw new IllegalArgumentException("it has more than " + MOST_ADDED + " added tokens");
        }
        for (var token : json.path("added_tokens")) {
            var content = token.path("content").asString("");
            id(token.path("id"), content);
            if (content.length() > LONGEST_ADDED) {
                throw new IllegalArgumentException(
                        "its added token " + shortened(content) + " is longer than " + LONGEST_ADDED);
            }
            if (!content.isEmpty() && !tokens.containsKey(content)) {
                tokens.put(content, next++);
            } else if (!content.isEmpty() && tokens.get(content) >= next) {
                next = tokens.get(content) + 1;
            }
            added.add(content);
        }
        return added;
    }

    private static int id(JsonNode id, String token) {
        if (!id.isIntegralNumber() || !id.canConvertToInt() || id.asInt() < 0 || id.asInt() >= MOST_IDS) {
            throw new IllegalArgumentException("its token \"" + shortened(token) + "\" has the id " + id);
        }
        return id.asInt();
    }

    static String shortened(String text) {
        return text.length() <= 60 ? text : text.substring(0, 60) + "...";
    }

    /** Reads what a post-processor puts around a text. */
    private record PostProcessor(List<Integer> before, List<Integer> after, int vocabulary) {
        private static final int MOST = 64;

        void read(JsonNode processor) {
            if (processor.isNull() || processor.isMissingNode()) {
                return;
            }
            switch (processor.path("type").asString("")) {
                case "ByteLevel" -> {}
                case "BertProcessing", "RobertaProcessing" -> {
                    before.addFirst(known(processor.path("cls").path(1)));
                    after.add(known(processor.path("sep").path(1)));
                }
                case "TemplateProcessing" -> template(processor);
                case "Sequence" -> {
                    if (processor.path("processors").size() > 8) {
                        throw new IllegalArgumentException("its post_processor has more than 8 parts");
                    }
                    for (var part : processor.path("processors")) {
                        if (part.path("type").asString("").equals("Sequence")) {
                            throw new IllegalArgumentException("its post_processor has a Sequence in a Sequence");
                        }
                        read(part);
                    }
                }
                default ->
                    throw new IllegalArgumentException("its post_processor is a "
                            + shortened(processor.path("type").toString()) + ", which is not known to be harmless");
            }
        }

        private void template(JsonNode processor) {
            var front = new ArrayList<Integer>();
            var back = new ArrayList<Integer>();
            boolean text = false;
            for (var piece : processor.path("single")) {
                var special = piece.path("SpecialToken").path("id").asString("");
                if (piece.path("Sequence").path("id").asString("").equals("A") && !text) {
                    text = true;
                } else if (!special.isEmpty()) {
                    for (var id : processor.path("special_tokens").path(special).path("ids")) {
                        (text ? back : front).add(known(id));
                    }
                } else {
                    text = false;
                    break;
                }
            }
            if (!text || front.size() + back.size() > MOST) {
                throw new IllegalArgumentException(
                        "its post_processor's template for one text does not have the text once" + " and up to " + MOST
                                + " special tokens");
            }
            before.addAll(0, front);
            after.addAll(back);
        }

        private int known(JsonNode id) {
            if (!id.isIntegralNumber() || id.asLong() < 0 || id.asLong() >= vocabulary) {
                throw new IllegalArgumentException(
                        "its post_processor adds the id " + id + ", and its ids end at " + (vocabulary - 1));
            }
            return id.asInt();
        }
    }
}
