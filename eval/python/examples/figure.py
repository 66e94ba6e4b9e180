"""A figure of a dataset: how often its programs reach each state, and which operations they run.
python3 figure.py DATASET FIGURE.png"""

import sys
from collections import Counter

import matplotlib
import numpy

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import bytecpu

data = bytecpu.Dataset(sys.argv[1])
machine = bytecpu.Machine(data.layout["machine"], data.layout["memory_bytes"])
lengths = numpy.array([len(trace.states) for trace in data.train])
operations = Counter(machine.describe(state)["name"] for trace in data.train for state in trace.states[1:])

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.hist(lengths, bins=numpy.arange(lengths.min(), lengths.max() + 2) - 0.5)
left.set(xlabel="states", ylabel="programs", title=f"{len(lengths):,} programs of {data.layout['machine']}")
names, counts = zip(*operations.most_common(25))
right.barh(names[::-1], counts[::-1])
right.set(xlabel="states", title="the instruction that a state has fetched")
figure.savefig(sys.argv[2])
