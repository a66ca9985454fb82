package dev.panamba.io;

import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;

/** What a file is by its first bytes: the kinds that stand where something else should. */
public enum FileType {
    /** What a clone without Git LFS has in place of a large file. */
    LFS_POINTER(false, "a Git LFS pointer, in place of a file that was not fetched", "fetch it with git lfs pull"),
    /** What a failed download or a sign-in leaves. */
    HTML(true, "an HTML page, as a failed download leaves it", "download the file again"),
    /** The same of stores that answer in XML. */
    XML(true, "an XML text, as a failed download leaves it", "download the file again"),
    /** Packed by gzip. */
    GZIP(false, "gzip data", Advice.UNPACK),
    /** Packed by compress. */
    COMPRESS(false, "compress data (.Z)", Advice.UNPACK),
    /** Packed by bzip2. */
    BZIP2(false, "bzip2 data", Advice.UNPACK),
    /** Packed by xz. */
    XZ(false, "xz data", Advice.UNPACK),
    /** Packed by lzma. */
    LZMA(false, "lzma data", Advice.UNPACK),
    /** Packed by zstd. */
    ZSTD(false, "zstd data", Advice.UNPACK),
    /** Packed by lz4. */
    LZ4(false, "lz4 data", Advice.UNPACK),
    /** A 7z archive. */
    SEVEN_ZIP(false, "a 7z archive", Advice.UNPACK),
    /** A rar archive. */
    RAR(false, "a rar archive", Advice.UNPACK),
    /** A tar archive of any age. */
    TAR(false, "a tar archive", Advice.UNPACK),
    /** A zip archive, and what torch.save writes. */
    ZIP(false, "a zip archive", "unpack it first, or, if PyTorch wrote it, save it with safetensors"),
    /** Columns of Apache Parquet. */
    PARQUET(false, "a Parquet file", Advice.COLUMN),
    /** Columns of Apache Arrow. */
    ARROW(false, "an Arrow file", Advice.COLUMN),
    /** Rows of Apache Avro. */
    AVRO(false, "an Avro file", Advice.COLUMN),
    /** Tables of SQLite. */
    SQLITE(false, "an SQLite database", Advice.COLUMN),
    /** An array of NumPy. */
    NUMPY(false, "a NumPy array", "write its text out as UTF-8 first"),
    /** Arrays of HDF5. */
    HDF5(false, "an HDF5 file", "write its text out as UTF-8 first"),
    /** A document of pages. */
    PDF(false, "a PDF document", "extract its text first, for instance with pdftotext"),
    /** Weights. */
    SAFETENSORS(false, "a safetensors file, which holds weights", Advice.OTHER_FILE),
    /** Weights of llama.cpp. */
    GGUF(
            false,
            "a GGUF file, which holds weights of llama.cpp",
            "use the model's safetensors where weights are asked for"),
    /** A program of Python's that builds objects. */
    PICKLE(false, "a Python pickle, a program that Panamba does not run", "save what it holds in another form"),
    /** Tokens of ours. */
    TOKENS(false, "a token file of Panamba", Advice.OTHER_FILE),
    /** Text of two bytes a character. */
    UTF_16(false, "text in UTF-16", "convert it to UTF-8 first, for instance with iconv"),
    /** Text of four bytes a character. */
    UTF_32(false, "text in UTF-32", "convert it to UTF-8 first, for instance with iconv");

    private static final int TAR_BLOCK = 512;
    private static final int TAR_SUM = 148;
    private static final int TAR_SUM_BYTES = 8;
    private static final int OCTAL = 8;

    private final boolean text;
    private final String name;
    private final String advice;

    private interface Advice {
        String UNPACK = "unpack it first";
        String COLUMN = "write its column of text out as UTF-8 first";
        String OTHER_FILE = "give the file that is asked for";
    }

    FileType(boolean text, String name, String advice) {
        this.text = text;
        this.name = name;
        this.advice = advice;
    }

    /**
     * Whether it is text in UTF-8 that somebody may want to learn from.
     *
     * @return true for pages of HTML and XML
     */
    public boolean isText() {
        return text;
    }

    /**
     * What it is, and what to do.
     *
     * @return the end of a sentence, without a full stop
     */
    @Override
    public String toString() {
        return "it is " + name + "; " + advice;
    }

    /**
     * Recognises a file.
     *
     * @param start its first bytes, {@link InputFiles#PROBE} of them where it has so many
     * @return what it is, if it is one of these
     */
    public static Optional<FileType> of(byte[] start) {
        return Optional.ofNullable(recognise(start));
    }

    private static FileType recognise(byte[] start) {
        var latin1 = new String(start, StandardCharsets.ISO_8859_1);
        for (var magic : Magic.ALL) {
            if (latin1.startsWith(magic.bytes)) {
                return magic.type;
            }
        }
        // Between the two stands the size of a block.
        if (latin1.startsWith("BZh") && latin1.startsWith("1AY&SY", 4)) {
            return BZIP2;
        }
        var text = latin1.stripLeading().toLowerCase(Locale.ROOT);
        if (text.startsWith("<!doctype html") || text.startsWith("<html")) {
            return HTML;
        }
        if (text.startsWith("<?xml")) {
            return XML;
        }
        return isPickle(start)
                ? PICKLE
                : isSafeTensors(start) ? SAFETENSORS : isTar(start) ? TAR : isUtf16(start) ? UTF_16 : null;
    }

    private record Magic(FileType type, String bytes) {
        // Longer ones stand before those that they begin with.
        static final Magic[] ALL = {
            new Magic(LFS_POINTER, "version https://git-lfs.github.com/spec/"),
            new Magic(GZIP, "\u001F\u008B"),
            new Magic(COMPRESS, "\u001F\u009D"),
            new Magic(XZ, "\u00FD7zXZ\0"),
            new Magic(LZMA, "]\0\0"),
            new Magic(ZSTD, "(\u00B5/\u00FD"),
            new Magic(LZ4, "\u0004\"M\u0018"),
            new Magic(SEVEN_ZIP, "7z\u00BC\u00AF'\u001C"),
            new Magic(RAR, "Rar!\u001A\u0007"),
            new Magic(ZIP, "PK\u0003\u0004"),
            new Magic(ZIP, "PK\u0005\u0006"),
            new Magic(PARQUET, "PAR1\u0015"),
            new Magic(ARROW, "ARROW1\0"),
            new Magic(AVRO, "Obj\u0001"),
            new Magic(SQLITE, "SQLite format 3\0"),
            new Magic(NUMPY, "\u0093NUMPY"),
            new Magic(HDF5, "\u0089HDF\r\n\u001A\n"),
            new Magic(PDF, "%PDF-"),
            new Magic(GGUF, "GGUF\u0001\0"),
            new Magic(GGUF, "GGUF\u0002\0"),
            new Magic(GGUF, "GGUF\u0003\0"),
            new Magic(TOKENS, "PBTOKEN"),
            new Magic(UTF_32, "\u00FF\u00FE\0\0"),
            new Magic(UTF_32, "\0\0\u00FE\u00FF"),
            new Magic(UTF_16, "\u00FF\u00FE"),
            new Magic(UTF_16, "\u00FE\u00FF"),
        };
    }

    /** Its second protocol or a later one; the first two are text. */
    private static boolean isPickle(byte[] start) {
        return start.length > 2 && (start[0] & 0xFF) == 0x80 && start[1] >= 2 && start[1] <= 5;
    }

    /** A length below 2^32, then an object. */
    private static boolean isSafeTensors(byte[] start) {
        return start.length > Long.BYTES
                && (start[4] | start[5] | start[6] | start[7]) == 0
                && start[Long.BYTES] == '{';
    }

    /** Only a header of tar's has its own sum in it, with spaces in place of the sum. */
    private static boolean isTar(byte[] start) {
        if (start.length < TAR_BLOCK || start[0] == 0) {
            return false;
        }
        int sum = TAR_SUM_BYTES * ' ';
        for (int i = 0; i < TAR_BLOCK; i++) {
            sum += i < TAR_SUM || i >= TAR_SUM + TAR_SUM_BYTES ? start[i] & 0xFF : 0;
        }
        var field = new String(start, TAR_SUM, TAR_SUM_BYTES, StandardCharsets.ISO_8859_1)
                .replace('\0', ' ')
                .strip();
        return field.matches("[0-7]+") && Integer.parseInt(field, OCTAL) == sum;
    }

    /** Without a mark: the zero bytes are all at even places, or all at odd ones, and beside each stands a usual character. */
    private static boolean isUtf16(byte[] start) {
        int pairs = start.length / 2;
        return pairs > 1 && (isUtf16(start, pairs, 0) || isUtf16(start, pairs, 1));
    }

    private static boolean isUtf16(byte[] start, int pairs, int zeros) {
        int found = 0;
        for (int i = 0; i < 2 * pairs; i += 2) {
            byte other = start[i + 1 - zeros];
            if (other == 0) {
                return false;
            }
            if (start[i + zeros] == 0) {
                found++;
                if (other > 0 && other < ' ' && other != '\n' && other != '\r' && other != '\t') {
                    return false;
                }
            }
        }
        return found * 10 >= pairs;
    }
}
