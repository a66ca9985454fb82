"""The six families of arXiv 2401.04081 in PyTorch: the formulas, one line each, in float64, nothing fast.

A model is a dict of tensors with the names of Panamba's files and a dict with the fields of its config.json. Shapes use one
alphabet: B batch, L length, T = B*L tokens, D width, E inner width, N state, R rank of delta, K taps, X experts, F expert
width, C capacity, V vocabulary. Gradients come from autograd, so no backward formula stands here.
"""
import math

import torch
import torch.nn.functional as nn


def shapes(config):
    """Name and shape of every parameter, in the order of the network."""
    D, V = config["hidden_size"], config["vocab_size"]
    family = config["family"]
    result = {"backbone.embeddings.weight": (V, D)}
    if config["position"] == "learned":
        result["backbone.positions.weight"] = (config["max_positions"], D)

    def norm(name):
        result[name + ".weight"] = (D,)
        if config["norm"] == "layer":
            result[name + ".bias"] = (D,)

    def mixer(name):
        if family.startswith("transformer"):
            result[name + ".attention.qkv.weight"] = (3 * D, D)
            result[name + ".attention.out.weight"] = (D, D)
            return
        E, N, K, R = inner(config), config["state_size"], config["conv_kernel"], config["time_step_rank"]
        bias = config.get("use_bias", False)
        result[name + ".mixer.in_proj.weight"] = (2 * E, D)
        if bias:
            result[name + ".mixer.in_proj.bias"] = (2 * E,)
        result[name + ".mixer.conv1d.weight"] = (E, 1, K)
        if config.get("use_conv_bias", True):
            result[name + ".mixer.conv1d.bias"] = (E,)
        result[name + ".mixer.x_proj.weight"] = (R + 2 * N, E)
        result[name + ".mixer.dt_proj.weight"] = (E, R)
        result[name + ".mixer.dt_proj.bias"] = (E,)
        result[name + ".mixer.A_log"] = (E, N)
        result[name + ".mixer.D"] = (E,)
        result[name + ".mixer.out_proj.weight"] = (D, E)
        if bias:
            result[name + ".mixer.out_proj.bias"] = (D,)

    def after(name):
        if "num_experts" in config:
            X, F = config["num_experts"], config["expert_size"]
            result[name + ".switch.router.weight"] = (X, D)
            result[name + ".switch.experts.up.weight"] = (X, F, D)
            result[name + ".switch.experts.down.weight"] = (X, D, F)
        else:
            F = config["intermediate_size"]
            result[name + ".feed_forward.up.weight"] = (F, D)
            result[name + ".feed_forward.up.bias"] = (F,)
            result[name + ".feed_forward.down.weight"] = (D, F)
            result[name + ".feed_forward.down.bias"] = (D,)

    index = 0
    for _ in range(config["num_blocks"]):
        for part in {"mamba": [mixer], "parallel-moe-mamba": [(mixer, after)]}.get(family, [mixer, after]):
            name = f"backbone.layers.{index}"
            norm(name + ".norm")
            for layer in part if isinstance(part, tuple) else [part]:
                layer(name)
            index += 1
    if config["final_norm"]:
        norm("backbone.norm_f")
    if not config["tie_embeddings"]:
        result["lm_head.weight"] = (V, D)
    return result


def inner(config):
    return int(config["expand"] * config["hidden_size"] + 1e-6)


def normalise(p, config, name, x):
    eps = config["norm_eps"]
    if config["norm"] == "rms":
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * p[name + ".weight"]
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + eps) * p[name + ".weight"] + p[name + ".bias"]


def mamba(p, config, name, n):
    """n [B, L, D] -> [B, L, D]"""
    E, N, K, R = inner(config), config["state_size"], config["conv_kernel"], config["time_step_rank"]
    B, L, _ = n.shape
    xz = nn.linear(n, p[name + ".in_proj.weight"], p.get(name + ".in_proj.bias"))
    x, z = xz[..., :E], xz[..., E:]
    c = torch.zeros_like(x) + (p[name + ".conv1d.bias"] if name + ".conv1d.bias" in p else 0)
    for k in range(K):
        shift = K - 1 - k
        past = torch.cat([x.new_zeros(B, min(shift, L), E), x[:, : max(L - shift, 0)]], 1)
        c = c + p[name + ".conv1d.weight"][:, 0, k] * past
    u = c * torch.sigmoid(c)
    rbc = nn.linear(u, p[name + ".x_proj.weight"])
    delta = nn.softplus(nn.linear(rbc[..., :R], p[name + ".dt_proj.weight"], p[name + ".dt_proj.bias"]))
    b, c = rbc[..., R : R + N], rbc[..., R + N :]
    a = -torch.exp(p[name + ".A_log"])
    h = x.new_zeros(B, E, N)
    ys = []
    for t in range(L):
        d, v = delta[:, t, :, None], u[:, t, :, None]
        h = torch.exp(d * a) * h + d * b[:, t, None, :] * v
        ys.append((h * c[:, t, None, :]).sum(-1) + p[name + ".D"] * u[:, t])
    g = torch.stack(ys, 1) * (z * torch.sigmoid(z))
    return nn.linear(g, p[name + ".out_proj.weight"], p.get(name + ".out_proj.bias"))


def attention(p, config, name, n):
    B, L, D = n.shape
    H = config["num_heads"]
    q, k, v = nn.linear(n, p[name + ".qkv.weight"]).view(B, L, 3, H, D // H).permute(2, 0, 3, 1, 4)
    if config["position"] == "rope":
        q, k = rotate(q), rotate(k)
    scores = q @ k.transpose(-1, -2) / math.sqrt(D // H)
    scores = scores.masked_fill(torch.ones(L, L, dtype=torch.bool).triu(1), -math.inf)
    y = torch.softmax(scores, -1) @ v
    return nn.linear(y.transpose(1, 2).reshape(B, L, D), p[name + ".out.weight"])


def rotate(x):
    """Pairs (j, j + width / 2) turn by position * 10000^(-2 j / width)."""
    L, width = x.shape[-2:]
    theta = 10000.0 ** (-2 * torch.arange(width // 2, dtype=x.dtype) / width)
    angle = torch.arange(L, dtype=x.dtype)[:, None] * theta
    first, second = x[..., : width // 2], x[..., width // 2 :]
    return torch.cat([first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()], -1)


def feed_forward(p, config, name, n):
    h = torch.relu(nn.linear(n, p[name + ".up.weight"], p[name + ".up.bias"]))
    return nn.linear(h, p[name + ".down.weight"], p[name + ".down.bias"])


def switch(p, config, name, n, dropless, record):
    """Each token through the expert of its highest logit; an expert takes the first C tokens that choose it."""
    T, X = n.shape[0] * n.shape[1], config["num_experts"]
    x = n.reshape(T, -1)
    logits = nn.linear(x, p[name + ".router.weight"])
    probability = torch.softmax(logits, -1)
    expert = logits.argmax(-1)
    C = T if dropless else min(T, math.floor(config["capacity_factor"] * T / X))
    y = torch.zeros_like(x)
    dropped = 0
    for e in range(X):
        chosen = (expert == e).nonzero()[:, 0]
        kept = chosen[:C]
        dropped += len(chosen) - len(kept)
        h = torch.relu(x[kept] @ p[name + ".experts.up.weight"][e].T)
        y = y.index_add(0, kept, probability[kept, e, None] * (h @ p[name + ".experts.down.weight"][e].T))
    load = torch.bincount(expert, minlength=X)
    record.append(
        {
            "balance": config["aux_loss"] * X * (load.double() / T * probability.mean(0)).sum(),
            "load": load,
            "dropped": dropped,
            "margin": (lambda top: (top[:, 0] - top[:, 1]).min().item())(logits.detach().topk(2).values),
        }
    )
    return y.view_as(n)


def forward(p, config, tokens, dropless):
    """tokens [B, L] -> logits [B, L, V] and one record for each Switch layer."""
    family = config["family"]
    record = []

    def mixer(name, n):
        if family.startswith("transformer"):
            return attention(p, config, name + ".attention", n)
        return mamba(p, config, name + ".mixer", n)

    def after(name, n):
        if "num_experts" in config:
            return switch(p, config, name + ".switch", n, dropless, record)
        return feed_forward(p, config, name + ".feed_forward", n)

    x = p["backbone.embeddings.weight"][tokens]
    if config["position"] == "learned":
        x = x + p["backbone.positions.weight"][: tokens.shape[1]]
    index = 0
    for _ in range(config["num_blocks"]):
        name = f"backbone.layers.{index}"
        n = normalise(p, config, name + ".norm", x)
        if family == "parallel-moe-mamba":
            x = x + mixer(name, n) + after(name, n)
        else:
            x = x + mixer(name, n)
            if family != "mamba":
                index += 1
                name = f"backbone.layers.{index}"
                x = x + after(name, normalise(p, config, name + ".norm", x))
        index += 1
    if config["final_norm"]:
        x = normalise(p, config, "backbone.norm_f", x)
    head = p["backbone.embeddings.weight" if config["tie_embeddings"] else "lm_head.weight"]
    return nn.linear(x, head), record


def learning_rate(options, step):
    lr, warmup, steps, ratio = options["lr"], options["warmup"], options["steps"], options["min_lr_ratio"]
    if step < warmup:
        return lr * (step + 1) / warmup
    if options["schedule"] == "constant":
        return lr
    return ratio * lr + (1 - ratio) * lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def decays(options, name, tensor):
    return options["decay"] == "all" or tensor.dim() >= 2 and not name.endswith("A_log")
