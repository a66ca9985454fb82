"""What Panamba writes, opened by Python: python check_exports.py (with torch, transformers and safetensors)

Every golden Mamba is exported and opened by transformers, whose logits must be those of the golden file; every golden model of
the paper's families is exported and opened by safetensors, with the names, shapes and numbers that went in.
Each export is exported again to the same bytes.
"""
import filecmp
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import MambaForCausalLM

import reference

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/src/test/resources/golden"


def panamba(*arguments):
    subprocess.run([ROOT / "tools/panamba", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)


def export(model, folder):
    panamba("export", "--model", model, "--out", folder / "first")
    panamba("export", "--model", folder / "first", "--out", folder / "second")
    same = filecmp.cmpfiles(folder / "first", folder / "second", ["config.json", "model.safetensors"], shallow=False)[0]
    assert len(same) == 2, f"{model.name}: a second export differs"
    return folder / "first"


def check_mamba(model, folder):
    expected = load_file(model / "expected.safetensors")
    exported = export(model, folder)
    if json.loads((exported / "config.json").read_text())["model_type"] != "mamba":
        return "not one of transformers' models"
    mamba, report = MambaForCausalLM.from_pretrained(exported, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values()), report
    with torch.no_grad():
        logits = mamba.eval()(expected["prompt"][None].long(), use_cache=False).logits[0]
    error = ((logits - expected["logits"]).abs().max() / expected["logits"].abs().max()).item()
    assert error < 1e-6, f"{model.name}: logits differ by {error}"
    return f"transformers' logits differ by {error:.1e} of the largest"


def check_family(case, folder):
    with safe_open(case, "pt") as file:
        config = json.loads(file.metadata()["config"])
        weights = {n.removeprefix("weights/"): file.get_tensor(n) for n in file.keys() if n.startswith("weights/")}
    model = folder / "model"
    model.mkdir()
    save_file(weights, model / "model.safetensors")
    (model / "config.json").write_text(json.dumps(config))
    exported = export(model, folder)
    back = load_file(exported / "model.safetensors")
    shapes = {n: tuple(s) for n, s in reference.shapes(config).items()}
    assert {n: tuple(w.shape) for n, w in back.items()} == shapes, f"{case.stem}: other names or shapes"
    assert all(torch.equal(back[n], w) for n, w in weights.items()), f"{case.stem}: other numbers"
    return f"{len(back)} tensors are equal"


def main():
    for models, check in ((sorted((GOLDEN / "hugging-face").iterdir()), check_mamba),
                          (sorted((GOLDEN / "families").iterdir()), check_family)):
        for model in models:
            with tempfile.TemporaryDirectory() as folder:
                print(f"{model.stem}: {check(model, pathlib.Path(folder))}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
