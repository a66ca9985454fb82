package dev.panamba.cli;

import dev.panamba.bindings.Natives;
import java.util.LinkedHashMap;
import java.util.List;

/** {@code panamba doctor}. */
final class DoctorCommand implements Command {
    @Override
    public String description() {
        return "Prints which native libraries were loaded and why.";
    }

    @Override
    public List<Opt<?>> options() {
        return List.of(Shared.JSON);
    }

    @Override
    public int run(Arguments given) {
        var facts = Natives.facts();
        var runtime = Runtime.getRuntime();
        var fields = new LinkedHashMap<String, Object>();
        fields.put("java", System.getProperty("java.vm.name") + " " + Runtime.version());
        fields.put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        fields.put("cores", runtime.availableProcessors());
        fields.put("heap_mib", runtime.maxMemory() >> 20);
        fields.put("kernels", facts.level());
        fields.put("library", facts.file().toString());
        var openBlas = facts.openBlas();
        fields.put("openblas", openBlas == null ? null : openBlas.config().strip());
        if (openBlas != null) {
            fields.put("openblas_core", openBlas.core());
            fields.put("openblas_threads", openBlas.threads());
            fields.put("openblas_library", openBlas.file().toString());
        }
        if (given.get(Shared.JSON)) {
            Json.print(System.out, fields);
            return 0;
        }
        print("Java", fields.get("java"));
        print("System", fields.get("os") + ", " + fields.get("cores") + " cores for this process");
        print(
                "Kernels",
                facts.level() + ", the best level of this processor; PANAMBA_CPU_LEVEL=v2|v3|v4|vnni lowers it");
        print("Library", facts.file());
        if (openBlas == null) {
            print("OpenBLAS", "not on the class path: the kernels above do all products");
        } else {
            print(
                    "OpenBLAS",
                    openBlas.config().strip() + "; core " + openBlas.core()
                            + ", OPENBLAS_CORETYPE names another; threads " + openBlas.threads()
                            + ", called by each of Panamba's");
            print("Library", openBlas.file());
        }
        return 0;
    }

    private static void print(String what, Object value) {
        System.out.printf("%-10s %s%n", what, value);
    }
}
