package dev.panamba.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenKindTest {
    @ParameterizedTest
    @CsvSource({
        "a, LETTER",
        "ß, LETTER",
        "Z, CAPITAL",
        "7, DIGIT",
        "' ', SPACE",
        "'\t', SPACE",
        "'\n', NEWLINE",
        "'.', PUNCTUATION",
        "_, PUNCTUATION",
        "+, PUNCTUATION",
        "'', OTHER",
        "\uFFFD, OTHER",
        "' the', LETTER",
        "' The', CAPITAL",
        "'  ', SPACE"
    })
    void aTokenIsWhatItBeginsWith(String text, TokenKind kind) {
        assertEquals(kind, TokenKind.of(text));
    }

    @Test
    void bytesOfLongerCharactersAreOther() {
        var kinds = TokenKind.of(Tokenizers.bytes(), 300);
        assertEquals(300, kinds.length);
        assertEquals(TokenKind.CAPITAL, kinds['A']);
        assertEquals(TokenKind.OTHER, kinds[0xC3]);
        assertEquals(TokenKind.OTHER, kinds[299]);
    }
}
