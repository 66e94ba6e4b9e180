"""Machines that write down what they do, and a judge of whatever predicts it.

A machine runs a program and writes every state as a record of bytes; a model predicts the next record. Here are the
machines (`Machine`), endless streams of fresh programs run on them (`Stream`), datasets on disk (`generate`, `Dataset`),
and the judge (`evaluate`). All arrays are uint8 unless said otherwise. Those of streams and datasets are views, not
copies, and keep what they show alive.

    import bytecpu
    for traces in bytecpu.Stream(machine="toy8", memory=64, max_instructions=16, traces=1024):
        trace = traces[0]
        print(trace.image.shape, trace.states.shape)      # (64,) (states, 16)
        break

What the bytes of a record mean is in `Machine(...).layout["fields"]`, and in the folder emulator's README.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from ._core import (
    Dataset,
    Machine,
    Split,
    Stream,
    Trace,
    Traces,
    __version__,
    generate,
    machines,
)
from . import _core

__all__ = [
    "Dataset",
    "Evaluation",
    "Machine",
    "Predict",
    "Split",
    "Stream",
    "Trace",
    "Traces",
    "__version__",
    "evaluate",
    "generate",
    "machines",
]

Bytes = NDArray[numpy.uint8]
#: predict(images [N, memory], states [N, t, record]) -> state t of each [N, record]; zeros: it ends before it
Predict = Callable[[Bytes, Bytes], Bytes]


class Evaluation:
    """What came out of an evaluation: the document and the report of bytecpu-eval."""

    def __init__(self, text: str) -> None:
        self._text = text
        #: As eval's README describes it: format "bytecpu-evaluation"; "modes" has the figures.
        self.document: dict[str, Any] = json.loads(text)

    @property
    def title(self) -> str:
        """The result in one line: "toy8, 64 bytes, mine: 1 of 665,632 bytes wrong"."""
        return _core._title(self._text)

    @property
    def summary(self) -> str:
        """The title, and the figures as tables."""
        return _core._summary(self._text)

    @property
    def report(self) -> str:
        """The report, one HTML page that needs nothing else."""
        return _core._report(self._text)

    def save(self, *, report: str | os.PathLike[str] | None = None, json: str | os.PathLike[str] | None = None) -> None:
        """Writes the report, the document, or both: each file is complete, or as it was before."""
        if report is not None:
            _core._write_file(report, self.report)
        if json is not None:
            _core._write_file(json, self._text + "\n")

    def __str__(self) -> str:
        return self.summary

    def __repr__(self) -> str:
        return f"<bytecpu.Evaluation: {self.title}>"


def _refuse(why: str, **arguments: Any) -> None:
    """Raises ValueError where one of the arguments was given: it would change nothing."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"{name}: {why}")


def _at_least(least: int, **arguments: int | None) -> None:
    for name, value in arguments.items():
        if value is not None and value < least:
            raise ValueError(f"{name}: {least} or more, not {value}")


def evaluate(
    predict: Predict,
    machine: str | None = None,
    mode: str | Sequence[str] = "rollout",
    *,
    memory: int | None = None,
    data: str | os.PathLike[str] | None = None,
    traces: int | None = None,
    seed: int | None = None,
    min_instructions: int | None = None,
    max_instructions: int | None = None,
    forms: Sequence[str] | None = None,
    cases: int | None = None,
    places: int | None = None,
    chunk: int = 1024,
    name: str | None = None,
) -> Evaluation:
    """Judges a predictor of a machine's next state, every wrong byte counted. As with bytecpu-eval, an argument that
    would change nothing is refused.

    predict: a callable (images, states) -> records, of uint8 arrays [N, memory], [N, t, record] -> [N, record]. Given
        the memory images of N programs and their states 0 … t - 1, it returns state t of each. A record of zeros says
        that a program has ended before it. N and t differ from call to call; the arrays may be kept or overwritten,
        and what is returned may be a view with strides, such as states[:, -1].
    machine: of machines(); "toy8" by default.
    mode: one or several of
        "step"        every state predicted from the true ones before it
        "rollout"     free run from state 0 to the end that the predictor says
        "exhaustive"  every form of every instruction alone: every value of its operands (toy8), or samples
    memory: bytes of the memory image; 1024 by default.
    data: a dataset, whose test split is taken in place of fresh programs; it says which machine and memory.
    traces: how many programs, for step and rollout: fresh ones (by default 1000), which no stream of the split "train"
        has, or the dataset's first ones (by default all).
    seed: of fresh programs, and of the registers and samples in exhaustive evaluation; 0 by default.
    min_instructions, max_instructions: of fresh programs; by default from 1 to what the memory holds, at most 255.
    forms: exhaustive: only these operations or forms, such as "DIV", "ADD R R" or "add r, r".
    cases: exhaustive: at most so many of each form, spread evenly; 0, the default: all that there are, or 1,000 samples.
    places: exhaustive: the instruction is one of its program's first so many; 0, the default: anywhere.
    chunk: programs given to `predict` at once, at most.
    name: of the predictor, in the report.
    """
    modes = [mode] if isinstance(mode, str) else list(mode)
    if not modes:
        raise ValueError('mode: at least one of "step", "rollout" and "exhaustive"')
    for one in modes:
        if one not in ("step", "rollout", "exhaustive"):
            raise ValueError(f'mode: "step", "rollout" or "exhaustive", not {one!r}')
    needs_traces = any(one != "exhaustive" for one in modes)
    if data is not None:
        _refuse("the dataset says it", machine=machine, memory=memory)
        _refuse("of fresh programs, not of a dataset's", min_instructions=min_instructions, max_instructions=max_instructions)
    if not needs_traces:
        _refuse(
            "of the modes step and rollout",
            traces=traces,
            min_instructions=min_instructions,
            max_instructions=max_instructions,
        )
    if "exhaustive" not in modes:
        _refuse("of the mode exhaustive", forms=forms, cases=cases, places=places)
        if data is not None:
            _refuse("of fresh programs, or of the mode exhaustive", seed=seed)
    _at_least(0, seed=seed, cases=cases, places=places)
    _at_least(1 if data is None else 0, traces=traces)
    _at_least(1, memory=memory, min_instructions=min_instructions, max_instructions=max_instructions, chunk=chunk)
    if traces is None:
        traces = 1000 if data is None else 0
    text = _core._evaluate(
        predict,
        name or getattr(predict, "__name__", type(predict).__name__),
        "toy8" if machine is None else machine,
        1024 if memory is None else memory,
        modes,
        None if data is None else os.fspath(data),
        traces,
        seed or 0,
        list(forms or ()),
        cases or 0,
        places or 0,
        min_instructions or 1,
        max_instructions,
        chunk,
    )
    return Evaluation(text)
