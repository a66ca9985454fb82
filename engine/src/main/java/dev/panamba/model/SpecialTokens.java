package dev.panamba.model;

import dev.panamba.io.InputFiles;
import dev.panamba.io.WeightFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a model's files say of the tokens that begin, end and fill texts. It is kept as it stands there, since other programs read
 * it too.
 *
 * @param ids bos_token_id, eos_token_id and pad_token_id of {@code config.json}, those that it has
 * @param generation the text of {@code generation_config.json}, or null
 * @param ends the tokens that end a text: eos_token_id of {@code generation_config.json}, else of {@code config.json}
 */
record SpecialTokens(ObjectNode ids, String generation, Set<Integer> ends) {
    static final SpecialTokens NONE = new SpecialTokens(JsonNodeFactory.instance.objectNode(), null, Set.of());

    private static final String EOS = "eos_token_id";
    private static final List<String> IDS = List.of("bos_token_id", EOS, "pad_token_id");
    private static final int MOST_BYTES = 1 << 20;

    /**
     * Reads what is there.
     *
     * @param directory of a model
     * @param config the content of its {@code config.json}
     * @return its special tokens
     * @throws IOException if a file is wrong
     */
    static SpecialTokens read(Path directory, JsonNode config) throws IOException {
        var ids = JsonNodeFactory.instance.objectNode();
        for (var name : IDS) {
            if (config.has(name)) {
                ids.set(name, config.get(name));
            }
        }
        var ends = ids(directory.resolve(ModelFiles.CONFIG), config);
        var file = directory.resolve(ModelFiles.GENERATION);
        if (!Files.exists(file)) {
            return new SpecialTokens(ids, null, ends);
        }
        var own = ids(file, WeightFiles.json(file));
        var text = new String(InputFiles.bytes(file, MOST_BYTES), StandardCharsets.UTF_8);
        return new SpecialTokens(ids, text, own.isEmpty() ? ends : own);
    }

    private static Set<Integer> ids(Path file, JsonNode json) throws IOException {
        var ends = new TreeSet<Integer>();
        var eos = json.path(EOS);
        if (eos.isMissingNode() || eos.isNull()) {
            return ends;
        }
        for (var id : eos.isArray() ? eos : List.of(eos)) {
            if (!id.isIntegralNumber() || !id.canConvertToInt()) {
                throw new IOException(
                        file + ": " + EOS + " is " + eos + " and must be a token's id, or a list of them.");
            }
            ends.add(id.intValue());
        }
        return ends;
    }
}
