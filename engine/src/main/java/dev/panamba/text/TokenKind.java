package dev.panamba.text;

import java.util.stream.IntStream;

/** What a token begins with, behind one space that a word may carry in front. */
public enum TokenKind {
    /** A letter that is no capital. */
    LETTER,
    /** A capital letter. */
    CAPITAL,
    /** A decimal digit. */
    DIGIT,
    /** White space within a line. */
    SPACE,
    /** The end of a line. */
    NEWLINE,
    /** Punctuation and symbols. */
    PUNCTUATION,
    /** What has no text of its own: parts of characters, control characters, marks. */
    OTHER;

    /**
     * The kinds of all tokens.
     *
     * @param tokenizer whose tokens
     * @param vocabulary ids are below it, those included that the tokenizer does not have
     * @return by id
     */
    public static TokenKind[] of(Tokenizer tokenizer, int vocabulary) {
        return IntStream.range(0, vocabulary)
                .mapToObj(token ->
                        token < tokenizer.vocabulary() ? of(tokenizer.decoder().append(token)) : OTHER)
                .toArray(TokenKind[]::new);
    }

    /**
     * The kind of one token.
     *
     * @param text its text
     * @return a kind
     */
    public static TokenKind of(String text) {
        var word = text.length() > 1 && text.charAt(0) == ' ' ? text.substring(1) : text;
        return word.isEmpty() ? OTHER : of(word.codePointAt(0));
    }

    private static TokenKind of(int character) {
        if (character == '\n' || character == '\r') {
            return NEWLINE;
        }
        if (Character.isWhitespace(character)) {
            return SPACE;
        }
        return switch (Character.getType(character)) {
            case Character.UPPERCASE_LETTER, Character.TITLECASE_LETTER -> CAPITAL;
            case Character.LOWERCASE_LETTER, Character.MODIFIER_LETTER, Character.OTHER_LETTER -> LETTER;
            case Character.DECIMAL_DIGIT_NUMBER -> DIGIT;
            case Character.CONNECTOR_PUNCTUATION,
                    Character.DASH_PUNCTUATION,
                    Character.START_PUNCTUATION,
                    Character.END_PUNCTUATION,
                    Character.INITIAL_QUOTE_PUNCTUATION,
                    Character.FINAL_QUOTE_PUNCTUATION,
                    Character.OTHER_PUNCTUATION,
                    Character.MATH_SYMBOL,
                    Character.CURRENCY_SYMBOL,
                    Character.MODIFIER_SYMBOL -> PUNCTUATION;
            default -> OTHER;
        };
    }
}
