#!/usr/bin/env python3
"""Makes the numbers in fixtures/ that published_test.cpp compares with, by running the published bGPT code.

    make_fixtures.py FOLDER     # FOLDER holds its utils.py and config.py, which are only imported

Run by hand, on the CPU; needs pip's torch, transformers, samplings, numpy and safetensors. Two tiny models learn a
few short traces, so that their weights are not trivial and their free runs come to an end. For each it writes
NAME.weights.safetensors, as a published .pth converts, in half precision to be small (the figures are of the rounded
weights, computed in double precision), and NAME.expected.safetensors:

    traces U8, offsets I64      the batch: memory image, state 0, state 1, ... of each trace; lengths differ
    sampled, log_sum F32        logits [N, P, ..] of every 64th symbol of each predicted patch, padding left out, and
                                the logarithm of the sum of exp(logits) over all symbols
    loss F32                    mean cross-entropy over every patch but the first
    gradient.X F32, index.X I32 of the loss for parameter X: what is not zero of it, flattened, and where that is
    generated U8, generated_offsets I64    greedy continuation of memory image and state 0 until the model ended it
"""

import random
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import GPT2Config

NOTHING = 256
EXTENSION = list(b"bin")
RECORD_BYTES = 16
CASES = {
    # A record is one patch, as published.
    "patch16": dict(patch=16, memory=32, width=8, heads=2, patch_layers=1, byte_layers=1, states=[2, 5, 1, 4]),
    # A record is four patches.
    "patch4": dict(patch=4, memory=16, width=8, heads=2, patch_layers=2, byte_layers=2, states=[1, 3, 2]),
}


def make_traces(memory, states):
    """Random bytes, few of them distinct, so that tiny models can learn them; each trace opens differently."""
    draw = random.Random(1)
    alphabet = [0, 1, 7, 128, 255]
    return [bytes(draw.choice(alphabet) for _ in range(memory + RECORD_BYTES * (n + 1))) for n in states]


def make_model(published, case):
    published.PATCH_SIZE = case["patch"]
    longest = 2 + (case["memory"] + RECORD_BYTES * (max(case["states"]) + 3)) // case["patch"]

    def config(symbols, positions, layers):
        return GPT2Config(vocab_size=symbols, n_positions=positions, n_embd=case["width"], n_layer=layers,
                          n_head=case["heads"], n_inner=4 * case["width"])

    torch.manual_seed(0)
    model = published.bGPTLMHeadModel(config(1, longest, case["patch_layers"]),
                                      config(NOTHING + 1, case["patch"] + 1, case["byte_layers"]))
    return model.eval(), longest  # eval: no dropout


def batch_of(traces, patch):
    """Symbols and mask of the padded batch, as the published training collates files."""
    files = [EXTENSION[:patch] + [NOTHING] * (patch - len(EXTENSION)) + list(t) + [NOTHING] * patch for t in traces]
    longest = max(map(len, files))
    symbols = torch.tensor([f + [NOTHING] * (longest - len(f)) for f in files])
    mask = torch.tensor([[int(p * patch < len(f)) for p in range(longest // patch)] for f in files])
    return symbols, mask


def generate(model, start, patch, longest):
    """Greedy, in float; stops where the model chooses "nothing", as the published inference does."""
    symbols = EXTENSION[:patch] + [NOTHING] * (patch - len(EXTENSION)) + list(start)
    first = len(symbols)
    while len(symbols) < longest * patch:
        chosen = [int(s) for s in model.generate(torch.tensor([[symbols]]), top_k=1)]
        if NOTHING in chosen:
            assert chosen == [NOTHING] and (len(symbols) - first) % RECORD_BYTES == 0, "ends within a record"
            return bytes(symbols[first:])
        symbols += chosen
    raise AssertionError("does not end")


def concatenated(parts):
    offsets = torch.tensor([0] + [len(p) for p in parts]).cumsum(0)
    return torch.tensor(list(b"".join(parts)), dtype=torch.uint8), offsets


def make(published, name, case, folder):
    patch = case["patch"]
    traces = make_traces(case["memory"], case["states"])
    model, longest = make_model(published, case)
    symbols, mask = batch_of(traces, patch)
    # Strong decay keeps the weights small: logits of large ones are uncertain by more than 1e-5 in float.
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=1.0)
    for _ in range(500):
        optimizer.zero_grad()
        model(symbols, mask.clone()).loss.backward()  # the published forward pass writes to its mask
        optimizer.step()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.half())

    start = case["memory"] + RECORD_BYTES
    with torch.no_grad():
        runs = [generate(model, t[:start], patch, longest) for t in traces]

    model.double().zero_grad()
    output = model(symbols, mask.clone())
    output.loss.backward()
    logits = output.logits.detach()[:, :patch]  # the last position predicts nothing
    expected = {"sampled": logits[..., ::64].contiguous(), "log_sum": logits.logsumexp(-1), "loss": output.loss.detach()}
    for parameter, tensor in model.named_parameters():
        if tensor.grad is None:
            continue
        gradient = tensor.grad.flatten()
        index = gradient.nonzero().flatten()
        expected["gradient." + parameter] = gradient[index]
        expected["index." + parameter] = index.int()
    expected["traces"], expected["offsets"] = concatenated(traces)
    expected["generated"], expected["generated_offsets"] = concatenated(runs)

    expected = {k: v.float() if v.is_floating_point() else v for k, v in expected.items()}
    state = {k: v.half().clone() for k, v in model.state_dict().items()}
    heads = str(case["heads"])
    metadata = {"format": "pt", "patch_heads": heads, "byte_heads": heads}
    save_file(state, folder / f"{name}.weights.safetensors", metadata)
    save_file(expected, folder / f"{name}.expected.safetensors", {"memory_bytes": str(case["memory"])})
    print(f"{name}: loss {output.loss.item():.4f}, records generated {[len(r) // RECORD_BYTES for r in runs]}, "
          f"in the traces {case['states']}")


def main():
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "utils.py").is_file():
        sys.exit("usage: make_fixtures.py FOLDER, where FOLDER holds the published bGPT's utils.py and config.py")
    sys.path.insert(0, sys.argv[1])
    import utils as published

    folder = Path(__file__).parent / "fixtures"
    folder.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    for name, case in CASES.items():
        make(published, name, case, folder)


if __name__ == "__main__":
    main()
