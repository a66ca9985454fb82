package dev.panamba.bindings;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class PosixTest {
    @Test
    void memoryIsZeroAlignedAndDiesWithItsArena() {
        var arena = Arena.ofShared();
        var memory = Posix.map(3 * Posix.PAGE + 1, arena);
        Posix.adviseHugePages(memory);
        assertEquals(3 * Posix.PAGE + 1, memory.byteSize());
        assertEquals(0, memory.address() % Posix.PAGE);
        assertEquals(0, memory.get(JAVA_BYTE, memory.byteSize() - 1));
        memory.set(JAVA_BYTE, 0, (byte) 1);
        Posix.protectNone(memory.asSlice(Posix.PAGE, Posix.PAGE));
        arena.close();
        assertThrows(IllegalStateException.class, () -> memory.get(JAVA_BYTE, 0));
    }

    @Test
    void refusalsNameAddressSizeAndCode() {
        try (var arena = Arena.ofConfined()) {
            var tooMuch = assertThrows(NativeException.class, () -> Posix.map(1L << 60, arena));
            assertTrue(tooMuch.getMessage().contains("1,152,921,504,606,846,976 bytes"), tooMuch.getMessage());
            assertTrue(tooMuch.getMessage().endsWith("errno 12, out of memory."), tooMuch.getMessage());
            var memory = Posix.map(2 * Posix.PAGE, arena);
            var crooked = assertThrows(NativeException.class, () -> Posix.protectNone(memory.asSlice(1, 8)));
            assertTrue(crooked.getMessage().contains("mprotect of 8 bytes at 0x"), crooked.getMessage());
        }
    }
}
