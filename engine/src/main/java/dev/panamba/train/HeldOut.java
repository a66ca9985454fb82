package dev.panamba.train;

import dev.panamba.text.TokenFile;

/**
 * Text that a training does not learn from and is measured on.
 *
 * @param tokens the text
 * @param evaluation of the model that is trained
 * @param measurements on a sample that stays the same, at even distances; the last, at the end, is on the whole text
 */
public record HeldOut(TokenFile tokens, Evaluation evaluation, int measurements) {
    /** Targets of the sample. */
    private static final long SAMPLE = 32_768;

    double sample() {
        return evaluation.measure(tokens, SAMPLE).natsPerToken();
    }

    double whole() {
        return evaluation.measure(tokens, Long.MAX_VALUE).natsPerToken();
    }
}
