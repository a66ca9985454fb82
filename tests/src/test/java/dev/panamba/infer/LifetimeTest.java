package dev.panamba.infer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Profile;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizers;
import dev.panamba.train.Tiny;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** What is closed is refused with words, whoever asks and whenever. */
class LifetimeTest {
    private static LanguageModel model(int threads) {
        return LanguageModel.of(Weights.random(Tiny.families().get(1), 1), Tokenizers.bytes(), DType.F32, threads);
    }

    private static TreeSet<String> publicMethods(Class<?> type) {
        var names = new TreeSet<String>();
        Arrays.stream(type.getDeclaredMethods())
                .filter(m -> Modifier.isPublic(m.getModifiers()) && !Modifier.isStatic(m.getModifiers()))
                .forEach(m -> names.add(m.getName()));
        return names;
    }

    @Test
    void aClosedSessionRefusesEverythingButWhatIsKnownWithoutItsState() {
        try (var model = model(1)) {
            var open = model.newSession();
            var snapshot = open.feed(1).snapshot();
            var logits = open.logits();
            var generation = open.generate(Sampler.greedy(), 3).iterator();
            open.close();
            open.close();
            var refused = new TreeMap<String, Runnable>(Map.of(
                    "feed", () -> open.feed(1),
                    "logits", open::logits,
                    "next", () -> open.next(Sampler.greedy()),
                    "generate",
                            () -> open.generate(Sampler.greedy(), 1).iterator().next(),
                    "snapshot", open::snapshot,
                    "restore", () -> open.restore(snapshot),
                    "fork", open::fork));
            refused.forEach((name, call) -> {
                var e = assertThrows(IllegalStateException.class, call::run, name);
                assertTrue(e.getMessage().contains("session is closed"), name + ": " + e.getMessage());
            });
            assertThrows(IllegalStateException.class, generation::next);
            assertEquals(1, open.position());
            assertTrue(open.stateBytes() > 0);
            assertSame(model, open.model());
            var known = new TreeSet<>(Arrays.asList("close", "model", "position", "stateBytes"));
            known.addAll(refused.keySet());
            assertEquals(known, publicMethods(Session.class), "a method without a test");
            assertEquals(1024, logits.byteSize());
        }
    }

    @Test
    void aClosedModelRefusesSessions() {
        var model = model(2);
        var session = model.newSession().feed(1);
        var batch = model.batch(List.of(session));
        session.close();
        model.close();
        model.close();
        assertThrows(IllegalStateException.class, () -> batch.next(Sampler.greedy()));
        assertThrows(
                IllegalStateException.class, () -> model.batch(List.of(session)).next(Sampler.greedy()));
        var refused = assertThrows(IllegalStateException.class, model::newSession);
        assertTrue(refused.getMessage().contains("model is closed"), refused.getMessage());
        assertNotNull(model.config());
        assertNotNull(model.tokenizer());
        assertNotNull(model.endTokens());
        model.measure(new Profile());
        assertEquals(
                new TreeSet<>(
                        Arrays.asList("batch", "close", "config", "endTokens", "measure", "newSession", "tokenizer")),
                publicMethods(LanguageModel.class),
                "a method without a test");
    }

    @Test
    void aModelWithOpenSessionsIsNotClosed() {
        try (var model = model(1)) {
            var one = model.newSession();
            var two = model.newSession();
            assertTrue(assertThrows(IllegalStateException.class, model::close)
                    .getMessage()
                    .contains("2 sessions"));
            one.feed(1);
            two.close();
            assertTrue(assertThrows(IllegalStateException.class, model::close)
                    .getMessage()
                    .startsWith("A session"));
            one.feed(1);
            one.close();
        }
    }

    @Test
    void thereIsRoomForManySessionsAndThenWords() {
        try (var model = model(1)) {
            var open = new ArrayList<Session>();
            var refused = assertThrows(IllegalStateException.class, () -> {
                while (true) {
                    open.add(model.newSession());
                }
            });
            assertEquals(64, open.size());
            assertTrue(refused.getMessage().contains("64"), refused.getMessage());
            assertThrows(IllegalStateException.class, () -> open.getFirst().fork());
            open.removeLast().close();
            open.add(model.newSession());
            open.forEach(Session::close);
        }
    }

    @Test
    void aModelThatCannotBeMadeClosesItsWeights() {
        var weights = Weights.random(Tiny.families().getFirst(), 1);
        assertThrows(IllegalArgumentException.class, () -> LanguageModel.of(weights, Tokenizers.bytes(), DType.F32, 0));
        assertThrows(
                IllegalStateException.class,
                () -> LanguageModel.of(weights, Tokenizers.bytes(), DType.F32, 1)
                        .newSession()
                        .feed(1));
    }

    /** The sampler is called while the session is busy. */
    @Test
    void aSecondThreadOnOneSessionIsRefused() throws InterruptedException {
        try (var model = model(1);
                var session = model.newSession()) {
            session.feed(1);
            var inside = new CountDownLatch(1);
            var leave = new CountDownLatch(1);
            var failure = new AtomicReference<Throwable>();
            var first = Thread.ofPlatform().start(() -> {
                try {
                    session.next(_ -> {
                        inside.countDown();
                        try {
                            leave.await();
                        } catch (InterruptedException e) {
                            throw new IllegalStateException(e);
                        }
                        return 2;
                    });
                } catch (Throwable e) {
                    failure.set(e);
                }
            });
            inside.await();
            for (Runnable call : new Runnable[] {
                () -> session.feed(3),
                session::logits,
                session::snapshot,
                session::close,
                session::fork,
                () -> session.next(Sampler.greedy())
            }) {
                var refused = assertThrows(IllegalStateException.class, call::run);
                assertTrue(refused.getMessage().contains("another thread"), refused.getMessage());
            }
            leave.countDown();
            first.join();
            assertNull(failure.get());
            assertEquals(2, session.position());
        }
    }

    @Test
    void decodingWhileAnotherCloses() throws InterruptedException {
        for (int round = 0; round < 20; round++) {
            var model = model(2);
            var failure = new AtomicReference<Throwable>();
            var started = new CountDownLatch(8);
            var threads = new ArrayList<Thread>();
            for (int i = 0; i < 8; i++) {
                int worker = i;
                threads.add(Thread.ofPlatform().start(() -> {
                    try {
                        started.countDown();
                        work(model, worker);
                    } catch (IllegalStateException e) {
                        // The model was closed before this one began.
                    } catch (Throwable e) {
                        failure.set(e);
                    }
                }));
            }
            if (round % 2 == 0) {
                started.await();
            }
            while (true) {
                try {
                    model.close();
                    break;
                } catch (IllegalStateException e) {
                    Thread.onSpinWait();
                }
            }
            for (var thread : threads) {
                thread.join();
            }
            assertNull(failure.get());
        }
    }

    private static void work(LanguageModel model, int worker) {
        for (int i = 0; i < 3; i++) {
            try (var session = model.newSession()) {
                session.feed(worker, 2, 3, 4, 5);
                try (var fork = session.fork()) {
                    for (int k = 0; k < 5; k++) {
                        assertEquals(session.next(Sampler.greedy()), fork.next(Sampler.greedy()));
                    }
                }
            }
        }
    }

    @Test
    void eightThreadsGetWhatOneGets() throws InterruptedException {
        try (var model = model(2)) {
            var expected = new int[8];
            for (int i = 0; i < 8; i++) {
                expected[i] = last(model, i);
            }
            var failures = new AtomicReference<Throwable>();
            var threads = new ArrayList<Thread>();
            for (int i = 0; i < 8; i++) {
                int worker = i;
                threads.add(Thread.ofPlatform().start(() -> {
                    try {
                        for (int n = 0; n < 4; n++) {
                            assertEquals(expected[worker], last(model, worker));
                        }
                    } catch (Throwable e) {
                        failures.set(e);
                    }
                }));
            }
            for (var thread : threads) {
                thread.join();
            }
            assertNull(failures.get());
        }
    }

    private static int last(LanguageModel model, int first) {
        try (var session = model.newSession()) {
            var sampler = Sampler.of(1, 0, 1, first);
            session.feed(first, 1, 2);
            int id = 0;
            for (int i = 0; i < 30; i++) {
                id = session.next(sampler);
            }
            return id;
        }
    }

    @Test
    void tenThousandSessionsTakeNoMemory() throws Exception {
        try (var model = model(1)) {
            long before = 0;
            for (int i = 0; i < 10_000; i++) {
                try (var session = model.newSession()) {
                    session.feed(i & 0xFF);
                }
                if (i == 200) {
                    before = residentKibibytes();
                }
            }
            assertTrue(residentKibibytes() - before < 64 << 10, "resident memory grew");
        }
    }

    private static long residentKibibytes() throws java.io.IOException {
        try (var lines = java.nio.file.Files.lines(java.nio.file.Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith("VmRSS:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst()
                    .orElseThrow();
        }
    }
}
