"""A PyTorch model of thirty lines learns toy8 from the stream, and is judged: python3 train.py [MINUTES]."""

import sys
import time

import torch
from torch import nn

import bytecpu

MEMORY = 64  # 16 instructions, each its four bytes


class Model(nn.Module):
    """The next record from the one before and the instruction that the PC stands at: toy8 needs no more."""

    def __init__(self, width=512):
        super().__init__()
        self.bytes = nn.Embedding(256 * 20, 32)  # a byte at each of 20 places
        self.body = nn.Sequential(nn.Linear(20 * 32, width), nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.head = nn.Linear(width, 16 * 257)  # of each byte 256 values, and the end

    def forward(self, images, records):
        at = (records[:, :1].long() * 4 + torch.arange(4)) % MEMORY
        seen = torch.cat([records, images.gather(1, at)], 1).long()
        embedded = self.bytes(seen + 256 * torch.arange(20)).flatten(1)
        return self.head(self.body(embedded)).unflatten(1, (16, 257))


model = Model()
optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
end = time.time() + 60 * float(sys.argv[1] if len(sys.argv) > 1 else 5)
for step, traces in enumerate(bytecpu.Stream(memory=MEMORY, max_instructions=16, traces=128, small_operands=0.5)):
    images, before, after = [], [], []
    for trace in traces:
        states = torch.from_numpy(trace.states)
        images.append(torch.from_numpy(trace.image).expand(len(states), -1))
        before.append(states)
        after += [states[1:].long(), torch.full((1, 16), 256)]  # 256: it has ended
    logits = model(torch.cat(images), torch.cat(before))
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), torch.cat(after).flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}: loss {loss.item():.4f}", flush=True)
    if time.time() > end:
        break


@torch.no_grad()
def predict(images, states):
    best = model(torch.from_numpy(images), torch.from_numpy(states[:, -1])).argmax(2)
    best[(best == 256).any(1)] = 0  # zeros: it ends
    return best.to(torch.uint8).numpy()


result = bytecpu.evaluate(predict, "toy8", ["rollout", "exhaustive"], memory=MEMORY, max_instructions=16, cases=2000,
                          name="thirty lines")
print(result)
result.save(report="report.html", json="evaluation.json")
