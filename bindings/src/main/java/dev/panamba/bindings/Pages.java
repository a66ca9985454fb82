package dev.panamba.bindings;

import dev.panamba.bindings.kernels.pb_pages_map_args;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.Locale;

/**
 * Memory of the system, given, guarded and tuned. Sizes are bytes; every failure names address, size and code. The calls are made by
 * Panamba's own library in the kernels' shape: linking mmap and its relatives would take 15 milliseconds of each start.
 */
public final class Pages {
    /** Bytes of a page of x86-64, the unit in which memory is guarded. */
    public static final long SIZE = 4096;

    /** ENOMEM, the errno of memory that is not there. */
    private static final int ENOMEM = 12;

    private Pages() {}

    /**
     * {@return fresh memory of zeros at a page's start, unmapped when its arena closes} Pages cost nothing until they are
     * touched.
     *
     * @param bytes more than 0; the system rounds up to whole pages
     * @param owner the arena that holds the memory
     * @throws NativeException where the system has no such room
     */
    public static MemorySegment map(long bytes, Arena owner) {
        // First of all: where native access is denied, the library says so, and the layout of arguments does not.
        var function = Kernels.f32().find("pb_pages_map");
        try (var arena = Arena.ofConfined()) {
            var args = pb_pages_map_args.allocate(arena);
            int errno = Kernels.invoke(function, args, 0, bytes);
            if (errno != 0) {
                throw failure("map", MemorySegment.NULL, bytes, errno);
            }
            return MemorySegment.ofAddress(pb_pages_map_args.pages(args)).reinterpret(bytes, owner, Pages::unmap);
        }
    }

    private static void unmap(MemorySegment memory) {
        demand("unmap", memory);
    }

    /**
     * Takes all access away: from now on a touch kills the process, which is what a guard is for.
     *
     * @param pages mapped memory that begins at a page's start
     * @throws NativeException where the system refuses
     */
    public static void forbid(MemorySegment pages) {
        demand("forbid", pages);
    }

    /**
     * Asks for huge pages, which spare the TLB; a system without them is no failure.
     *
     * @param pages mapped memory that begins at a page's start
     */
    public static void join(MemorySegment pages) {
        call("join", pages);
    }

    /**
     * Lets another thread make the pages of a mapped file present, which spares who reads them their faults; a system that does
     * not know how is no failure. The caller may unmap them meanwhile: nothing is changed by it, and where nothing is mapped any
     * more the system refuses it.
     *
     * @param memories mapped
     */
    public static void readAhead(Collection<MemorySegment> memories) {
        var thread = new Thread(
                () -> {
                    for (var memory : memories) {
                        call("read_ahead", memory.address() / SIZE * SIZE, memory.address() + memory.byteSize());
                    }
                },
                "panamba-read-ahead");
        thread.setDaemon(true);
        thread.start();
    }

    private static void demand(String what, MemorySegment pages) {
        int errno = call(what, pages);
        if (errno != 0) {
            throw failure(what, pages, pages.byteSize(), errno);
        }
    }

    private static int call(String what, MemorySegment pages) {
        return call(what, pages.address(), pages.address() + pages.byteSize());
    }

    private static int call(String what, long begin, long end) {
        return Kernels.invoke(Kernels.f32().find("pb_pages_" + what), MemorySegment.NULL, begin, end);
    }

    private static NativeException failure(String what, MemorySegment pages, long bytes, int errno) {
        return new NativeException(String.format(
                Locale.ROOT,
                "The system refused to %s %,d bytes at 0x%x: errno %d%s.",
                what,
                bytes,
                pages.address(),
                errno,
                errno == ENOMEM ? ", out of memory" : ""));
    }
}
