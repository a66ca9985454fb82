package dev.panamba.text;

import dev.panamba.text.RegexReader.Part;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A regular expression of a {@code tokenizer.json}, read far enough to know two things before a backtracking engine sees it: that
 * it takes time in proportion to the text, and where it surely parts a text.
 *
 * <p>Such expressions are alternatives of sequences of character classes: {@code \p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+}.
 * An alternative whose last mandatory character comes before all that repeats without end fails after a few steps or cannot fail.
 * With one endless repetition before it ({@code \s*[\r\n]+}) it may fail after a whole run; that is harmless only if what follows
 * is an alternative that takes the same run ({@code \s+}). All else is refused: repetitions in repetitions, references, looks
 * behind, anchors, lazy repetitions, what may match nothing.
 */
final class SplitRegex {
    /** Ways in which what is optional in an alternative may be taken. */
    private static final long MOST_WAYS = 4096;

    private final List<List<Part>> alternatives;

    /**
     * Reads an expression.
     *
     * @throws IllegalArgumentException if it is not known to be harmless, with what it has
     */
    SplitRegex(String source) {
        alternatives = RegexReader.read(source);
        for (int i = 0; i < alternatives.size(); i++) {
            check(i);
        }
    }

    /** A text that is matched as it stands. */
    static SplitRegex literal(String text) {
        var escaped = new StringBuilder();
        text.codePoints().forEach(c -> {
            if (c < 128 && !Character.isLetterOrDigit(c) && c > ' ') {
                escaped.append('\\');
            }
            escaped.appendCodePoint(c);
        });
        return new SplitRegex(escaped.toString());
    }

    private void check(int index) {
        var sequence = alternatives.get(index);
        if (sequence.stream().noneMatch(p -> !p.look() && p.least() > 0)) {
            throw new IllegalArgumentException("it may match nothing");
        }
        if (ways(sequence) > MOST_WAYS) {
            throw new IllegalArgumentException("it has too many ways to match");
        }
        int risk = risk(sequence);
        if (risk < 0) {
            return;
        }
        for (int next = index + 1; next < alternatives.size(); next++) {
            var other = alternatives.get(next);
            if (!beginsLike(other, sequence, risk)) {
                break;
            }
            if (risk(other) < 0) {
                return;
            }
        }
        throw new IllegalArgumentException("a part behind an endless repetition may fail");
    }

    private static long ways(List<Part> sequence) {
        long ways = 1;
        for (var part : sequence) {
            long own = part.group() == null
                    ? 1
                    : part.group().stream().mapToLong(SplitRegex::ways).sum();
            ways *= part.isEndless() ? own : own * (part.most() - part.least() + 1);
            if (ways > MOST_WAYS) {
                return ways;
            }
        }
        return ways;
    }

    /** Where the endless repetition is behind which the sequence can fail, or -1. */
    private static int risk(List<Part> sequence) {
        int last = sequence.size() - 1;
        while (last > 0 && !sequence.get(last).isMandatory()) {
            last--;
        }
        int risk = -1;
        for (int i = 0; i < last; i++) {
            if (sequence.get(i).isEndless()) {
                if (risk >= 0) {
                    throw new IllegalArgumentException("a part behind two endless repetitions may fail");
                }
                risk = i;
            }
        }
        return risk;
    }

    /** Whether it takes the same run: the same parts in front of the repetition, and the repetition. */
    private static boolean beginsLike(List<Part> other, List<Part> sequence, int risk) {
        if (other.size() <= risk
                || !other.get(risk).isOf(sequence.get(risk))
                || !other.get(risk).isEndless()
                || other.get(risk).least() > 1) {
            return false;
        }
        for (int i = 0; i < risk; i++) {
            if (!other.get(i).equals(sequence.get(i)) && !sameBounds(other.get(i), sequence.get(i))) {
                return false;
            }
        }
        return true;
    }

    private static boolean sameBounds(Part a, Part b) {
        return a.isOf(b) && a.least() == b.least() && a.most() == b.most();
    }

    /**
     * Whether the text is always parted between two characters, so that what is left of them and what is right of them is
     * matched alike together and apart.
     */
    boolean parts(int left, int right) {
        return !crosses(left, right) && alternatives.stream().anyMatch(sequence -> surelyMatches(sequence, right));
    }

    /** Whether a match may go over, or look over, the place between two characters. */
    boolean crosses(int left, int right) {
        return alternatives.stream().anyMatch(sequence -> {
            var follows = new HashSet<List<Part>>();
            ends(List.of(sequence), follows);
            return follows.stream()
                    .anyMatch(pair -> pair.getFirst().matches(left)
                            && (pair.getLast().look() || pair.getLast().matches(right)));
        });
    }

    /** Whether a character can be part of a match. */
    boolean mentions(int character) {
        return alternatives.stream().anyMatch(sequence -> mentions(sequence, character));
    }

    private static boolean mentions(List<Part> sequence, int character) {
        return sequence.stream()
                .anyMatch(part -> part.group() != null
                        ? part.group().stream().anyMatch(inner -> mentions(inner, character))
                        : !part.look() && part.matches(character));
    }

    /** Characters of the shortest match. */
    int shortest() {
        return shortest(alternatives);
    }

    private static int shortest(List<List<Part>> alternatives) {
        return alternatives.stream()
                .mapToInt(sequence -> sequence.stream()
                        .mapToInt(part ->
                                part.least() == 0 ? 0 : part.group() == null ? part.least() : shortest(part.group()))
                        .sum())
                .min()
                .orElse(0);
    }

    private static boolean surelyMatches(List<Part> sequence, int character) {
        var mandatory = sequence.stream().filter(Part::isMandatory).toList();
        return mandatory.size() == 1
                && mandatory.getFirst().group() == null
                && mandatory.getFirst().least() == 1
                && mandatory.getFirst().character() != null
                && mandatory.getFirst().matches(character);
    }

    /** First and last characters of alternatives, and whether they can be nothing; notes what may follow what. */
    private record Ends(Set<Part> first, Set<Part> last, boolean empty) {}

    private static Ends ends(List<List<Part>> alternatives, Set<List<Part>> follows) {
        var whole = new Ends(new HashSet<>(), new HashSet<>(), false);
        boolean anyEmpty = false;
        for (var sequence : alternatives) {
            var first = new HashSet<Part>();
            var last = new HashSet<Part>();
            boolean empty = true;
            for (var part : sequence) {
                var own = part.group() != null
                        ? ends(part.group(), follows)
                        : new Ends(Set.of(part), Set.of(part), false);
                last.forEach(a -> own.first.forEach(b -> follows.add(List.of(a, b))));
                if (part.most() > 1) {
                    own.last.forEach(a -> own.first.forEach(b -> follows.add(List.of(a, b))));
                }
                if (empty) {
                    first.addAll(own.first);
                }
                boolean optional = own.empty || part.least() == 0;
                if (!optional) {
                    last.clear();
                }
                last.addAll(own.last);
                empty &= optional;
            }
            whole.first.addAll(first);
            whole.last.addAll(last);
            anyEmpty |= empty;
        }
        return new Ends(whole.first, whole.last, anyEmpty);
    }
}
