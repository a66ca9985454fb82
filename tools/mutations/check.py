"""Seeds bugs one at a time and shows that the tests notice each: python3 tools/mutations/check.py [WORDS OF ONE MUTATION]

Works on a clone of the last commit in a temporary folder, never on the working tree. A mutation is tried against the tests that
are over soon first (QUICK), and against all of them if it survives those. Prints a Markdown table, which stands in
tests/README.md, and ends with 1 if a mutation survives.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUICK = ("FamiliesTest,HuggingFaceTest,GradientTest,NetworkTest,PlanTest,PlannerTest,TrainerTest,DataTest,SafeTensorsTest,"
         "SessionTest,CheckpointTest,DivergenceTest,FolderLockTest")
DOES_NOT_BUILD = "does not build"
C, JAVA = "native/src/", "engine/src/main/java/dev/panamba/"

# What the bug is, file, the right text (which occurs once), the wrong text.
MUTATIONS = [
    ("scan: dB has dA's factor", C + "scan_backward.c", "chunk->dbc[t][n] += q * input;", "chunk->dbc[t][n] += qm * input;"),
    ("scan: the gradient of u forgets the skip", C + "scan_backward.c", "skip * dy + vload(chunk->delta[t] + i) * qb, w", "skip + vload(chunk->delta[t] + i) * qb, w"),
    ("scan: the adjoint is not carried over a chunk", C + "scan_backward.c", "state[n] = vload(carry[n] + i);", "state[n] = vset(0);"),
    ("scan: d A_log without the factor A", C + "scan_backward.c", "vload(da[n] + i) * vload(a[n] + i) * UNIT", "vload(da[n] + i) * UNIT"),
    ("scan: the gate's derivative without its slope", C + "scan_backward.c", "* gate * (1 + z * (1 - gate));", "* gate * (1 + z);"),
    ("scan: the gate is dropped", C + "scan.c", "vload(chunk->y[t] + i) * z * vsigmoid(z), width - i", "vload(chunk->y[t] + i) * z, width - i"),
    ("scan: the last states are those of another slot", C + "scan.c", "store_rows(args->after + slot * N * E + e", "store_rows(args->after + sequence * N * E + e"),
    ("softplus without guard", C + "kernel.h", "vec y = vmax(vset(0), x) + vlog1p(vexp(-vabs(x)));", "vec y = vlog1p(vexp(x));"),
    ("softplus' without its 1 far out is 1 everywhere", C + "scan_backward.c", "vselect(s > 20, vset(1), vsigmoid(s))", "vset(1)"),
    ("exp clamps at 80", C + "kernel.h", "vmin(vset(89), x)", "vmin(vset(80), x)"),
    ("convolution: off by one token", C + "conv.c", "K, t - K + 1 + k);\n                real *u", "K, t - K + k);\n                real *u"),
    ("convolution: the state is one token old", C + "conv.c", "input(x, args->x_stride, before, E, K, L - K + 1 + j)", "input(x, args->x_stride, before, E, K, L - K + j)"),
    ("convolution: taps in reverse in backward", C + "conv.c", "vload(dc[K - 1 - k] + i)", "vload(dc[k] + i)"),
    ("layer norm: unbiased variance", C + "norm.c", "(double)vsum(sum) / (double)D + eps", "(double)vsum(sum) / (double)max_int(D - 1, 1) + eps"),
    ("layer norm: backward adds the mean", C + "norm.c", "rstd * (g - mean_g - xhat * mean_gx)", "rstd * (g + mean_g - xhat * mean_gx)"),
    ("attention: a query sees the key after it", C + "attention.c", "j < min_int(QUERIES, first + i); j++", "j < min_int(QUERIES, first + i - 1); j++"),
    ("attention: scaled by the width, not its root", C + "attention.c", "transpose_in(q_columns, q, q_stride, queries, dh, (real)(1 / sqrt((double)dh)));", "transpose_in(q_columns, q, q_stride, queries, dh, (real)(1 / (double)dh));"),
    ("attention: backward adds delta", C + "attention.c", "probability * (vload(ds + i) - vload(delta + j))", "probability * (vload(ds + i) + vload(delta + j))"),
    ("rope: turns the other way", C + "attention.c", "y[j] = a * cosine[j - head] - b * sine[j - head];\n                y[j + half] = b * cosine[j - head] + a * sine[j - head];", "y[j] = a * cosine[j - head] + b * sine[j - head];\n                y[j + half] = b * cosine[j - head] - a * sine[j - head];"),
    ("rope: frequencies of neighbours are paired", C + "attention.c", "pow(10000, -2 * (double)j / (double)dh)", "pow(10000, -(double)j / (double)dh)"),
    ("rope: positions begin at 1", C + "attention.c", "args->past[t / L] : 0) + t % L;\n        for (int64_t j = 0; j < half", "args->past[t / L] : 0) + t % L + 1;\n        for (int64_t j = 0; j < half"),
    ("experts: the gate's factor is dropped in backward", C + "experts.c", "dgrouped[d] = gate * dy[d];", "dgrouped[d] = gate > 0 ? dy[d] : 0;"),
    ("experts: capacity off by one", C + "experts.c", "row[t] = rank < C ? rank : -1;", "row[t] = rank < C - 1 ? rank : -1;"),
    ("experts: capacity rounds up", JAVA + "nn/SwitchFeedForward.java", "Math.floor(capacityFactor * T / X)", "Math.ceil(capacityFactor * T / X)"),
    ("experts: a dropped token keeps a gradient for its gate", C + "experts.c", "args->dgate[t] = 0;", "args->dgate[t] = 1;"),
    ("router: softmax backward adds its mean", C + "experts.c", "probability[e] * (dlogits[e] - mean)", "probability[e] * (dlogits[e] + mean)"),
    ("router: balance gradient over T, not T squared", C + "experts.c", "args->alpha * (double)X / ((double)args->T * (double)args->T)", "args->alpha * (double)X / (double)args->T"),
    ("aux loss summed over layers, not averaged", JAVA + "train/TrainingProgram.java", "1.0 / ((double) microBatches * pass.routes().size())", "1.0 / microBatches"),
    ("aux loss of the metrics summed, not averaged", JAVA + "train/Trainer.java", "layers.stream().mapToDouble(Metrics.Experts::aux).average().orElse(0)", "layers.stream().mapToDouble(Metrics.Experts::aux).sum()"),
    ("micro-batches added up, not averaged", JAVA + "train/TrainingProgram.java", "1.0 / microBatches / pass.T()", "1.0 / pass.T()"),
    ("cross entropy: the target's share is forgotten", C + "loss.c", "dlogits[target] -= scale;", "(void)target;"),
    ("softmax: tiny numbers stay", C + "lanes.h", "-708 : -48", "-708 : -87"),
    ("embedding: the second of equal tokens wins", C + "embedding.c", "drow[d] += dx[d];", "drow[d] = dx[d];"),
    ("AdamW: bias correction one step late", JAVA + "train/Trainer.java", "var taken = step + 1.0;", "var taken = step + 2.0;"),
    ("AdamW: eps under the root", C + "optimiser.c", "(vsqrt(*v) * f->root + f->eps)", "(vsqrt(*v + f->eps) * f->root)"),
    ("AdamW: no expert rests", C + "optimiser.c", "args->kept[e] == 0) continue", "args->kept[e] < 0) continue"),
    ("lazy experts: only the last micro-batch counts", JAVA + "train/Trainer.java", "sum.getAtIndex(JAVA_INT, e) + took", "took"),
    ("AdamW: no decay", C + "optimiser.c", "f->decay * parameter + f->rate", "f->rate"),
    ("AdamW: A_log decays with the matrices", JAVA + "train/Trainer.java", "p.shape().rank() >= 2 && !p.name().endsWith(\"A_log\")", "p.shape().rank() >= 2"),
    ("clipping is missing", JAVA + "train/Trainer.java", "Math.min(1, options.clip() / (gradients.norm + 1e-6))", "1"),
    ("clipping also lengthens", JAVA + "train/Trainer.java", "Math.min(1, options.clip() / (gradients.norm + 1e-6))", "options.clip() / (gradients.norm + 1e-6)"),
    ("schedule: warmup begins at 0", JAVA + "train/Schedule.java", "lr * (step + 1) / warmup", "lr * step / warmup"),
    ("schedule: the cosine ends at 0", JAVA + "train/Schedule.java", "return minRatio * lr + (1 - minRatio) * lr", "return (1 - minRatio) * lr"),
    ("windows: targets are the inputs", JAVA + "train/Windows.java", "tokens.copy(window * L + 1, L, targets, at);", "tokens.copy(window * L, L, targets, at);"),
    ("evaluation drops tokens", JAVA + "train/Logits.java", "Pass.whole(graph, 1, tokens.length, true, weights.format())", "Pass.whole(graph, 1, tokens.length, false, weights.format())"),
    ("liveness: a value dies one step early", JAVA + "graph/Plan.java", "Math.max(life.last, step);", "Math.max(life.last, step - 1);"),
    ("planner: two that meet in one step share bytes", JAVA + "graph/Planner.java", "first <= other.last", "first < other.last"),
    ("in place over a value that is still read", JAVA + "graph/Plan.java", "&& last.get(candidate) == step", ""),
    ("backward: an addition keeps only its second gradient", JAVA + "graph/Backward.java", "graph.add(new Add(sum, sum, dy));", "graph.add(new Copy(sum, dy));"),
    ("parallel block: the switch reads the sum", JAVA + "model/Network.java", "graph.add(mixed, mlp().emit(pass, n))", "graph.add(mixed, mlp().emit(pass, mixed))"),
    ("int8: the scale of another row", C + "product.c", "scales_at(format) + 2 * (p * INTS + l)", "scales_at(format) + 2 * (p * INTS + (l ^ 1))"),
    ("int4: zero is at 7", C + "quantise.h", "PB_INT8_ZERO : PB_INT4_ZERO; }", "PB_INT8_ZERO : PB_INT4_ZERO - 1; }"),
    ("int8: what zeros add is added, not taken off", C + "quantise.c", "group->start = -args->zero * sum;", "group->start = args->zero * sum;"),
    ("int8: a token's scale is that of the group before", C + "quantise.c", "group->scale = (float)(most / 127 + not_finite);", "group[i > 0 ? -1 : 0].scale = group->scale = (float)(most / 127 + not_finite);"),
    ("scan: A of the block before", C + "scan.c", "e / PB_BLOCK * rows_of(N) : own", "max_int(e / PB_BLOCK - 1, 0) * rows_of(N) : own"),
    ("sessions: a sampled token is read twice", JAVA + "infer/Session.java", "            unread = false;\n", ""),
    ("sessions: the head reads the first token of a chunk", JAVA + "infer/SessionPool.java", "x.asSlice(x.byteSize() - bytes)", "x.asSlice(0, bytes)"),
    ("products: every expert has the first one's matrix", C + "gemm.c", "e * (args->trans_b ? args->n : args->k) * args->b_stride", "0 * (args->trans_b ? args->n : args->k) * args->b_stride"),
    ("products: the second half of a pair is the first again", C + "pack.h", "k > 1 ? line + stride : line", "line"),
    ("products: what is missing along k is packed", C + "pack.h", "c + i < columns ? k - s * step : 0", "c + i < columns ? VL * step : 0"),
    ("products: what has no whole lines is written past the caches", C + "gemm.c", "lengths) % LINE == 0", "lengths) % 4 == 0"),
    ("products: what should be added is assigned", C + "gemm.c", "s > 0 || args->accumulate ? ADD", "s > 0 ? ADD"),
    ("backward: the second product of a parameter assigns too", JAVA + "graph/Backward.java", "isWritten(parameter) || !assign", "!assign"),
    ("AdamW: sums are not cleared", JAVA + "train/Trainer.java", "program.assigned().contains(p)", "true"),
    ("batch: sessions share the first one's past", JAVA + "infer/SessionPool.java", "MemorySegment.copy(past, 0, batch.past, JAVA_INT, 0, B);", "MemorySegment.copy(past, 0, batch.past, JAVA_INT, 0, 1);"),
    ("alone steps: a barrier is left out behind them", JAVA + "graph/Executable.java", "alone[i] && (i + 1 == steps.length || alone[i + 1])", "alone[i]"),
    ("files: bf16 is cut, not rounded", JAVA + "io/Floats.java", "bits + 0x7FFF + (bits >>> 16 & 1) >>> 16", "bits >>> 16"),
    ("files: what is published is not forced", JAVA + "io/AtomicFiles.java", "            content.write(channel);\n            channel.force(true);", "            content.write(channel);"),
    ("checkpoint: a digest is not compared", JAVA + "io/Digests.java", "if (!of(file).equals(one.getValue())) {", "if (of(file).isEmpty()) {"),
    ("checkpoint: a file that is not in the manifest is let in", JAVA + "io/Digests.java", "if (!digests.containsKey(name) && Files.exists(directory.resolve(name))) {", "if (false) {"),
    ("checkpoint: the manifest may end anywhere", JAVA + "io/Digests.java", "end != text.length() || digests.isEmpty()", "digests.isEmpty()"),
    ("checkpoint: without a manifest it is believed", JAVA + "train/Checkpoint.java", "if (!digests && trainer.has(\"format\")) {", "if (!digests && trainer.has(\"version\")) {"),
    ("checkpoint: moments that are no numbers are saved", JAVA + "train/Trainer.java", "Stream.concat(weights.tensors().stream(), momentTensors().stream())", "weights.tensors().stream()"),
    ("checkpoint: moments that are no numbers are gone on from", JAVA + "train/Checkpoint.java", "for (var name : List.of(ModelFiles.WEIGHTS, MOMENTS)) {", "for (var name : List.of(ModelFiles.WEIGHTS)) {"),
    ("checkpoint: the one before is removed too", JAVA + "train/Checkpoint.java", "before.subList(Math.min(1, before.size()), before.size())", "before"),
    ("checkpoint: links are not turned", JAVA + "train/Checkpoint.java", "            checkpoint.link();\n            for (var bad", "            for (var bad"),
    ("training: saved before it has gone forward", JAVA + "train/TrainingRun.java", "} else if (savedStep < trainer.step() && (!going || due())) {", "}\n            if (savedStep < trainer.step() && (!going || due())) {"),
    ("training: nothing is saved before the first step", JAVA + "train/TrainingRun.java", "        if (savedStep < 0) {\n            return true;\n        }\n        if (saveEvery", "        if (saveEvery"),
    ("training: a step that is passed over leaves its gradients", JAVA + "train/Trainer.java", "if (stale) {", "if (false) {"),
    ("training: steps that are not finite are never too many", JAVA + "train/TrainingRun.java", "skipped >= MOST_SKIPPED || ", ""),
    ("lock: it is not taken", JAVA + "io/FolderLock.java", "if (channel.tryLock() != null) {", "if (channel.size() >= 0) {"),
    ("resume: the text's digest is not compared", JAVA + "cli/TrainCommand.java", "if (resume && !before.equals(texts.path(key).asString())) {", "if (false) {"),
    ("resume: a text that is given is not read", JAVA + "cli/TrainCommand.java", "if (!resume || given.has(option) || !Files.exists(file)) {", "if (!resume || !Files.exists(file)) {"),
    ("sessions: the file's digest is not compared", JAVA + "infer/SessionFile.java", "if (!digest(snapshot).equals(metadata.get(\"sha256\"))) {", "if (!metadata.containsKey(\"sha256\")) {"),
    ("OpenBLAS: what should be added is assigned", JAVA + "graph/GemmLowering.java", "accumulate ? 1 : 0,\n                Math", "0,\n                Math"),
    ("OpenBLAS: a part of columns begins at the first", JAVA + "graph/GemmLowering.java", "at(to.write(c), row * c.stride() + column)", "at(to.write(c), row * c.stride())"),
    ("OpenBLAS: where it is transposed, a part's rows are taken for columns", JAVA + "graph/GemmLowering.java", "transB ? at(to.read(b), column * b.stride())", "transB ? at(to.read(b), column)"),
    ("OpenBLAS: it has a thread for each core", "bindings/src/main/java/dev/panamba/bindings/Natives.java", ".invokeExact(1);", ".invokeExact(2);"),
    ("OpenBLAS: a short prompt loads it", JAVA + "graph/GemmLowering.java", "SMALLEST_SIDE = 256", "SMALLEST_SIDE = 64"),
    ("libraries: a folder that others can change is believed", "bindings/src/main/java/dev/panamba/bindings/LibraryFiles.java", "if (!isClosedToOthers(folder)) {", "if (!Files.isDirectory(folder)) {"),
    ("libraries: a copy that was changed is believed", "bindings/src/main/java/dev/panamba/bindings/LibraryFiles.java", "if (!isOurs || !isVerified(target)) {", "if (!isOurs) {"),
    ("sessions: of other weights they are let in", JAVA + "infer/Session.java", "if (!snapshot.fingerprint().equals(model.fingerprint())) {", "if (false) {"),
]


def tests(folder, which):
    """The first test that fails, or None."""
    shutil.rmtree(folder / "tests/target/surefire-reports", ignore_errors=True)
    command = ["mvn", "-o", "-q", "-Dspotless.check.skip", "-Dmaven.javadoc.skip", "-Dsurefire.skipAfterFailureCount=1", "package"]
    if which:
        command += [f"-Dtest={which}", "-Dsurefire.failIfNoSpecifiedTests=false"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    failures = re.findall(r"(?:dev\.panamba\.)?[\w.]*?(\w+Test|\w+Fuzz)\.(\w+)\S* -- Time elapsed.*<<< (?:FAILURE|ERROR)", re.sub(r"\x1b\[[\d;]*m", "", done.stdout))
    if failures:
        return ".".join(failures[0])
    if "COMPILATION ERROR" in done.stdout or not (folder / "tests/target/surefire-reports").exists():
        return DOES_NOT_BUILD
    return "the test JVM died"


def main(words):
    chosen = [m for m in MUTATIONS if words in m[0]]
    survived = 0
    print(f"| {len(chosen)} bugs, one at a time | noticed first by |\n|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "panamba"
        subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
        if failure := tests(folder, QUICK):
            raise SystemExit(f"The tests fail without any mutation: {failure}")
        for what, file, right, wrong in chosen:
            source = folder / file
            text = source.read_text()
            if text.count(right) != 1:
                raise SystemExit(f"{what}: the text stands {text.count(right)} times in {file}")
            source.write_text(text.replace(right, wrong))
            noticed = tests(folder, QUICK) or tests(folder, None)
            survived += noticed in (None, DOES_NOT_BUILD)
            print(f"| {what} | {f'`{noticed}`' if noticed else '**nobody**'} |", flush=True)
            source.write_text(text)
            os.utime(source, (time.time() + 2, time.time() + 2))
    print(f"\n{len(chosen) - survived} of {len(chosen)} noticed.")
    return survived > 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
