package dev.panamba.io;

import java.io.IOException;
import java.nio.file.Path;

/** A file is not what its name says; the message names the file, the fault and where it is. */
public final class MalformedFileException extends IOException {
    private static final long serialVersionUID = 1;

    private static final int MOST_CHARACTERS = 200;

    private final transient Fault fault;

    /** The ways in which a safetensors file can be wrong. */
    public enum Fault {
        /** Something else, which is known. */
        OTHER_FILE("is no safetensors file"),
        /** Shorter than the length of the header. */
        NO_HEADER("is too short to have a header"),
        /** The header's length is below that of an empty object. */
        HEADER_TOO_SMALL("has a header too small for an object"),
        /** The header is longer than the file. */
        HEADER_OVER_FILE("has a header that is longer than the file"),
        /** The header is longer than anybody writes. */
        HEADER_TOO_LARGE("has a header above 100 MB"),
        /** The header does not begin with a brace. */
        NO_OBJECT("has a header that is no JSON object"),
        /** The header is no UTF-8. */
        NO_UTF8("has a header that is no UTF-8"),
        /** The header is no JSON, or too deep. */
        NO_JSON("has a header that is no JSON"),
        /** A name appears twice. */
        DUPLICATE_KEY("names something twice"),
        /** Something but spaces follows the object. */
        TRAILING_TEXT("has text behind its header's object"),
        /** Metadata are no texts by name. */
        BAD_METADATA("has metadata that are no texts"),
        /** A tensor has no name. */
        EMPTY_NAME("has a tensor without a name"),
        /** A tensor lacks dtype, shape or offsets, or they are of another type. */
        BAD_TENSOR("describes a tensor without dtype, shape or data_offsets"),
        /** More dimensions than anybody writes. */
        TOO_MANY_DIMENSIONS("has a tensor with more than 64 dimensions, or too many in all"),
        /** A dimension or offset is negative, fractional, or too large. */
        BAD_NUMBER("has a number that is no size"),
        /** An element type that is not known. */
        UNKNOWN_DTYPE("has an unknown dtype"),
        /** The elements of a shape are more than can be counted. */
        SHAPE_OVERFLOW("has a shape beyond counting"),
        /** Offsets do not span what dtype and shape need. */
        WRONG_SPAN("has a tensor whose bytes are not as many as its shape needs"),
        /** Two tensors share bytes. */
        OVERLAP("has tensors that overlap"),
        /** Bytes between tensors belong to none. */
        HOLE("has a hole between tensors"),
        /** The data are shorter than the offsets say. */
        TRUNCATED("ends before its last tensor"),
        /** The data are longer than the offsets say. */
        TRAILING_BYTES("has bytes behind its last tensor"),
        /** More tensors or metadata than anybody writes. */
        TOO_MANY_TENSORS("has more than 100,000 tensors or 10,000 metadata"),
        /** An index is no index. */
        BAD_INDEX("is no index of weight files"),
        /** An index names something that is no weight file in its directory. */
        SHARD_OUTSIDE("names what is no .safetensors file in its own directory"),
        /** An index and its shards do not name the same tensors in the same files. */
        SHARDS_DIFFER("does not agree with its shards");

        private final String sentence;

        Fault(String sentence) {
            this.sentence = sentence;
        }
    }

    MalformedFileException(Path file, Fault fault, String where) {
        super(file + " " + fault.sentence + (where.isEmpty() ? "." : ": " + printable(where) + "."));
        this.fault = fault;
    }

    /** What a file says goes to a terminal: one short line without control characters. */
    private static String printable(String text) {
        var start = text.length() <= MOST_CHARACTERS ? text : text.substring(0, MOST_CHARACTERS) + "...";
        return start.replaceAll("\\p{Cntrl}", "?");
    }

    /**
     * What is wrong.
     *
     * @return the fault
     */
    public Fault fault() {
        return fault;
    }
}
