package dev.panamba.text;

import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;

/** A token is a byte of UTF-8: 256 ids, no file. */
final class ByteTokenizer implements Tokenizer {
    @Override
    public int vocabulary() {
        return 256;
    }

    @Override
    public int[] encode(String text) {
        var bytes = text.getBytes(StandardCharsets.UTF_8);
        return encode(bytes, bytes.length);
    }

    @Override
    public int[] encode(byte[] bytes, int count) {
        var ids = new int[count];
        for (int i = 0; i < count; i++) {
            ids[i] = bytes[i] & 0xFF;
        }
        return ids;
    }

    @Override
    public OptionalInt endOfText() {
        return OptionalInt.empty();
    }

    @Override
    public Decoder decoder() {
        var characters = new Utf8Stream();
        // A model for bytes may have a larger vocabulary; what is above 255 has no text.
        return token -> token >= 0 && token < 256 ? characters.append((byte) token) : "";
    }
}
