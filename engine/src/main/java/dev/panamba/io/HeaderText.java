package dev.panamba.io;

import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;

/** The text of a header, which may be long and stays where it is: looked at in small parts, or byte by byte. */
final class HeaderText {
    private static final int PART = 8192;
    /** Digits behind the letter u. */
    private static final int DIGITS = 4;

    private HeaderText() {}

    /** Strict. */
    static boolean isUtf8(ByteBuffer text) {
        var bytes = text.duplicate();
        var decoder = StandardCharsets.UTF_8.newDecoder();
        var characters = CharBuffer.allocate(PART);
        CoderResult result;
        do {
            result = decoder.decode(bytes, characters.clear(), true);
        } while (result.isOverflow());
        return !result.isError();
    }

    /** A character beyond 16 bits is two escapes; one of them alone is no character, which the parser does not mind. */
    static boolean hasHalfACharacter(ByteBuffer text) {
        for (int i = 0; i < text.limit() - 1; i++) {
            if (text.get(i) == '\\' && text.get(++i) == 'u') {
                int first = escaped(text, i);
                if (Character.isLowSurrogate((char) first)) {
                    return true;
                }
                if (Character.isHighSurrogate((char) first)) {
                    int second = i + DIGITS + 1;
                    if (second + 1 >= text.limit()
                            || text.get(second) != '\\'
                            || text.get(second + 1) != 'u'
                            || !Character.isLowSurrogate((char) escaped(text, second + 1))) {
                        return true;
                    }
                    i = second + 1;
                }
            }
        }
        return false;
    }

    /** The digits behind a letter u; what is none is refused by the parser. */
    private static int escaped(ByteBuffer text, int u) {
        int unit = 0;
        for (int i = u + 1; i <= u + DIGITS; i++) {
            unit = unit << 4 | (i < text.limit() ? Math.max(0, Character.digit(text.get(i), 16)) : 0);
        }
        return unit;
    }

    /** For the parser. */
    static InputStream stream(ByteBuffer text) {
        var left = text.duplicate();
        return new InputStream() {
            @Override
            public int read() {
                return left.hasRemaining() ? left.get() & 0xFF : -1;
            }

            @Override
            public int read(byte[] to, int offset, int length) {
                int count = Math.min(length, left.remaining());
                left.get(to, offset, count);
                return count == 0 && length > 0 ? -1 : count;
            }
        };
    }
}
