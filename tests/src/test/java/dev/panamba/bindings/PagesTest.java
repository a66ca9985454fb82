package dev.panamba.bindings;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class PagesTest {
    @Test
    void memoryIsZeroAlignedAndDiesWithItsArena() {
        var arena = Arena.ofShared();
        var memory = Pages.map(3 * Pages.SIZE + 1, arena);
        Pages.join(memory);
        assertEquals(3 * Pages.SIZE + 1, memory.byteSize());
        assertEquals(0, memory.address() % Pages.SIZE);
        assertEquals(0, memory.get(JAVA_BYTE, memory.byteSize() - 1));
        memory.set(JAVA_BYTE, 0, (byte) 1);
        Pages.forbid(memory.asSlice(Pages.SIZE, Pages.SIZE));
        arena.close();
        assertThrows(IllegalStateException.class, () -> memory.get(JAVA_BYTE, 0));
    }

    @Test
    void refusalsNameAddressSizeAndCode() {
        try (var arena = Arena.ofConfined()) {
            var tooMuch = assertThrows(NativeException.class, () -> Pages.map(1L << 60, arena));
            assertTrue(tooMuch.getMessage().contains("1,152,921,504,606,846,976 bytes"), tooMuch.getMessage());
            assertTrue(tooMuch.getMessage().endsWith("errno 12, out of memory."), tooMuch.getMessage());
            var memory = Pages.map(2 * Pages.SIZE, arena);
            var crooked = assertThrows(NativeException.class, () -> Pages.forbid(memory.asSlice(1, 8)));
            assertTrue(crooked.getMessage().contains("forbid 8 bytes at 0x"), crooked.getMessage());
        }
    }
}
