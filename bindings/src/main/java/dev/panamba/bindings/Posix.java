package dev.panamba.bindings;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.util.Locale;

/** The few calls of Linux that give, guard and tune memory. Sizes are bytes; every failure names address, size and code. */
public final class Posix {
    /** Bytes of a page of x86-64, the unit in which memory is guarded. */
    public static final long PAGE = 4096;

    /** PROT_NONE: any access kills the process. */
    private static final int PROT_NONE = 0;
    /** PROT_READ | PROT_WRITE. */
    private static final int PROT_READ_WRITE = 3;
    /** MAP_PRIVATE | MAP_ANONYMOUS. */
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
    /** MADV_HUGEPAGE. */
    private static final int MADV_HUGEPAGE = 14;
    /** MADV_POPULATE_READ, since Linux 5.14. */
    private static final int MADV_POPULATE_READ = 22;
    /** MAP_FAILED, the address that mmap returns instead of one. */
    private static final long MAP_FAILED = -1;

    /** ENOMEM, the errno of memory that is not there. */
    private static final int ENOMEM = 12;

    private static final MethodHandle MMAP =
            link("mmap", FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MADVISE =
            link("madvise", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));

    /** Linked at the first use, as what follows: a start is over before memory is given back, and only tests guard any. */
    private static final class Unmap {
        static final MethodHandle MUNMAP = link("munmap", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG));
    }

    private static final class Protect {
        static final MethodHandle MPROTECT =
                link("mprotect", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
    }

    private static final MemoryLayout STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));

    private Posix() {}

    /**
     * {@return fresh memory of zeros at a page's start, unmapped when its arena closes} Pages cost nothing until they are
     * touched.
     *
     * @param bytes more than 0; the system rounds up to whole pages
     * @param owner the arena that holds the memory
     * @throws NativeException where the system has no such room
     */
    public static MemorySegment map(long bytes, Arena owner) {
        try (var arena = Arena.ofConfined()) {
            var state = arena.allocate(STATE);
            var address = (MemorySegment)
                    MMAP.invokeExact(state, MemorySegment.NULL, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
            if (address.address() == MAP_FAILED) {
                throw failure("mmap", MemorySegment.NULL, bytes, state);
            }
            return address.reinterpret(bytes, owner, Posix::unmap);
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    private static void unmap(MemorySegment memory) {
        try (var arena = Arena.ofConfined()) {
            var state = arena.allocate(STATE);
            if ((int) Unmap.MUNMAP.invokeExact(state, memory, memory.byteSize()) != 0) {
                throw failure("munmap", memory, memory.byteSize(), state);
            }
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    /**
     * Takes all access away: from now on a touch kills the process, which is what a guard is for.
     *
     * @param pages mapped memory that begins at a page's start
     * @throws NativeException where the system refuses
     */
    public static void protectNone(MemorySegment pages) {
        try (var arena = Arena.ofConfined()) {
            var state = arena.allocate(STATE);
            if ((int) Protect.MPROTECT.invokeExact(state, pages, pages.byteSize(), PROT_NONE) != 0) {
                throw failure("mprotect", pages, pages.byteSize(), state);
            }
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    /**
     * Asks for huge pages, which spare the TLB; a system without them is no failure.
     *
     * @param pages mapped memory that begins at a page's start
     * @return whether the system took the advice
     */
    public static boolean adviseHugePages(MemorySegment pages) {
        try (var arena = Arena.ofConfined()) {
            return (int) MADVISE.invokeExact(arena.allocate(STATE), pages, pages.byteSize(), MADV_HUGEPAGE) == 0;
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    /**
     * Lets another thread make the pages of a mapped file present, which spares who reads them their faults; a system that does
     * not know the advice is no failure. The caller may unmap them meanwhile: nothing is changed by the advice, and where nothing is
     * mapped any more the system refuses it.
     *
     * @param memory mapped
     */
    public static void readAhead(MemorySegment memory) {
        long before = memory.address() % PAGE;
        var pages = MemorySegment.ofAddress(memory.address() - before);
        long bytes = before + memory.byteSize();
        var thread = new Thread(
                () -> {
                    try (var arena = Arena.ofConfined()) {
                        var _ = (int) MADVISE.invokeExact(arena.allocate(STATE), pages, bytes, MADV_POPULATE_READ);
                    } catch (Throwable e) {
                        throw NativeException.unexpected(e);
                    }
                },
                "panamba-read-ahead");
        thread.setDaemon(true);
        thread.start();
    }

    private static MethodHandle link(String function, FunctionDescriptor descriptor) {
        var linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow(function), descriptor, Linker.Option.captureCallState("errno"));
    }

    private static NativeException failure(String function, MemorySegment memory, long bytes, MemorySegment state) {
        int errno = (int) ERRNO.get(state, 0L);
        return new NativeException(String.format(
                Locale.ROOT,
                "The system refused %s of %,d bytes at 0x%x: errno %d%s.",
                function,
                bytes,
                memory.address(),
                errno,
                errno == ENOMEM ? ", out of memory" : ""));
    }
}
