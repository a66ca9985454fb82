package dev.panamba.memory;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class SlabTest {
    @Test
    void memoryIsAlignedAndZero() {
        try (var slab = Slab.map("the test", 1000)) {
            assertEquals(0, slab.memory().address() % Extent.ALIGNMENT);
            var extent = slab.at(new Extent(64, 936));
            assertEquals(936, extent.byteSize());
            assertEquals(-1, extent.mismatch(slab.at(new Extent(0, 936))));
            assertEquals(0, extent.get(JAVA_BYTE, 0));
        }
    }

    @Test
    void extentsOutsideAreRefused() {
        try (var slab = Slab.map("the test", 1000)) {
            assertThrows(IndexOutOfBoundsException.class, () -> slab.at(new Extent(64, 1000)));
            assertThrows(IllegalArgumentException.class, () -> new Extent(-64, 64));
            assertThrows(IllegalArgumentException.class, () -> new Extent(0, -1));
            assertThrows(ArithmeticException.class, () -> Extent.align(Long.MAX_VALUE));
        }
    }

    @Test
    void closingWithLeasesOutIsRefused() {
        var slab = Slab.map("the weights", 64);
        var first = slab.lease();
        var second = slab.lease();
        assertEquals(
                "The memory of the weights is in use 2 times: close its users (sessions, executables) first.",
                assertThrows(IllegalStateException.class, slab::close).getMessage());
        first.close();
        first.close();
        assertEquals(
                "The memory of the weights is in use 1 time: close its users (sessions, executables) first.",
                assertThrows(IllegalStateException.class, slab::close).getMessage());
        slab.memory().set(JAVA_BYTE, 0, (byte) 1);
        second.close();
        slab.close();
    }

    @Test
    void useAfterCloseThrows() {
        var slab = Slab.map("the weights", 64);
        var memory = slab.memory();
        slab.close();
        slab.close();
        assertEquals(
                "The memory of the weights is closed.",
                assertThrows(IllegalStateException.class, slab::lease).getMessage());
        assertThrows(IllegalStateException.class, () -> memory.get(JAVA_BYTE, 0));
    }
}
