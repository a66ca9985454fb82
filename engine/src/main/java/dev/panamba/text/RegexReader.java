package dev.panamba.text;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/** Reads the regular expressions of {@link SplitRegex}; what it does not know is refused. */
final class RegexReader {
    private static final int LONGEST = 4096;
    private static final int ENDLESS = Integer.MAX_VALUE;
    private static final int MOST_REPETITIONS = 64;

    private static final String ESCAPES = "sSdDwWrntfpP";

    /** Part of a sequence: characters of a class, or alternatives, or a look ahead at one character. */
    record Part(String text, Pattern character, List<List<Part>> group, boolean look, int least, int most) {
        boolean matches(int codePoint) {
            // What Java does not know may be anything.
            return character == null
                    || character.matcher(Character.toString(codePoint)).matches();
        }

        boolean isEndless() {
            return most == ENDLESS;
        }

        boolean isMandatory() {
            return look || least > 0;
        }

        boolean isOf(Part other) {
            return text.equals(other.text);
        }
    }

    private final String source;
    private int at;
    private boolean ignoreCase;

    private RegexReader(String source) {
        this.source = source;
    }

    /**
     * Reads an expression.
     *
     * @return its alternatives
     * @throws IllegalArgumentException if it has what is not known here, with what that is
     */
    static List<List<Part>> read(String source) {
        if (source.length() > LONGEST) {
            throw new IllegalArgumentException("it is longer than " + LONGEST + " characters");
        }
        var reader = new RegexReader(source);
        var alternatives = reader.alternatives(0);
        if (reader.at < source.length()) {
            throw new IllegalArgumentException("a bracket closes that was not opened");
        }
        return alternatives;
    }

    private List<List<Part>> alternatives(int depth) {
        if (depth > 4) {
            throw new IllegalArgumentException("brackets are nested too deeply");
        }
        var found = new ArrayList<List<Part>>();
        var sequence = new ArrayList<Part>();
        while (at < source.length() && source.charAt(at) != ')') {
            if (source.charAt(at) == '|') {
                at++;
                found.add(sequence);
                sequence = new ArrayList<>();
            } else {
                if (!sequence.isEmpty() && sequence.getLast().look) {
                    throw new IllegalArgumentException("something follows a look ahead");
                }
                sequence.add(part(depth));
            }
        }
        found.add(sequence);
        return found;
    }

    private Part part(int depth) {
        int begin = at;
        if (source.charAt(at) == '(') {
            return bracket(begin, depth);
        }
        if (source.charAt(at) == '[') {
            skipClass();
        } else {
            skipCharacter();
        }
        var text = source.substring(begin, at);
        return repeated(text, character(text), null);
    }

    private Part bracket(int begin, int depth) {
        boolean look = source.startsWith("(?!", at) || source.startsWith("(?=", at);
        boolean outer = ignoreCase;
        if (look || source.startsWith("(?:", at)) {
            at += 3;
        } else if (source.startsWith("(?i:", at)) {
            at += 4;
            ignoreCase = true;
        } else if (source.startsWith("(?", at)) {
            throw new IllegalArgumentException("it has " + source.substring(at, Math.min(at + 4, source.length())));
        } else {
            at++;
        }
        var group = alternatives(depth + 1);
        if (at == source.length()) {
            throw new IllegalArgumentException("a bracket is not closed");
        }
        at++;
        ignoreCase = outer;
        for (var sequence : group) {
            if (sequence.isEmpty() || sequence.stream().anyMatch(p -> p.isEndless() || p.look)) {
                throw new IllegalArgumentException("a group has an endless repetition, a look ahead or nothing in it");
            }
        }
        var text = source.substring(begin, at);
        if (look) {
            if (group.size() != 1
                    || group.getFirst().size() != 1
                    || group.getFirst().getFirst().most != 1) {
                throw new IllegalArgumentException("it looks ahead at more than one character");
            }
            return new Part(text, null, null, true, 0, 0);
        }
        var part = repeated(text, null, group);
        if (part.most > 1) {
            throw new IllegalArgumentException("a group is repeated");
        }
        return part;
    }

    private Part repeated(String text, Pattern character, List<List<Part>> group) {
        int least = 1;
        int most = 1;
        switch (at < source.length() ? source.charAt(at) : ' ') {
            case '?' -> {
                least = 0;
                at++;
            }
            case '*' -> {
                least = 0;
                most = ENDLESS;
                at++;
            }
            case '+' -> {
                most = ENDLESS;
                at++;
            }
            case '{' -> {
                int close = source.indexOf('}', at);
                var bounds = close < 0 ? "" : source.substring(at + 1, close);
                if (!bounds.matches("\\d{1,2}(,\\d{0,2})?")) {
                    throw new IllegalArgumentException("it has a { without bounds of two digits");
                }
                int comma = bounds.indexOf(',');
                least = Integer.parseInt(comma < 0 ? bounds : bounds.substring(0, comma));
                most = comma < 0
                        ? least
                        : comma == bounds.length() - 1 ? ENDLESS : Integer.parseInt(bounds.substring(comma + 1));
                if (most < least || most < 1 || most != ENDLESS && most > MOST_REPETITIONS) {
                    throw new IllegalArgumentException("it repeats {" + bounds + "} times");
                }
                at = close + 1;
            }
            default -> {
                return new Part(text, character, group, false, 1, 1);
            }
        }
        // Possessive, as in ++, only forbids ways.
        if (at < source.length() && source.charAt(at) == '+' && source.charAt(at - 1) != '}') {
            at++;
        }
        if (at < source.length() && "?*+{".indexOf(source.charAt(at)) >= 0) {
            throw new IllegalArgumentException("a repetition is repeated or lazy");
        }
        return new Part(text, character, group, false, least, most);
    }

    private void skipCharacter() {
        char c = source.charAt(at);
        if ("*+?{}^$]".indexOf(c) >= 0) {
            throw new IllegalArgumentException("it has " + c + " where a character is expected");
        }
        if (c != '\\') {
            at += Character.charCount(source.codePointAt(at));
            return;
        }
        at++;
        char escaped = at < source.length() ? source.charAt(at) : 'z';
        boolean symbol = escaped < 128 && escaped > ' ' && !Character.isLetterOrDigit(escaped);
        if (!symbol && ESCAPES.indexOf(escaped) < 0) {
            throw new IllegalArgumentException("it has \\" + escaped);
        }
        at++;
        if (escaped == 'p' || escaped == 'P') {
            int close = source.indexOf('}', at);
            if (close < 0 || !source.substring(at, close + 1).matches("\\{\\^?[A-Za-z_]{1,40}}")) {
                throw new IllegalArgumentException("it has \\" + escaped + " without a property");
            }
            at = close + 1;
        }
    }

    private void skipClass() {
        int depth = 0;
        do {
            if (at == source.length()) {
                throw new IllegalArgumentException("a class is not closed");
            }
            char c = source.charAt(at);
            if (c == '[') {
                if (source.startsWith("[:", at) || ++depth > 4) {
                    throw new IllegalArgumentException("it has [: or deeply nested classes");
                }
                at++;
                if (at < source.length() && source.charAt(at) == '^') {
                    at++;
                }
                if (at < source.length() && source.charAt(at) == ']') {
                    throw new IllegalArgumentException("it has an empty class");
                }
            } else if (c == ']') {
                depth--;
                at++;
            } else if (c == '\\') {
                skipCharacter();
            } else if (source.startsWith("&&", at)) {
                throw new IllegalArgumentException("it has &&");
            } else {
                at++;
            }
        } while (depth > 0);
    }

    private Pattern character(String text) {
        try {
            int flags = Pattern.UNICODE_CHARACTER_CLASS | (ignoreCase ? Pattern.CASE_INSENSITIVE : 0);
            return Pattern.compile(text, flags);
        } catch (PatternSyntaxException e) {
            return null;
        }
    }
}
