package dev.panamba.io;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A file is known by its content, whatever its name; text is taken for nothing else. */
class FileTypeTest {
    static List<Arguments> known() throws IOException {
        var all = new ArrayList<Arguments>();
        all.add(known(FileType.LFS_POINTER, "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 5\n"));
        all.add(known(FileType.HTML, "\n <!DOCTYPE HTML>\n<p>"));
        all.add(known(FileType.HTML, "<html lang=en>"));
        all.add(known(FileType.XML, "<?xml version='1.0'?><Error>"));
        all.add(known(FileType.COMPRESS, "\u001F\u009D\u0090a"));
        all.add(known(FileType.BZIP2, "BZh91AY&SYx"));
        all.add(known(FileType.BZIP2, "BZh11AY&SYx"));
        all.add(known(FileType.XZ, "\u00FD7zXZ\0\0"));
        all.add(known(FileType.LZMA, "]\0\0\u0080\0"));
        all.add(known(FileType.ZSTD, "(\u00B5/\u00FDx"));
        all.add(known(FileType.LZ4, "\u0004\"M\u0018x"));
        all.add(known(FileType.SEVEN_ZIP, "7z\u00BC\u00AF'\u001Cx"));
        all.add(known(FileType.RAR, "Rar!\u001A\u0007\0"));
        all.add(known(FileType.ZIP, "PK\u0005\u0006" + "\0".repeat(18)));
        all.add(known(FileType.PARQUET, "PAR1\u0015\u0004"));
        all.add(known(FileType.ARROW, "ARROW1\0\0"));
        all.add(known(FileType.AVRO, "Obj\u0001\u0004"));
        all.add(known(FileType.SQLITE, "SQLite format 3\0"));
        all.add(known(FileType.NUMPY, "\u0093NUMPY\u0001\0"));
        all.add(known(FileType.HDF5, "\u0089HDF\r\n\u001A\n"));
        all.add(known(FileType.PDF, "%PDF-1.7\n"));
        all.add(known(FileType.SAFETENSORS, "\u0002\0\0\0\0\0\0\0{}"));
        all.add(known(FileType.GGUF, "GGUF\u0003\0\0\0"));
        all.add(known(FileType.PICKLE, "\u0080\u0004\u0095\0"));
        all.add(known(FileType.PICKLE, "\u0080\u0002}q\0."));
        all.add(known(FileType.TOKENS, "PBTOKEN1\u0001\0"));
        for (var charset : List.of("UTF-16", "UTF-16LE", "UTF-16BE", "x-UTF-16LE-BOM")) {
            all.add(Arguments.of(FileType.UTF_16, "Two bytes a letter.\r\n".getBytes(Charset.forName(charset))));
            all.add(Arguments.of(FileType.UTF_16, "hi".getBytes(Charset.forName(charset))));
        }
        all.add(Arguments.of(FileType.UTF_16, "Да и нет, а там и тут.\n".getBytes(StandardCharsets.UTF_16LE)));
        for (var charset : List.of("X-UTF-32LE-BOM", "X-UTF-32BE-BOM")) {
            all.add(Arguments.of(FileType.UTF_32, "Four.".getBytes(Charset.forName(charset))));
        }
        for (var magic : List.of("ustar\u000000", "ustar  \0", "")) {
            all.add(Arguments.of(FileType.TAR, tar(magic)));
        }
        var bytes = new ByteArrayOutputStream();
        try (var out = new GZIPOutputStream(bytes)) {
            out.write('a');
        }
        all.add(Arguments.of(FileType.GZIP, bytes.toByteArray()));
        bytes.reset();
        try (var out = new ZipOutputStream(bytes)) {
            out.putNextEntry(new ZipEntry("a"));
        }
        all.add(Arguments.of(FileType.ZIP, bytes.toByteArray()));
        return all;
    }

    private static Arguments known(FileType type, String latin1) {
        return Arguments.of(type, latin1.getBytes(StandardCharsets.ISO_8859_1));
    }

    /** A header of an empty file; with a magic of POSIX, of GNU, or of older ones none. */
    private static byte[] tar(String magic) {
        var header = new byte[1024];
        put(header, 0, "name.txt");
        put(header, 100, "0000644\0" + "0000000\0".repeat(2) + "00000000000\0".repeat(2) + "        " + "0");
        put(header, 257, magic);
        int sum = 0;
        for (int i = 0; i < 512; i++) {
            sum += header[i] & 0xFF;
        }
        put(header, 148, String.format("%06o\0 ", sum));
        return header;
    }

    private static void put(byte[] bytes, int at, String text) {
        var latin1 = text.getBytes(StandardCharsets.ISO_8859_1);
        System.arraycopy(latin1, 0, bytes, at, latin1.length);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("known")
    void isKnown(FileType type, byte[] start) {
        assertEquals(Optional.of(type), FileType.of(start));
    }

    @Test
    void everyTypeHasACase() throws IOException {
        var tried = EnumSet.noneOf(FileType.class);
        known().forEach(arguments -> tried.add((FileType) arguments.get()[0]));
        assertEquals(EnumSet.allOf(FileType.class), tried);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "a",
                "The quick brown fox jumps over the lazy dog.\n",
                "{\"eos_token_id\": 2}",
                "BZh is no word, and PAR1S, GGUF or Rar! are none",
                "version https://example.org\n",
                "a < b, says <html>",
                "7z, PK and ]",
                "\uFEFFA text with a mark of UTF-8",
                "naïve café, 你好, Привет, 😀"
            })
    void textIsNothingElse(String text) {
        assertEquals(Optional.empty(), FileType.of(text.getBytes(StandardCharsets.UTF_8)));
        assertEquals(
                Optional.empty(),
                FileType.of((text + " and more of it\n").repeat(200).getBytes(StandardCharsets.UTF_8)));
    }
}
