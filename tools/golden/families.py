"""Golden cases of the six families: writes FAMILY-CASE.safetensors files, which GoldenTest reads.

    python families.py ../../tests/src/test/resources/golden/families

Each file holds, beside float32 weights ("weights/NAME") and a text ("tokens", I32), what float64 mathematics makes of them:
  logits            [B, L, V] of the first batch as in training, where experts drop what they have no room for
  dropless_logits   [B, L, V] of the same tokens as in evaluation
  gradients/NAME    of loss + mean balance loss at the first step
  loss, aux, grad_norm, lr, dropped   [STEPS] of AdamW training on consecutive windows of the text
  trained/NAME      float32, the weights behind the last step
The metadata hold the config, the options of the training, and "margin": the smallest distance between the two highest router
logits of any token in any step. What is further apart than rounding is routed alike by everybody.
"""
import json
import pathlib
import sys

import torch
import torch.nn.functional as nn
from safetensors.torch import save_file

import reference

STEPS, B, L = 20, 3, 7
LEAST_MARGIN = 2e-3

mamba = {"state_size": 3, "conv_kernel": 4, "expand": 2, "time_step_rank": 5}
odd_mamba = {"state_size": 5, "conv_kernel": 3, "expand": 1.5, "time_step_rank": 2}
experts = {"num_experts": 5, "expert_size": 9, "capacity_factor": 1.0, "aux_loss": 0.01}
tight_experts = {"num_experts": 5, "expert_size": 6, "capacity_factor": 0.7, "aux_loss": 0.3}
paper = {"norm": "layer", "final_norm": False, "tie_embeddings": False, "position": "none", "max_positions": 0}
modern = {"norm": "rms", "final_norm": True, "tie_embeddings": True, "position": "none", "max_positions": 0}
learned = {"position": "learned", "max_positions": 11}
rope = {"position": "rope", "max_positions": 11}

CASES = {
    "mamba-paper": ("mamba", 13, paper, mamba),
    "mamba-modern": ("mamba", 10, modern, odd_mamba),
    "mamba-biases": ("mamba", 9, modern | {"norm": "layer", "use_bias": True, "use_conv_bias": False}, odd_mamba),
    "moe-mamba-paper": ("moe-mamba", 11, paper, mamba | experts),
    "moe-mamba-modern": ("moe-mamba", 10, modern, odd_mamba | tight_experts),
    "mamba-mlp-paper": ("mamba-mlp", 11, paper, mamba | {"intermediate_size": 17}),
    "transformer-paper": ("transformer", 15, paper | learned, {"num_heads": 3, "intermediate_size": 17}),
    "transformer-modern": ("transformer", 12, modern | rope, {"num_heads": 2, "intermediate_size": 7}),
    "transformer-moe-paper": ("transformer-moe", 15, paper | rope | {"num_heads": 1, "hidden_size": 14}, experts),
    "transformer-moe-modern": ("transformer-moe", 12, modern | learned | {"num_heads": 4}, tight_experts),
    "parallel-moe-mamba-paper": ("parallel-moe-mamba", 11, paper, mamba | experts),
    "parallel-moe-mamba-modern": ("parallel-moe-mamba", 10, modern, odd_mamba | tight_experts),
    "moe-mamba-bytes": ("moe-mamba", 8, paper | {"vocab_size": 256}, mamba | experts),
}

OPTIONS = {"steps": STEPS, "batch": B, "context": L, "lr": 0.01, "warmup": 5, "schedule": "cosine", "min_lr_ratio": 0.1,
           "clip": 0.5, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1}


def draw(config, seed):
    """Weights of every kind, none of them at a value where a mistake would not show."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in reference.shapes(config).items():
        noise = torch.randn(shape, generator=generator)
        if name.endswith(("norm.weight", "norm_f.weight", "mixer.D")):
            value = 1 + 0.2 * noise
        elif name.endswith("A_log"):
            value = torch.log(torch.arange(1.0, shape[1] + 1)) + 0.2 * noise
        elif name.endswith("dt_proj.bias"):
            value = -2 + noise
        elif name.endswith("bias"):
            value = 0.2 * noise
        elif name.endswith(("embeddings.weight", "positions.weight")):
            value = 0.7 * noise
        else:
            value = 0.8 * noise / shape[-1] ** 0.5
        weights[name] = value.float().contiguous()
    return weights


def step(p, config, tokens):
    """Loss, mean balance loss and records of one batch [B, L + 1]."""
    logits, record = reference.forward(p, config, tokens[:, :-1], dropless=False)
    loss = nn.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1))
    aux = torch.stack([layer["balance"] for layer in record]).mean() if record else torch.zeros((), dtype=torch.float64)
    return logits, loss, aux, record


def train(config, options, weights, tokens):
    """All that a golden file holds."""
    p = {name: weight.double().requires_grad_() for name, weight in weights.items()}
    groups = [{"params": [t for n, t in p.items() if reference.decays(options, n, t) == decay],
               "weight_decay": options["weight_decay"] if decay else 0.0} for decay in (True, False)]
    adamw = torch.optim.AdamW([g for g in groups if g["params"]], lr=1, betas=(options["beta1"], options["beta2"]),
                              eps=options["eps"])
    result = {"weights/" + n: w for n, w in weights.items()}
    curves = {name: [] for name in ("loss", "aux", "grad_norm", "lr", "dropped")}
    margin = float("inf")
    for s in range(STEPS):
        windows = torch.stack([tokens[w * L : w * L + L + 1] for w in range(s * B, (s + 1) * B)])
        logits, loss, aux, record = step(p, config, windows)
        adamw.zero_grad()
        (loss + aux).backward()
        norm = torch.sqrt(sum((t.grad**2).sum() for t in p.values()))
        if s == 0:
            result["logits"] = logits.detach()
            result["dropless_logits"] = reference.forward(p, config, windows[:, :-1], dropless=True)[0].detach()
            result |= {"gradients/" + n: t.grad.clone() for n, t in p.items()}
        margin = min([margin] + [layer["margin"] for layer in record])
        lr = reference.learning_rate(options, s)
        for name, value in zip(curves, (loss.item(), aux.item(), norm.item(), lr, float(sum(r["dropped"] for r in record)))):
            curves[name].append(value)
        for t in p.values():
            t.grad *= min(1, options["clip"] / (norm.item() + 1e-6))
        for group in adamw.param_groups:
            group["lr"] = lr
        adamw.step()
    result |= {name: torch.tensor(values, dtype=torch.float64) for name, values in curves.items()}
    result |= {"trained/" + n: t.detach().float() for n, t in p.items()}
    return result, margin


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for number, (case, (family, D, skeleton, parts)) in enumerate(CASES.items()):
        config = {"model_type": "panamba", "family": family, "vocab_size": 23 + number, "hidden_size": D, "num_blocks": 2,
                  "norm_eps": 1e-5, **parts, **skeleton}
        # Where the bound is far away, nothing may be lengthened to reach it.
        options = OPTIONS | {"decay": "all" if number % 2 == 0 else "matrices", "clip": 0.5 if number % 3 else 50.0}
        for seed in range(1000):
            generator = torch.Generator().manual_seed(seed)
            # Bytes are printable, so that they can be a text file.
            first, last = (32, 127) if config["vocab_size"] == 256 else (0, config["vocab_size"])
            tokens = torch.randint(first, last, (STEPS * B * L + 1,), generator=generator)
            result, margin = train(config, options, draw(config, seed), tokens)
            overflows = "num_experts" not in config or result["dropped"][0] > 0
            if margin > LEAST_MARGIN and overflows:
                break
        else:
            raise SystemExit(f"{case}: every seed comes close to a tie")
        result["tokens"] = tokens.to(torch.int32)
        metadata = {"config": json.dumps(config), "options": json.dumps(options), "margin": str(margin), "seed": str(seed)}
        save_file({n: t.contiguous() for n, t in sorted(result.items())}, folder / f"{case}.safetensors", metadata)
        print(f"{case}: seed {seed}, margin {margin:.2g}, loss {result['loss'][0]:.4f} -> {result['loss'][-1]:.4f}, "
              f"{int(result['dropped'].sum())} dropped, {sum(w.numel() for n, w in result.items() if n[:8] == 'weights/'):,} weights")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(pathlib.Path(sys.argv[1]))
