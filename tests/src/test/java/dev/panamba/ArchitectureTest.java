package dev.panamba;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.net.Socket;
import java.net.URLConnection;
import java.net.http.HttpClient;
import java.nio.channels.NetworkChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** A line of the engine can know its room: what it may call, and which rooms are below. */
class ArchitectureTest {
    /** From top to bottom; arrows point only downwards. */
    private static final List<String> PACKAGES =
            List.of("cli", "infer", "train", "model", "nn", "graph", "text", "io", "tensor", "memory");

    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.panamba");

    @Test
    void arrowsPointDownwards() {
        var layers = layeredArchitecture().consideringOnlyDependenciesInLayers().withOptionalLayers(true);
        for (int i = 0; i < PACKAGES.size(); i++) {
            layers = layers.layer(PACKAGES.get(i)).definedBy("dev.panamba." + PACKAGES.get(i) + "..");
        }
        for (int i = 0; i < PACKAGES.size(); i++) {
            layers = i == 0
                    ? layers.whereLayer(PACKAGES.get(i)).mayNotBeAccessedByAnyLayer()
                    : layers.whereLayer(PACKAGES.get(i))
                            .mayOnlyBeAccessedByLayers(PACKAGES.subList(0, i).toArray(String[]::new));
        }
        layers.check(CLASSES);
        slices().matching("dev.panamba.(*)..").should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void everyClassHasARoom() {
        var rooms = Stream.concat(PACKAGES.stream(), Stream.of("bindings"))
                .map(room -> "dev.panamba." + room + "..")
                .toArray(String[]::new);
        classes().should().resideInAnyPackage(rooms).check(CLASSES);
    }

    @Test
    void nativeFunctionsAreCalledInBindings() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.panamba.bindings..")
                .should()
                .dependOnClassesThat()
                .belongToAnyOf(Linker.class, SymbolLookup.class, MethodHandle.class)
                .check(CLASSES);
    }

    @Test
    void onlyOwnersOpenArenas() {
        // An executable owns its argument blocks, and the lowering fills them; a snapshot owns a copy of a state.
        noClasses()
                .that()
                .resideOutsideOfPackages("dev.panamba.bindings..", "dev.panamba.memory..", "dev.panamba.io..")
                .and()
                .haveNameNotMatching("dev\\.panamba\\.graph\\.(Executable|(Forward|Gradient|Gemm)?Lowering)")
                .and()
                .haveNameNotMatching("dev\\.panamba\\.infer\\.Snapshot")
                .should()
                .dependOnClassesThat()
                .belongToAnyOf(Arena.class)
                .check(CLASSES);
    }

    @Test
    void fewSeeMemory() {
        // Above graph and io: who writes inputs and reads results (infer, train), and who draws first weights.
        // Below: who carries bytes without looking at them, and the token file.
        noClasses()
                .that()
                .resideOutsideOfPackages("dev.panamba.bindings..", "dev.panamba.memory..", "dev.panamba.io..")
                .and()
                .resideOutsideOfPackages("dev.panamba.graph..", "dev.panamba.infer..", "dev.panamba.train..")
                .and()
                .haveNameNotMatching(
                        "dev\\.panamba\\.(model\\.(Initialisation|Weights)|tensor\\.Tensor|text\\.TokenFile)(\\$.*)?")
                .should()
                .dependOnClassesThat()
                .belongToAnyOf(MemorySegment.class)
                .check(CLASSES);
    }

    @Test
    void theEngineOpensNoSocket() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .areAssignableTo(Socket.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(URLConnection.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(NetworkChannel.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(HttpClient.class)
                .check(CLASSES);
    }

    @Test
    void onlyGraphCallsKernels() {
        noClasses()
                .that()
                .resideOutsideOfPackages("dev.panamba.graph..", "dev.panamba.bindings..")
                .should()
                .dependOnClassesThat(resideInAPackage("dev.panamba.bindings.kernels..")
                        .or(resideInAPackage("dev.panamba.bindings.openblas..")))
                .check(CLASSES);
    }

    @Test
    void filesAreShort() throws IOException {
        assertEquals(List.of(), longerThan(400, "engine/src/main", ".java"));
        assertEquals(List.of(), longerThan(400, "bindings/src/main", ".java"));
        assertEquals(List.of(), longerThan(300, "native/src", ".c"));
        assertEquals(List.of(), longerThan(300, "native/src", ".h"));
    }

    private static List<String> longerThan(int lines, String folder, String ending) throws IOException {
        try (var files = Files.walk(root().resolve(folder))) {
            var sources = files.filter(file -> file.toString().endsWith(ending)).toList();
            assertTrue(sources.size() > 1, "no sources in " + folder);
            return sources.stream()
                    .filter(file -> linesOf(file) > lines)
                    .map(file -> file.getFileName() + ": " + linesOf(file))
                    .toList();
        }
    }

    private static int linesOf(Path file) {
        try {
            return Files.readAllLines(file).size();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void packagesSayWhatTheyAre() throws IOException {
        try (var files = Files.walk(root().resolve("engine/src/main/java/dev/panamba"))) {
            var packages = files.filter(Files::isDirectory).skip(1).toList();
            assertTrue(packages.size() > 5, "packages: " + packages);
            for (var folder : packages) {
                var info = folder.resolve("package-info.java");
                assertTrue(Files.exists(info) && Files.readString(info).contains("/**"), folder + " has no paragraph");
            }
        }
    }

    /** The repository: the nearest folder above that holds the C sources. */
    private static Path root() {
        var folder = Path.of("").toAbsolutePath();
        while (!Files.exists(folder.resolve("native/include/panamba.h"))) {
            folder = folder.getParent();
        }
        return folder;
    }
}
