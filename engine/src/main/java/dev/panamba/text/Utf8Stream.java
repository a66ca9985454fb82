package dev.panamba.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Bytes in, whole characters out. */
final class Utf8Stream {
    private final CharsetDecoder decoder = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .onUnmappableCharacter(CodingErrorAction.REPLACE);
    // At most three bytes of an unfinished character wait in front of what is new.
    private ByteBuffer pending = ByteBuffer.allocate(64);

    /**
     * Reads bytes.
     *
     * @param bytes what follows
     * @return the characters that are whole now; a byte that can be part of no character is U+FFFD
     */
    String append(byte... bytes) {
        if (pending.remaining() < bytes.length) {
            pending = ByteBuffer.allocate(pending.position() + bytes.length).put(pending.flip());
        }
        pending.put(bytes).flip();
        return decode(false);
    }

    /**
     * Ends.
     *
     * @return U+FFFD for what was left of a character
     */
    String finish() {
        pending.flip();
        return decode(true);
    }

    private String decode(boolean end) {
        var characters = CharBuffer.allocate(pending.remaining());
        decoder.decode(pending, characters, end);
        pending.compact();
        return characters.flip().toString();
    }
}
