package dev.panamba.infer;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Team;
import dev.panamba.io.AtomicFiles;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Logits;
import dev.panamba.train.Tiny;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A session's state is a value, and how a text is cut does not matter to it. */
class SessionTest {
    @TempDir
    private Path folder;

    static List<Config> families() {
        return Tiny.families();
    }

    private static LanguageModel model(Config config, int threads) {
        return LanguageModel.of(Weights.random(config, 1), Tokenizers.bytes(), DType.F32, threads);
    }

    private static int[] tokens(int count) {
        return new Random(9).ints(count, 0, 256).toArray();
    }

    private static float[] logits(Session session) {
        return session.logits().toArray(JAVA_FLOAT);
    }

    private static float[] state(Session session) {
        return session.snapshot().bytes().toArray(JAVA_FLOAT);
    }

    @ParameterizedTest
    @MethodSource("families")
    void anyCutGivesTheStateOfTokenByToken(Config config) {
        int count = 345;
        var tokens = tokens(count);
        try (var model = model(config, 2);
                var single = model.newSession()) {
            for (int token : tokens) {
                single.feed(token);
            }
            var expected = state(single);
            int[][] cuts = {{count}, {1, 344}, {3, 5, 17, 64, 256}, {16, 16, 16, 297}, {256, 64, 16, 4, 4, 1}, {255, 90}
            };
            for (var cut : cuts) {
                try (var session = model.newSession()) {
                    int at = 0;
                    for (int length : cut) {
                        session.feed(Arrays.copyOfRange(tokens, at, at += length));
                        assertEquals(at, session.position());
                    }
                    assertEquals(count, at);
                    assertClose(expected, state(session), 1e-4);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void logitsAreThoseOfTheWholeSequence(Config config) {
        var tokens = tokens(150);
        try (var model = model(config, 2);
                var weights = Weights.random(config, 1);
                var team = new Team(2);
                var whole = new Logits(weights, tokens, team, Placement.PACKED);
                var session = model.newSession()) {
            var expected = whole.tensor().data().toArray(JAVA_FLOAT);
            double most = 0;
            for (float value : expected) {
                most = Math.max(most, Math.abs(value));
            }
            for (int i = 0; i < tokens.length; i++) {
                session.feed(tokens[i]);
                var actual = logits(session);
                for (int v = 0; v < 256; v++) {
                    assertEquals(expected[i * 256 + v], actual[v], 1e-4 * most, "token " + i);
                }
            }
        }
    }

    private static void assertClose(float[] expected, float[] actual, double tolerance) {
        assertEquals(expected.length, actual.length);
        double most = 0;
        for (float value : expected) {
            most = Math.max(most, Math.abs(value));
        }
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], tolerance * most, "element " + i);
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void snapshotsAndForksAreExact(Config config) {
        try (var model = model(config, 2);
                var session = model.newSession()) {
            session.feed(tokens(37));
            var snapshot = session.snapshot();
            assertEquals(37, snapshot.position());
            var first = continued(session);
            assertArrayEquals(first, continued(session.restore(snapshot)));
            assertEquals(57, session.position());
            session.restore(snapshot);
            try (var fork = session.fork()) {
                assertArrayEquals(first, continued(fork));
                assertEquals(37, session.position(), "the fork goes its own way");
                assertArrayEquals(first, continued(session));
                assertArrayEquals(state(fork), state(session));
            }
            try (var other = model.newSession()) {
                assertArrayEquals(first, continued(other.restore(snapshot)));
            }
        }
    }

    private static int[] continued(Session session) {
        var sampler = Sampler.of(1, 0, 1, 5);
        var ids = new ArrayList<Integer>();
        session.generate(sampler, 20).forEach(token -> ids.add(token.id()));
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    @ParameterizedTest
    @MethodSource("families")
    void aSlotThatIsUsedAgainIsEmpty(Config config) {
        try (var model = model(config, 1)) {
            float[] fresh;
            try (var session = model.newSession()) {
                fresh = logits(session.feed(tokens(9)));
                session.feed(tokens(100));
            }
            try (var session = model.newSession()) {
                assertEquals(0, session.position());
                assertThrows(IllegalStateException.class, session::logits);
                assertArrayEquals(fresh, logits(session.feed(tokens(9))));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void aFileBringsASessionBack(Config config) throws IOException {
        var file = folder.resolve("session");
        try (var model = model(config, 2);
                var session = model.newSession();
                var other = model.newSession()) {
            SessionFile.write(file, session.feed(tokens(37)).snapshot());
            var expected = state(session);
            other.restore(SessionFile.read(file, config));
            assertArrayEquals(expected, state(other));
            assertArrayEquals(continued(session), continued(other));
        }
        for (var another : families()) {
            if (!another.equals(config)) {
                var refused = assertThrows(IOException.class, () -> SessionFile.read(file, another));
                assertTrue(refused.getMessage().contains("another model"), refused.getMessage());
            }
        }
    }

    @Test
    void damagedSessionFilesAreRefused() throws IOException {
        var config = Tiny.families().get(3);
        var file = folder.resolve("session");
        try (var model = model(config, 1);
                var session = model.newSession()) {
            SessionFile.write(file, session.feed(tokens(5)).snapshot());
            var bytes = Files.readAllBytes(file);
            var text = new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1);
            for (var change : new String[][] {
                {"\"position\":\"5\"", "\"position\":\"6\""},
                {"\"position\":\"5\"", "\"position\":\"x\""},
                {"\"position\":\"5\"", "\"position\":\"-\""},
                {"\"panamba_session\":\"2\"", "\"panamba_session\":\"1\""},
                {"\"state\":", "\"stats\":"},
                {"\"F32\"", "\"I32\""}
            }) {
                assertTrue(text.contains(change[0]), change[0]);
                Files.write(
                        file,
                        text.replace(change[0], change[1]).getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
                assertThrows(Exception.class, () -> session.restore(SessionFile.read(file, config)), change[1]);
                assertEquals(5, session.position());
            }
            Files.write(file, Arrays.copyOf(bytes, bytes.length - 1));
            assertThrows(IOException.class, () -> SessionFile.read(file, config));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void everyFlipAndEveryCutOfASessionFileIsRefused(int family) throws IOException {
        var config = Tiny.families().get(family);
        var file = folder.resolve("session");
        try (var model = model(config, 1);
                var session = model.newSession()) {
            SessionFile.write(file, session.feed(tokens(3)).snapshot());
            var whole = Files.readAllBytes(file);
            try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                for (int i = 0; i < whole.length; i++) {
                    channel.write(ByteBuffer.wrap(new byte[] {(byte) (whole[i] ^ 1 << i % 8)}), i);
                    var where = "byte " + i;
                    assertThrows(IOException.class, () -> SessionFile.read(file, config), where);
                    channel.write(ByteBuffer.wrap(whole, i, 1), i);
                }
                for (int i = whole.length - 1; i >= 0; i--) {
                    channel.truncate(i);
                    assertThrows(IOException.class, () -> SessionFile.read(file, config), "cut");
                }
            }
            Files.write(file, whole);
            assertEquals(3, SessionFile.read(file, model).position());
        }
    }

    @Test
    void aSessionOfOtherWeightsIsRefused() throws IOException {
        var config = Tiny.families().get(1);
        var file = folder.resolve("session");
        try (var model = model(config, 1);
                var other = LanguageModel.of(Weights.random(config, 8), Tokenizers.bytes(), DType.F32, 1);
                var narrow = LanguageModel.of(narrow(config), Tokenizers.bytes(), DType.F32, 1);
                var session = model.newSession().feed(1)) {
            SessionFile.write(file, session.snapshot());
            for (var stranger : List.of(other, narrow)) {
                var refused = assertThrows(IOException.class, () -> SessionFile.read(file, stranger));
                assertTrue(
                        refused.getMessage().contains(file + " holds a session of other weights"),
                        refused.getMessage());
                try (var theirs = stranger.newSession()) {
                    assertThrows(IllegalArgumentException.class, () -> theirs.restore(session.snapshot()));
                    assertThrows(IllegalArgumentException.class, () -> theirs.restore(SessionFile.read(file, config)));
                }
            }
        }
    }

    private static Weights narrow(Config config) {
        try (var weights = Weights.random(config, 7);
                var team = new Team(1)) {
            return weights.in(DType.BF16, team);
        }
    }

    /** One number of any parameter, wherever it is sampled: trainings move all. */
    @Test
    void everyParameterCountsForTheFingerprint() {
        for (var config : Tiny.families()) {
            try (var weights = Weights.random(config, 1)) {
                var before = weights.fingerprint();
                for (var tensor : weights.tensors()) {
                    for (long at : new long[] {0, tensor.data().byteSize() / Float.BYTES - 1}) {
                        var was = tensor.data().getAtIndex(JAVA_FLOAT, at);
                        tensor.data().setAtIndex(JAVA_FLOAT, at, was + 1);
                        assertNotEquals(before, weights.fingerprint(), tensor.name());
                        tensor.data().setAtIndex(JAVA_FLOAT, at, was);
                    }
                }
                assertEquals(before, weights.fingerprint());
            }
        }
    }

    @Test
    void aSnapshotOfAnotherKindOfModelIsRefusedAndChangesNothing() {
        try (var a = model(Tiny.families().get(0), 1);
                var b = model(Tiny.families().get(3), 1);
                var mamba = a.newSession();
                var transformer = b.newSession()) {
            mamba.feed(tokens(7));
            transformer.feed(tokens(7));
            var before = state(mamba);
            assertThrows(IllegalArgumentException.class, () -> mamba.restore(transformer.snapshot()));
            assertThrows(IllegalArgumentException.class, () -> transformer.restore(mamba.snapshot()));
            assertArrayEquals(before, state(mamba));
            assertEquals(7, transformer.position());
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void wrongTokensAreRefusedAndChangeNothing(Config config) {
        try (var model = model(config, 1);
                var session = model.newSession()) {
            assertThrows(IllegalStateException.class, () -> session.next(Sampler.greedy()));
            session.feed(tokens(7));
            var before = state(session);
            int[][] wrong = {{}, {-1}, {256}, {Integer.MAX_VALUE}, {1, 2, 3, Integer.MIN_VALUE}};
            for (var tokens : wrong) {
                assertThrows(IllegalArgumentException.class, () -> session.feed(tokens));
            }
            for (int id : new int[] {-1, 256}) {
                assertThrows(IllegalArgumentException.class, () -> session.next(_ -> id));
            }
            assertThrows(IllegalArgumentException.class, () -> session.generate(Sampler.greedy(), -1));
            assertThrows(
                    UnsupportedOperationException.class,
                    () -> session.next(_ -> {
                        throw new UnsupportedOperationException();
                    }));
            if (!config.constantState()) {
                var full = tokens(Tiny.POSITIONS - 6);
                assertThrows(IllegalArgumentException.class, () -> session.feed(full));
            }
            assertArrayEquals(before, state(session));
            assertEquals(7, session.position());
        }
    }

    @Test
    void aTransformerWritesUntilItsPositionsEnd() {
        try (var model = model(Tiny.families().get(3), 1);
                var session = model.newSession()) {
            session.feed(tokens(Tiny.POSITIONS - 3));
            int count = 0;
            for (var _ : session.generate(Sampler.greedy(), 100)) {
                count++;
            }
            assertEquals(3, count);
            assertThrows(IllegalArgumentException.class, () -> session.next(Sampler.greedy()));
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void nextAllocatesNothing(Config config) {
        var bean = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (var model = model(config, 1);
                var session = model.newSession()) {
            session.feed(1);
            var empty = session.snapshot();
            var greedy = Sampler.greedy();
            long allocated = -1;
            // Until everything is compiled; the counter itself is allowed to be coarse.
            for (int round = 0; round < 40 && allocated != 0; round++) {
                session.restore(empty);
                var before = bean.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 300; i++) {
                    session.next(greedy);
                }
                allocated = bean.getCurrentThreadAllocatedBytes() - before;
            }
            assertEquals(0, allocated);
        }
    }

    @Test
    void mappedWeightsGiveTheBitsOfCopiedOnes() throws IOException {
        for (var config : Tiny.families()) {
            var directory = folder.resolve(config.family());
            try (var weights = Weights.random(config, 1)) {
                AtomicFiles.directory(directory, ModelFiles.contents(weights, DType.F32, null));
            }
            try (var copied = LanguageModel.load(directory, null, DType.F32, false, 2);
                    var mapped = LanguageModel.load(directory, null, DType.F32, true, 2);
                    var a = copied.newSession();
                    var b = mapped.newSession()) {
                assertArrayEquals(state(a.feed(tokens(50))), state(b.feed(tokens(50))), config.family());
            }
        }
    }

    /** Headers of other writers need not end at a multiple of four bytes. */
    @Test
    void weightsAtOddAddressesAreRead() throws IOException {
        var directory = folder.resolve("odd");
        try (var weights = Weights.random(Tiny.families().getFirst(), 1)) {
            AtomicFiles.directory(directory, ModelFiles.contents(weights, DType.F32, null));
        }
        float[] expected;
        try (var model = LanguageModel.load(directory);
                var session = model.newSession()) {
            expected = state(session.feed(tokens(20)));
        }
        var file = directory.resolve(ModelFiles.WEIGHTS);
        var bytes = Files.readAllBytes(file);
        var odd = new byte[bytes.length + 1];
        int header = 8
                + java.nio.ByteBuffer.wrap(bytes)
                        .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                        .getInt();
        System.arraycopy(bytes, 0, odd, 0, header);
        java.nio.ByteBuffer.wrap(odd).order(java.nio.ByteOrder.LITTLE_ENDIAN).putInt(header - 8 + 1);
        odd[header] = ' ';
        System.arraycopy(bytes, header, odd, header + 1, bytes.length - header);
        Files.write(file, odd);
        for (var map : new boolean[] {false, true}) {
            try (var model = LanguageModel.load(directory, null, DType.F32, map, 2);
                    var session = model.newSession()) {
                assertArrayEquals(expected, state(session.feed(tokens(20))));
            } catch (IOException e) {
                assertTrue(map && e.getMessage().contains("--map"), e.getMessage());
            }
        }
    }

    @Test
    void stateSizesAreAsSaid() {
        for (var config : Tiny.families()) {
            try (var model = model(config, 1);
                    var session = model.newSession()) {
                assertEquals(Session.stateBytes(config), session.stateBytes());
                session.feed(1);
                var one = session.snapshot().bytes().byteSize();
                session.feed(tokens(30));
                assertEquals(
                        config.constantState(),
                        one == session.snapshot().bytes().byteSize());
            }
        }
    }

    @Test
    void logitsAreReadOnly() {
        try (var model = model(Tiny.families().getFirst(), 1);
                var session = model.newSession()) {
            MemorySegment logits = session.feed(1).logits();
            assertTrue(logits.isReadOnly());
            assertFalse(Float.isNaN(logits.getAtIndex(JAVA_FLOAT, 0)));
            assertNotEquals(0, logits.byteSize());
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void aBatchWritesWhatEachWritesAlone(Config config) {
        try (var model = model(config, 2)) {
            for (int B : new int[] {1, 2, 5, 20}) {
                var together = new ArrayList<Session>();
                var alone = new ArrayList<Session>();
                for (int b = 0; b < B; b++) {
                    together.add(model.newSession().feed(tokens(b + 1)));
                    alone.add(together.get(b).fork());
                }
                var batch = model.batch(together);
                for (int step = 0; step < 12; step++) {
                    var written = batch.next(Sampler.greedy()).clone();
                    for (int b = 0; b < B; b++) {
                        assertEquals(alone.get(b).next(Sampler.greedy()), written[b], "session " + b + " of " + B);
                        assertEquals(alone.get(b).position(), together.get(b).position());
                        assertClose(state(alone.get(b)), state(together.get(b)), 1e-4);
                    }
                    // In between a session may go its own way.
                    int b = step % B;
                    together.get(b).feed(7, 8);
                    alone.get(b).feed(7, 8);
                }
                together.forEach(Session::close);
                alone.forEach(Session::close);
            }
        }
    }

    @Test
    void aBatchIsOfOpenSessionsOfOneModel() {
        var config = Tiny.families().get(1);
        try (var model = model(config, 1);
                var other = model(config, 1);
                var first = model.newSession().feed(1);
                var stranger = other.newSession()) {
            var unread = model.newSession();
            for (var wrong : List.of(List.<Session>of(), List.of(first, first), List.of(first, stranger))) {
                assertThrows(IllegalArgumentException.class, () -> model.batch(wrong));
            }
            var batch = model.batch(List.of(first, unread));
            assertThrows(IllegalStateException.class, () -> batch.next(Sampler.greedy()));
            unread.feed(2);
            batch.next(Sampler.greedy());
            unread.close();
            assertThrows(IllegalStateException.class, () -> batch.next(Sampler.greedy()));
            assertEquals(2, first.position(), "a refused batch reads nothing");
            first.feed(3);
        }
    }

    @Test
    void aBatchStopsAtTheLastPosition() {
        var config = Tiny.families().get(3);
        try (var model = model(config, 1);
                var full = model.newSession().feed(tokens(Tiny.POSITIONS));
                var empty = model.newSession().feed(1)) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> model.batch(List.of(empty, full)).next(Sampler.greedy()));
            assertEquals(1, empty.position());
        }
    }
}
