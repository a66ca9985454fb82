package dev.panamba.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.BitSet;

/**
 * The table of a {@code Precompiled} normaliser, as SentencePiece writes it: the size of a double array in bytes, the array of
 * words of 32 bits, little-endian, and replacements in UTF-8, each with a zero behind it. The library follows its offsets
 * unchecked, so all that can be reached are checked here.
 */
final class Charsmap {
    /** A block of a double array: where an offset points into one, any byte stays within it. */
    private static final int BLOCK = 256;
    /** The longest replacement that Unicode's own tables have is 18 characters of 33 bytes, for one character. */
    private static final int LONGEST = 64;
    /** How much longer it makes a text at most, in characters. */
    static final int GROWTH = 18;

    private final int[] units;
    private final byte[] replacements;

    /**
     * Reads a table.
     *
     * @param base64 the text in the file
     * @throws IllegalArgumentException if it is damaged, with how
     */
    Charsmap(String base64) {
        var bytes = ByteBuffer.wrap(Base64.getDecoder().decode(base64)).order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.remaining() < Integer.BYTES) {
            throw new IllegalArgumentException("it has no size");
        }
        long size = Integer.toUnsignedLong(bytes.getInt());
        if (size == 0 || size % (BLOCK * Integer.BYTES) != 0 || size > bytes.remaining()) {
            throw new IllegalArgumentException(
                    "its array is said to have " + size + " of " + bytes.remaining() + " bytes");
        }
        units = new int[(int) size / Integer.BYTES];
        bytes.asIntBuffer().get(units);
        replacements = new byte[bytes.remaining() - (int) size];
        bytes.position(Integer.BYTES + (int) size).get(replacements);
        try {
            CharBuffer _ = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(replacements));
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException("its replacements are not UTF-8", e);
        }
        check();
    }

    private void check() {
        var seen = new BitSet(units.length);
        var open = new ArrayDeque<Integer>();
        visit(offset(units[0]), seen, open);
        while (!open.isEmpty()) {
            int base = open.pop();
            for (int label = 1; label < BLOCK; label++) {
                int unit = units[base ^ label];
                if (label(unit) == label) {
                    int next = base ^ label ^ offset(unit);
                    visit(next, seen, open);
                    if (hasLeaf(unit)) {
                        checkReplacement(units[next] & Integer.MAX_VALUE);
                    }
                }
            }
        }
    }

    private void visit(int base, BitSet seen, ArrayDeque<Integer> open) {
        if (base < 0 || base >= units.length) {
            throw new IllegalArgumentException("an offset points out of its array");
        }
        if (!seen.get(base)) {
            seen.set(base);
            open.push(base);
        }
    }

    private void checkReplacement(int at) {
        if (at >= replacements.length || (replacements[at] & 0xC0) == 0x80) {
            throw new IllegalArgumentException("a value points at no replacement");
        }
        int length = end(at) - at;
        if (length > LONGEST
                || new String(replacements, at, length, StandardCharsets.UTF_8)
                                .codePoints()
                                .count()
                        > GROWTH) {
            throw new IllegalArgumentException(
                    "a replacement is longer than " + LONGEST + " bytes or " + GROWTH + " characters");
        }
    }

    private int end(int at) {
        int end = at;
        while (end < replacements.length && replacements[end] != 0) {
            end++;
        }
        return end;
    }

    private static boolean hasLeaf(int unit) {
        return (unit >>> 8 & 1) == 1;
    }

    private static int label(int unit) {
        return unit & (1 << 31 | 0xFF);
    }

    private static int offset(int unit) {
        return (unit >>> 10) << ((unit & 1 << 9) >>> 6);
    }

    /** Whether a character is left as it is. */
    boolean leaves(int character) {
        int at = offset(units[0]);
        for (byte b : Character.toString(character).getBytes(StandardCharsets.UTF_8)) {
            int label = b & 0xFF;
            int unit = units[at ^ label];
            if (label == 0 || label(unit) != label) {
                return true;
            }
            at = at ^ label ^ offset(unit);
            if (hasLeaf(unit)) {
                return false;
            }
        }
        return true;
    }
}
