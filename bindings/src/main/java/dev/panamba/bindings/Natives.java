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
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/**
 * Brings the kernels and OpenBLAS into the process, each once and when it is first needed.
 *
 * <p>A library travels as a resource and is loaded as a file, so it is copied to a cache, in a folder named by its SHA-256:
 * {@code $PANAMBA_CACHE}, else {@code $XDG_CACHE_HOME/panamba}, else {@code ~/.cache/panamba}; where that cannot be written, a
 * temporary folder of this process. Copies appear by one rename, so processes may start together; a copy that no longer has its digest is replaced.
 */
public final class Natives {
    static final String KERNELS = "libpanamba.so";
    static final String KERNELS_F64 = "libpanamba_f64.so";

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
                && Natives.class.getClassLoader().getResource(OPENBLAS_FOLDER + OPENBLAS) != null;
    }

    /**
     * Loads OpenBLAS unless it is loaded. Its face calls this itself; a program calls it first to meet a failure as the exception
     * below and not as an error of class initialisation.
     *
     * @return its files, in the order they were loaded: those that it needs, then itself
     * @throws NativeException where a library cannot be loaded; the message names the file, the reason and the fix
     */
    public static List<Path> loadOpenBlas() {
        synchronized (OPENBLAS_LOCK) {
            if (openBlas.isEmpty()) {
                if (!hasOpenBlas()) {
                    throw isMissing(OPENBLAS_FOLDER + OPENBLAS);
                }
                var files = new ArrayList<Path>();
                for (var pin : pins(OPENBLAS_PINS, Natives.class.getResourceAsStream(OPENBLAS_PINS))) {
                    files.add(extract(OPENBLAS_FOLDER + pin.file(), pin.sha256()));
                }
                CoreType.choose(() -> files.forEach(Natives::load));
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
            var file = extractKernels(KERNELS);
            load(file);
            kernels = file;
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
    static Path extractKernels(String file) {
        var resource = KERNELS_FOLDER + file + ".sha256";
        // It is in a jar of its own. Looked for beside this class first, as what our module has, it would have every
        // jar opened.
        var pin = pins(resource, Natives.class.getClassLoader().getResourceAsStream(resource))
                .getFirst();
        return extract(KERNELS_FOLDER + pin.file(), pin.sha256());
    }

    private static Path extract(String resource, String sha256) {
        try {
            return extract(resource, sha256, cache());
        } catch (IOException | InvalidPathException cacheFailed) {
            try {
                return extractForThisProcess(resource, sha256);
            } catch (IOException e) {
                throw new NativeException(
                        "Cannot copy " + resource + " to the cache (" + cacheFailed
                                + ") or to the folder for temporary files (" + e
                                + "): set PANAMBA_CACHE to a folder that can be written and has 50 MB of room.",
                        e);
            }
        }
    }

    private static Path extract(String resource, String sha256, Path folder) throws IOException {
        var target = folder.resolve(sha256).resolve(resource.substring(resource.lastIndexOf('/') + 1));
        if (!isVerified(target)) {
            if (!hasDigest(target, sha256)) {
                publish(resource, target, sha256);
            }
            try {
                Files.writeString(verified(target), stamp(target));
            } catch (IOException e) {
                // A cache that only others may write to is verified at every start.
            }
        }
        return target;
    }

    /** Whether a file is still the one whose digest was computed: 40 MB at every start would take a tenth of a second. */
    private static boolean isVerified(Path file) throws IOException {
        return Files.isRegularFile(file)
                && Files.isRegularFile(verified(file))
                && Files.readString(verified(file)).equals(stamp(file));
    }

    private static Path verified(Path file) {
        return file.resolveSibling(file.getFileName() + ".verified");
    }

    private static String stamp(Path file) throws IOException {
        return Files.size(file) + " bytes of " + Files.getLastModifiedTime(file);
    }

    // A folder of its own: a shared one with a name that can be guessed would let others put files there.
    private static Path extractForThisProcess(String resource, String sha256) throws IOException {
        var folder = Files.createTempDirectory("panamba");
        var target = extract(resource, sha256, folder);
        for (var path : List.of(folder, target.getParent(), target, verified(target))) {
            path.toFile().deleteOnExit();
        }
        return target;
    }

    private static void publish(String resource, Path target, String sha256) throws IOException {
        Files.createDirectories(target.getParent());
        var copy = Files.createTempFile(target.getParent(), "copy", ".tmp");
        try {
            try (var in = open(resource)) {
                Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
            }
            if (!hasDigest(copy, sha256)) {
                throw new NativeException("The library " + resource + " on the class path does not have the digest "
                        + sha256 + ": its jar is damaged or of another version, fetch it again.");
            }
            try (var channel = FileChannel.open(copy, StandardOpenOption.WRITE)) {
                channel.force(true);
            }
            Files.move(copy, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(copy);
        }
    }

    private static void load(Path file) {
        try {
            System.load(file.toString());
        } catch (UnsatisfiedLinkError e) {
            throw new NativeException(
                    "Cannot load " + file + " (" + e.getMessage()
                            + "): if its folder forbids execution, set PANAMBA_CACHE to one that allows it.",
                    e);
        }
    }

    private static InputStream open(String resource) throws IOException {
        var url = Natives.class.getClassLoader().getResource(resource);
        if (url == null) {
            throw isMissing(resource);
        }
        return url.openStream();
    }

    private static NativeException isMissing(String resource) {
        return new NativeException("The library " + resource
                + " is not on the class path: add the jar that holds it (panamba-native, or org.bytedeco:openblas with the classifier "
                + PLATFORM + ").");
    }

    private static boolean hasDigest(Path file, String sha256) throws IOException {
        if (!Files.isRegularFile(file)) {
            return false;
        }
        try (var in = Files.newInputStream(file)) {
            return digest(in).equals(sha256);
        }
    }

    private static String digest(InputStream in) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
        var buffer = new byte[1 << 18];
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
            digest.update(buffer, 0, n);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static Path cache() {
        var chosen = System.getenv("PANAMBA_CACHE");
        if (chosen != null && !chosen.isEmpty()) {
            return Path.of(chosen).toAbsolutePath();
        }
        var shared = System.getenv("XDG_CACHE_HOME");
        return shared != null && !shared.isEmpty()
                ? Path.of(shared, "panamba").toAbsolutePath()
                : Path.of(System.getProperty("user.home"), ".cache", "panamba");
    }

    private static String platform() {
        var arch = System.getProperty("os.arch");
        var name = arch.equals("amd64") ? "x86_64" : arch.equals("aarch64") ? "arm64" : arch;
        return System.getProperty("os.name").toLowerCase(Locale.ROOT) + "-" + name;
    }
}
