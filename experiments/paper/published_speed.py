#!/usr/bin/env python3
"""Times training with the published bGPT code, as it is but for products in bf16, to compare with bytecpu-bench: layers
and widths, programs of the same kind, optimiser and precision are the same.

    bytecpu-datagen generate --train 2000 --test 0 --out data
    published_speed.py FOLDER data [--batch 8] [--seconds 60] [--device cpu]
    bytecpu-bench train --family bgpt --loss all --optimizer adamw --precision bf16 --batch-patches 1600 --seconds 60

FOLDER holds the published utils.py and config.py, which are only imported. Needs pip's torch, transformers, samplings,
numpy and safetensors. Batches are drawn at random and padded to their longest trace, as the published training does; 8
traces are about 1,600 patches. Prints one line of JSON; like bytecpu-bench it counts as states the patches that are
predicted: memory image, states and end.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import GPT2Config

NOTHING = 256
WARM_UP = 2  # steps


def read_traces(folder):
    for shard in sorted(Path(folder).glob("train-*.safetensors")):
        tensors = load_file(shard)
        yield from tensors["bytes"].split(tensors["offsets"].diff().tolist())


def make_model(published):
    config = published.__dict__  # utils.py imports all of config.py
    width = config["HIDDEN_SIZE"]

    def gpt2(symbols, positions, layers):
        return GPT2Config(vocab_size=symbols, n_positions=positions, n_embd=width, n_layer=layers, n_head=width // 64,
                          n_inner=4 * width)

    return published.bGPTLMHeadModel(gpt2(1, config["PATCH_LENGTH"], config["PATCH_NUM_LAYERS"]),
                                     gpt2(NOTHING + 1, config["PATCH_SIZE"] + 1, config["BYTE_NUM_LAYERS"]))


def collate(traces, patch):
    """Symbols [B, L] of "bin" ‖ trace ‖ end, each padded to whole patches, and mask [B, L / patch]."""
    opening = torch.tensor([*b"bin"] + [NOTHING] * (patch - 3))
    files = [torch.cat((opening, t.long(), torch.full((patch,), NOTHING))) for t in traces]
    symbols = torch.nn.utils.rnn.pad_sequence(files, batch_first=True, padding_value=NOTHING)
    masks = torch.nn.utils.rnn.pad_sequence([torch.ones(len(f) // patch, dtype=torch.long) for f in files],
                                            batch_first=True)
    return symbols, masks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("data")
    parser.add_argument("--batch", type=int, default=8, help="traces a step; 8 is published")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if not (Path(arguments.folder) / "utils.py").is_file():
        parser.error(f"{arguments.folder}: holds no utils.py")
    traces = list(read_traces(arguments.data))
    if len(traces) < arguments.batch:
        parser.error(f"{arguments.data}: holds {len(traces)} traces to train on, a batch has {arguments.batch}")
    sys.path.insert(0, arguments.folder)
    import utils as published

    if published.PATCH_SAMPLING_BATCH_SIZE:
        sys.exit("config.py: PATCH_SAMPLING_BATCH_SIZE must be 0: not all patches would be predicted")
    device, patch = torch.device(arguments.device), published.PATCH_SIZE
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    torch.manual_seed(0)
    draw = random.Random(0)
    model = make_model(published).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    states = steps = 0
    start = time.perf_counter()
    while steps <= WARM_UP or time.perf_counter() - start < arguments.seconds:
        if steps == WARM_UP:
            wait()
            states, start = 0, time.perf_counter()
        symbols, masks = collate(draw.sample(traces, arguments.batch), patch)
        states += int(masks.sum()) - arguments.batch
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(symbols.to(device), masks.to(device)).loss
        loss.backward()
        loss.item()  # as the published loop does, which waits here
        optimizer.step()
        model.zero_grad(set_to_none=True)
        steps += 1
    wait()
    seconds = time.perf_counter() - start
    print(json.dumps({"benchmark": "train-published", "torch": torch.__version__, "device": str(device),
                      "threads": torch.get_num_threads(), "precision": "bf16",
                      "parameters": sum(p.numel() for p in model.parameters()), "batch": arguments.batch,
                      "steps": steps - WARM_UP, "states": states, "seconds": round(seconds, 3),
                      "states_per_second": round(states / seconds, 3)}))


if __name__ == "__main__":
    main()
