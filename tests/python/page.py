"""page.py PUBLISHED PAGE...: runs the indented Python blocks of the pages' sections "Python", in order and in one
namespace; then checks what they left. Blocks that need PyTorch are left out where it is not installed. PUBLISHED is the
folder of the published code, or empty. Called by tests/python/run."""

import importlib.util
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
published, *pages = sys.argv[1:]
blocks = []
for page in pages:
    section = re.search(r"^## Python(.*?)^## ", Path(page).read_text(), re.MULTILINE | re.DOTALL).group(1)
    blocks += [b for b in re.findall(r"(?:^(?:    .*)?\n)+", section, re.MULTILINE) if b.strip()]
assert len(blocks) == 6, blocks

have_torch = importlib.util.find_spec("torch") is not None
space = {}
run = [b for b in blocks if have_torch or "torch" not in b]
for block in run:
    exec(compile("\n".join(line[4:] for line in block.splitlines()), "README.md", "exec"), space)

states, field = space["states"], space["field"]
assert states.shape[1] == 16 and field["PC"][0] == 0 and field["OP"][-1] == 0, states
assert space["trace"].states.shape[1] == 16 and "copy" in space["result"].title and Path("report.html").exists()
assert len(space["points"]) == 2 and all(0 <= right <= 1 for _, right in space["points"]), space["points"]
assert Path("accuracy.png").read_bytes().startswith(b"\x89PNG")
if have_torch:
    import torch

    state = torch.load("weights.pth", map_location="cpu")["model"]
    assert all(torch.equal(state[name], tensor) for name, tensor in space["weights"].items())
if published:
    sys.path.insert(0, published)
    import transformers
    import utils

    def config(symbols, positions):
        return transformers.GPT2Config(vocab_size=symbols, n_positions=positions, n_embd=64, n_layer=1, n_head=1)

    model = utils.bGPTLMHeadModel(config(1, 32), config(257, 17))
    model.load_state_dict(state)
    print("the published model takes the weights")
print(f"{len(run)} of {len(blocks)} blocks run")
