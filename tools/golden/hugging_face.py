"""Golden Mamba models as transformers writes and computes them: writes NAME/ directories, which HuggingFaceTest loads.

    python hugging_face.py ../../tests/src/test/resources/golden/hugging-face

Beside config.json and weights each holds expected.safetensors: "prompt" (I32), "logits" [L, V] of the prompt, and "greedy", the
200 tokens that follow when the likeliest is taken each time, computed in float32 from the stored weights; its metadata name
the smallest distance between the two highest logits on the way. One model is in the dialect of state-spaces/mamba, whose
vocabulary is padded to a multiple of 8; one of that dialect has LayerNorm, which transformers does not have, and is computed by
reference.py.
"""
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import MambaConfig, MambaForCausalLM

import families
import reference

GREEDY = 200
LEAST_MARGIN = 1e-3

MODELS = {
    "tied-f32": (torch.float32, None, dict(hidden_size=20, num_hidden_layers=2, state_size=5, conv_kernel=3, vocab_size=61)),
    "untied-bf16-shards": (torch.bfloat16, "20KB", dict(hidden_size=24, num_hidden_layers=3, state_size=16, time_step_rank=3,
                           use_bias=True, use_conv_bias=False, layer_norm_epsilon=1e-3, residual_in_fp32=False,
                           tie_word_embeddings=False, vocab_size=67)),
    "tied-f16": (torch.float16, None, dict(hidden_size=17, num_hidden_layers=2, state_size=7, expand=3, use_bias=True, vocab_size=59)),
}


def perturb(model, seed):
    """Away from the values at which a forgotten term would not show."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if "A_log" in name or "norm" in name or name.endswith(".D"):
                p += 0.2 * noise
            elif name.endswith("bias"):
                p += 0.3 * noise
            else:
                p.copy_(1.5 * noise / p.shape[-1] ** 0.5)


def expect(directory, logits_of, V, seed):
    """Writes expected.safetensors; false if a choice on the way is too close to call."""
    prompt = torch.randint(0, V, (1, 9), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        logits = logits_of(prompt)
        tokens, margin = prompt, float("inf")
        for _ in range(GREEDY):
            last = logits_of(tokens)[0, -1]
            top = last.topk(2).values
            margin = min(margin, (top[0] - top[1]).item())
            tokens = torch.cat([tokens, last.argmax()[None, None]], 1)
    result = {"prompt": prompt[0].to(torch.int32), "logits": logits[0].float().contiguous(),
              "greedy": tokens[0, prompt.shape[1] :].to(torch.int32).contiguous()}
    save_file(result, directory / "expected.safetensors", {"margin": str(margin), "seed": str(seed)})
    print(f"{directory.name}: seed {seed}, margin {margin:.2g}, {len(result['greedy'].unique())} different tokens")
    return margin > LEAST_MARGIN


def first(make):
    for seed in range(1000):
        if make(seed):
            return
    raise SystemExit("every seed comes close to a tie")


def transformers_model(directory, dtype, shard, fields, seed):
    shutil.rmtree(directory, ignore_errors=True)
    model = MambaForCausalLM(MambaConfig(**fields))
    perturb(model, seed)
    model.to(dtype).save_pretrained(directory, **({"max_shard_size": shard} if shard else {}))
    (directory / "generation_config.json").unlink(missing_ok=True)
    stored = MambaForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    return stored, expect(directory, lambda ids: stored(ids, use_cache=False).logits, fields["vocab_size"], seed)


def state_spaces_config(config, vocabulary):
    """config.json of state-spaces/mamba."""
    return {"d_model": config["hidden_size"], "n_layer": config["num_blocks"], "vocab_size": vocabulary,
            "ssm_cfg": {"d_state": config["state_size"], "d_conv": config["conv_kernel"], "expand": config["expand"],
                        "dt_rank": config["time_step_rank"], "bias": config.get("use_bias", False)},
            "rms_norm": config["norm"] == "rms", "residual_in_fp32": True, "fused_add_norm": True,
            "pad_vocab_size_multiple": 8, "tie_embeddings": config["tie_embeddings"]}


def state_spaces_names(weights):
    return {n.replace("backbone.embeddings.", "backbone.embedding."): w.contiguous() for n, w in weights.items()}


def state_spaces_rms(directory, seed):
    """A transformers model under the other dialect's names; the tied head is stored twice, as mamba_ssm stores it."""
    fields = dict(hidden_size=18, num_hidden_layers=2, state_size=16, conv_kernel=4, time_step_rank=4, vocab_size=56)
    _, good = transformers_model(directory, torch.float32, None, fields, seed)
    weights = load_file(directory / "model.safetensors")
    weights["lm_head.weight"] = weights["backbone.embeddings.weight"].clone()
    save_file(state_spaces_names(weights), directory / "model.safetensors", {"format": "pt"})
    config = {"hidden_size": 18, "num_blocks": 2, "state_size": 16, "conv_kernel": 4, "expand": 2, "time_step_rank": 4, "norm": "rms",
              "tie_embeddings": True}
    (directory / "config.json").write_text(json.dumps(state_spaces_config(config, 51), indent=2) + "\n")
    return good


def state_spaces_layer(directory, seed):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    config = {"family": "mamba", "vocab_size": 48, "hidden_size": 14, "num_blocks": 2, "state_size": 6, "conv_kernel": 2, "expand": 2,
              "time_step_rank": 1, "norm": "layer", "norm_eps": 1e-5, "final_norm": True, "tie_embeddings": False,
              "position": "none", "max_positions": 0, "use_bias": True}
    weights = {n: w.bfloat16() for n, w in families.draw(config, seed).items()}
    save_file(state_spaces_names(weights), directory / "model.safetensors", {"format": "pt"})
    (directory / "config.json").write_text(json.dumps(state_spaces_config(config, 45), indent=2) + "\n")
    p = {n: w.double() for n, w in weights.items()}
    return expect(directory, lambda ids: reference.forward(p, config, ids, dropless=True)[0], 45, seed)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (dtype, shard, fields) in MODELS.items():
        first(lambda seed: transformers_model(folder / name, dtype, shard, fields, seed)[1])
    first(lambda seed: state_spaces_rms(folder / "state-spaces-f32", seed))
    first(lambda seed: state_spaces_layer(folder / "state-spaces-bf16", seed))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(pathlib.Path(sys.argv[1]))
