package dev.panamba.text;

import java.util.OptionalInt;

/** A tokenizer for a model that has fewer ids: a text that has others is refused. */
record NarrowTokenizer(Tokenizer tokenizer, int vocabulary) implements Tokenizer {
    private int[] checked(int[] ids) {
        for (int id : ids) {
            if (id >= vocabulary) {
                throw new IllegalArgumentException("The text has the token " + id + " (\""
                        + tokenizer.decoder().append(id) + "\"), and the model's vocabulary of " + vocabulary
                        + " ends before it: leave it out, or give --tokenizer the one that the model was made for.");
            }
        }
        return ids;
    }

    @Override
    public int[] encode(String text) {
        return checked(tokenizer.encode(text));
    }

    @Override
    public int[] encode(byte[] bytes, int count) {
        return checked(tokenizer.encode(bytes, count));
    }

    @Override
    public Encoder encoder() {
        var encoder = tokenizer.encoder();
        return new Encoder() {
            @Override
            public int[] append(byte[] bytes, int count) {
                return checked(encoder.append(bytes, count));
            }

            @Override
            public int[] finish() {
                return checked(encoder.finish());
            }
        };
    }

    @Override
    public Tokenizer plain() {
        return new NarrowTokenizer(tokenizer.plain(), vocabulary);
    }

    @Override
    public OptionalInt endOfText() {
        var end = tokenizer.endOfText();
        return end.isPresent() && end.getAsInt() < vocabulary ? end : OptionalInt.empty();
    }

    @Override
    public Decoder decoder() {
        return tokenizer.decoder();
    }

    @Override
    public Decoder decoderBehind(int... before) {
        return tokenizer.decoderBehind(before);
    }
}
