package dev.panamba.bindings;

import dev.panamba.bindings.kernels.panamba_h;
import dev.panamba.bindings.openblas.cblas_h;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Brings the kernels and OpenBLAS into the process, each once and when it is first needed.
 */
public final class Natives {
    static final String KERNELS = "libpanamba.so";
    static final String KERNELS_F64 = "libpanamba_f64.so";

    private static final ClassLoader LOADER = Natives.class.getClassLoader();
    private static final String PLATFORM = platform();
    private static final String OPENBLAS = "libopenblas.so.0";
    private static final String OPENBLAS_FOLDER = "org/bytedeco/openblas/" + PLATFORM + "/";
    private static final String OPENBLAS_PINS = "openblas-" + PLATFORM + ".sha256";
    private static final int SHA256_DIGITS = 64;
    private static final String KERNELS_FOLDER = "META-INF/native/" + PLATFORM + "/";

    /** Guards what follows; a lock of its own, since the kernels are loaded meanwhile. */
    private static final Object OPENBLAS_LOCK = new Object();

    private static List<Path> openBlas = List.of();
    private static Path kernels;

    private Natives() {}

    /**
     * What runs in this process.
     *
     * @param file the library of the kernels
     * @param level their instruction set
     * @param openBlas OpenBLAS, or null where it is not on the class path
     */
    public record Facts(Path file, String level, OpenBlas.Facts openBlas) {}

    /**
     * {@return what was loaded and what it chose}
     *
     * @throws NativeException where a library cannot be loaded
     */
    public static Facts facts() {
        loadKernels();
        return new Facts(kernels, Kernels.level(), hasOpenBlas() ? OpenBlas.facts() : null);
    }

    /** Lets another thread do what the first use of memory, kernels and pointers waits for, while the caller reads files. */
    public static void loadAhead() {
        ahead("panamba-load", () -> {
            try (var arena = Arena.ofConfined()) {
                Pages.map(Pages.SIZE, arena);
                arena.allocate(panamba_h.C_POINTER).set(panamba_h.C_POINTER, 0, MemorySegment.NULL);
            }
        });
    }

    /** Lets another thread load OpenBLAS, if it is there, while the caller reads files and builds a program that will need it. */
    public static void loadOpenBlasAhead() {
        if (hasOpenBlas()) {
            ahead("panamba-load-openblas", Natives::loadOpenBlas);
        }
    }

    private static void ahead(String name, Runnable load) {
        var thread = new Thread(
                () -> {
                    try {
                        load.run();
                    } catch (NativeException e) {
                        // It comes again where the library is asked for.
                    }
                },
                name);
        thread.setDaemon(true);
        thread.start();
    }

    /** {@return whether OpenBLAS is on the class path} A program that leaves its jar out has its products done by our kernels. */
    public static boolean hasOpenBlas() {
        return Natives.class.getResource(OPENBLAS_PINS) != null
                && LOADER.getResource(OPENBLAS_FOLDER + OPENBLAS) != null;
    }

    /**
     * Loads OpenBLAS unless it is loaded. Its face calls this itself; a program calls it first to meet a failure as the exception
     * below and not as an error of class initialisation.
     *
     * @return its files, in the order they were loaded: those that it needs, then itself
     * @throws NativeException where a library cannot be loaded; the message names the file, the reason and the fix
     */
    public static List<Path> loadOpenBlas() {
        // Where native access is denied, this says so.
        loadKernels();
        synchronized (OPENBLAS_LOCK) {
            if (openBlas.isEmpty()) {
                if (!hasOpenBlas()) {
                    throw LibraryFiles.isMissing(OPENBLAS_FOLDER + OPENBLAS);
                }
                var files = new ArrayList<Path>();
                var wanted = pins(OPENBLAS_PINS, Natives.class.getResourceAsStream(OPENBLAS_PINS));
                CoreType.choose(() -> wanted.forEach(
                        pin -> files.add(LibraryFiles.load(LOADER, OPENBLAS_FOLDER + pin.file(), pin.sha256()))));
                openBlas = List.copyOf(files);
                useOneThread();
            }
            return openBlas;
        }
    }

    /**
     * Loads the kernels unless they are loaded, as their face does.
     *
     * @throws NativeException where they cannot be loaded; the message names the file, the reason and the fix
     */
    public static synchronized void loadKernels() {
        if (kernels == null) {
            var pin = kernelsPin(KERNELS);
            kernels = LibraryFiles.load(LOADER, KERNELS_FOLDER + pin.file(), pin.sha256());
        }
    }

    /** Never toggled again: two OpenBLAS threads beside any busy neighbour are slower than one by orders of magnitude. */
    private static void useOneThread() {
        try {
            openBlas("openblas_set_num_threads", cblas_h.openblas_set_num_threads$descriptor())
                    .invokeExact(1);
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    /**
     * Links a function of the OpenBLAS that was loaded here. A lookup among all libraries of the class loader, which is what
     * generated bindings use, may find the name in a copy that another library of the program brought.
     */
    static MethodHandle openBlas(String function, FunctionDescriptor descriptor) {
        var file = openBlas.getLast();
        var address = SymbolLookup.libraryLookup(file, Arena.global())
                .find(function)
                .orElseThrow(() -> new NativeException(
                        file + " has no function " + function + ": it is of another version than the bindings."));
        return Linker.nativeLinker().downcallHandle(address, descriptor);
    }

    /** The digest that a library must have. */
    private record Pin(String sha256, String file) {}

    /** Reads the lines of sha256sum, which stand in load order: every library behind the ones it needs. */
    private static List<Pin> pins(String resource, InputStream opened) {
        try (var in = opened) {
            if (in == null) {
                throw new NativeException("Panamba has no native libraries for " + PLATFORM + " here: it runs on"
                        + " linux-x86_64, with " + resource + " on the class path (the jars panamba-bindings and"
                        + " panamba-native); for another platform build them there.");
            }
            var pins = new ArrayList<Pin>();
            for (var line : new String(in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
                pins.add(new Pin(
                        line.substring(0, SHA256_DIGITS),
                        line.substring(SHA256_DIGITS).strip()));
            }
            return pins;
        } catch (IOException | StringIndexOutOfBoundsException e) {
            throw new NativeException("Cannot read " + resource + " (" + e + "): its jar is damaged, build again.", e);
        }
    }

    /** Our own library changes with every build, which writes its digest beside it. */
    private static Pin kernelsPin(String file) {
        var resource = KERNELS_FOLDER + file + ".sha256";
        // It is in a jar of its own. Looked for beside this class first, as what our module has, it would have every
        // jar opened.
        return pins(resource, LOADER.getResourceAsStream(resource)).getFirst();
    }

    /** The file of our kernels in double precision, to be searched and not to be loaded. */
    static Path extractKernelsF64() {
        var pin = kernelsPin(KERNELS_F64);
        return LibraryFiles.extract(LOADER, KERNELS_FOLDER + pin.file(), pin.sha256());
    }

    /**
     * Loads a library that another library of the program brings, with the same care as our own, for the class loader of this class.
     *
     * @param loader whose resource it is
     * @param resource its name
     * @param sha256 the digest that it must have
     * @throws NativeException where it cannot be loaded; the message names the file, the reason and the fix
     */
    public static void load(ClassLoader loader, String resource, String sha256) {
        LibraryFiles.load(loader, resource, sha256);
    }

    private static String platform() {
        var arch = System.getProperty("os.arch");
        var name = arch.equals("amd64") ? "x86_64" : arch.equals("aarch64") ? "arm64" : arch;
        return System.getProperty("os.name").toLowerCase(Locale.ROOT) + "-" + name;
    }
}
