"""The Python module bytecpu, installed: tests/python/module_test.py. BYTECPU_BIN names the folder of the
programs that it is compared with."""

import ast
import gc
import inspect
import json
import os
import re
import signal
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy

import bytecpu

SMALL = {"memory": 64, "max_instructions": 16}


def start_of(machine, program, **registers):
    state = machine.first_state()
    for field in machine.layout["fields"]:
        if field["name"] in registers:
            state[field["offset"]] = registers[field["name"]]
    return numpy.concatenate([machine.assemble(program), state])


def oracle(machine):
    """What the machine itself does next, as a predictor."""

    def predict(images, states):
        t = states.shape[1]
        traces = machine.run(numpy.concatenate([images, states[:, 0]], 1), steps=t)
        following = [trace.states[t] if len(trace.states) > t else numpy.zeros_like(states[0, 0]) for trace in traces]
        return numpy.array(following)

    return predict


def copy(images, states):
    return states[:, -1]


class Machines(unittest.TestCase):
    def test_a_program_runs_and_every_state_is_there(self):
        machine = bytecpu.Machine("toy8", memory=64)
        traces = machine.run(start_of(machine, "LOADI 200\nPOP A\nADD A A B\nHLT\n", B=3))
        self.assertEqual(len(traces), 1)
        trace = traces[0]
        self.assertEqual((trace.image.shape, trace.states.shape, trace.stop), ((64,), (5, 16), "halted"))
        self.assertEqual(trace.states[:, 6].tolist(), [0, 0, 0, 200, 200])
        self.assertEqual(trace.states[4, 7], 255)
        self.assertEqual(machine.describe(trace.states[3])["form"], "ADD R R R")
        self.assertTrue(machine.disassemble(trace.image).startswith("LOADI 200\n"))

    def test_every_machine_runs_its_random_programs_within_the_steps(self):
        for name in bytecpu.machines():
            machine = bytecpu.Machine(name)
            starts = machine.random_starts(20, seed=3)
            self.assertEqual(starts.shape, (20, machine.layout["memory_bytes"] + machine.layout["record_bytes"]))
            traces = machine.run(starts, steps=5)
            self.assertEqual(len(traces), 20)
            self.assertTrue(all(len(trace.states) <= 6 for trace in traces))

    def test_arrays_of_another_type_or_shape_are_refused(self):
        machine = bytecpu.Machine(memory=64)
        for starts in (numpy.zeros((2, 80)), numpy.zeros((2, 80), numpy.int8)):
            self.assertRaises(TypeError, machine.run, starts)
        with self.assertRaisesRegex(ValueError, r"starts: uint8 \[N, 80\] is wanted"):
            machine.run(numpy.zeros((2, 79), numpy.uint8))

    def test_what_is_wrong_with_arguments_is_said(self):
        with self.assertRaisesRegex(ValueError, "toy9"):
            bytecpu.Machine("toy9")
        machine = bytecpu.Machine()
        with self.assertRaisesRegex(ValueError, "JUMP"):
            machine.assemble("JUMP 3")
        for program in (3, None, "HLT \ud800", bytearray(b"HLT")):
            with self.assertRaisesRegex(TypeError, "program: "):
                machine.assemble(program)
        self.assertTrue((machine.assemble(b"HLT") == machine.assemble("HLT")).all())
        for count in (-1, 2**32):
            with self.assertRaisesRegex(ValueError, "count: from 0 to 4294967295"):
                machine.random_starts(count)

    def test_two_threads_may_call_one(self):
        machine = bytecpu.Machine(memory=64)
        starts = [machine.random_starts(300, seed=i, max_instructions=16) for i in range(20)]
        alone = [bytecpu.Machine(memory=64).run(each).bytes for each in starts]

        def use(i):
            again = machine.random_starts(300, seed=i, max_instructions=16)
            traces = machine.run(starts[i])
            state = traces[0].states[1]
            text = machine.disassemble(traces[0].image), machine.describe(state)["text"]
            return (again == starts[i]).all() and numpy.array_equal(traces.bytes, alone[i]) and all(text)

        with ThreadPoolExecutor(2) as threads:
            self.assertTrue(all(threads.map(use, range(20))))


class Streams(unittest.TestCase):
    def test_arrays_are_views_without_copies(self):
        traces = next(bytecpu.Stream(**SMALL, traces=10))
        for trace in traces:
            for part in (trace.bytes, trace.image, trace.states):
                self.assertTrue(numpy.shares_memory(part, traces.bytes))
        self.assertTrue(traces.bytes.flags.writeable)
        self.assertFalse(traces.offsets.flags.writeable)
        self.assertFalse(traces.stops.flags.writeable)
        offsets = traces.offsets
        self.assertEqual((offsets.dtype, offsets[0], offsets[-1]), (numpy.int64, 0, len(traces.bytes)))
        self.assertEqual(traces.stops.tolist(), [0] * 10)

    def test_arrays_outlive_what_they_are_views_of(self):
        states = next(bytecpu.Stream(**SMALL, traces=500))[499].states
        before = states.copy()
        gc.collect()
        more = [next(bytecpu.Stream(**SMALL, traces=500, seed=i)) for i in range(5)]
        self.assertTrue((states == before).all(), more)

    def test_items_are_a_function_of_arguments_and_index(self):
        stream = bytecpu.Stream(**SMALL, traces=600, seed=5)
        first, second = next(stream), next(stream)
        again = bytecpu.Stream(**SMALL, traces=600, seed=5, threads=2, index=1)
        self.assertEqual(stream.index, 2)
        self.assertTrue((next(again).bytes == second.bytes).all())
        self.assertFalse(numpy.array_equal(first.bytes, second.bytes))

    def test_two_threads_may_ask_one_for_items(self):
        stream, alone = (bytecpu.Stream(**SMALL, traces=200, seed=7) for _ in range(2))
        with ThreadPoolExecutor(2) as threads:
            items = {item.bytes.tobytes() for item in threads.map(lambda _: next(stream), range(20))}
        self.assertEqual(stream.index, 20)
        self.assertEqual(items, {next(alone).bytes.tobytes() for _ in range(20)})

    def test_an_item_that_failed_is_not_passed_over(self):
        stream = bytecpu.Stream(memory=64, max_instructions=1000)
        self.assertRaises(ValueError, next, stream)
        self.assertEqual(stream.index, 0)

    def test_the_longest_programs_are_those_that_fit(self):
        default, fitting = (bytecpu.Stream(memory=64, traces=50, max_instructions=most) for most in (None, 16))
        self.assertTrue((next(default).bytes == next(fitting).bytes).all())

    def test_train_and_test_share_no_program(self):
        train, test = (
            {trace.image.tobytes() for trace in next(bytecpu.Stream(**SMALL, traces=2000, split=split))}
            for split in ("train", "test")
        )
        self.assertFalse(train & test)


class Datasets(unittest.TestCase):
    def test_one_that_is_written_is_read_again(self):
        with tempfile.TemporaryDirectory() as folder:
            bytecpu.generate(Path(folder) / "data", "arm64", memory=512, train=30, test=7, seed=2)
            data = bytecpu.Dataset(Path(folder) / "data")
            self.assertEqual((len(data.train), len(data.test)), (30, 7))
            self.assertEqual(data.manifest["generator"]["seed"], 2)
            machine = bytecpu.Machine("arm64", memory=512)
            self.assertEqual(data.layout, machine.layout)
            for trace in data.test:
                start = numpy.concatenate([trace.image, trace.states[0]])
                self.assertTrue((machine.run(start)[0].bytes == trace.bytes).all())
            states = data.train[-1].states
            self.assertFalse(states.flags.writeable)
            self.assertRaises(IndexError, lambda: data.train[30])
            del data
            gc.collect()
            self.assertGreater(states.sum(), 0)

    def test_a_folder_without_one_is_named(self):
        with self.assertRaisesRegex(ValueError, "/nowhere"):
            bytecpu.Dataset("/nowhere")


class Judge(unittest.TestCase):
    def test_the_machine_itself_is_found_without_error(self):
        for machine in ("toy8", "x86_64"):
            memory = 64 if machine == "toy8" else 512
            predict = oracle(bytecpu.Machine(machine, memory=memory))
            result = bytecpu.evaluate(predict, machine, ["step", "rollout"], memory=memory, max_instructions=16, traces=50)
            for mode in ("step", "rollout"):
                rates = result.document["modes"][mode]
                for rate in ("bytes", "states", "traces", "ends"):
                    self.assertEqual(rates[rate]["wrong"], 0, (machine, mode, rate))
        result = bytecpu.evaluate(oracle(bytecpu.Machine(memory=64)), mode="exhaustive", memory=64, cases=30)
        self.assertEqual(result.document["modes"]["exhaustive"]["results"]["wrong"], 0)
        self.assertRegex(result.summary, r"\n0 of [0-9,]+ cases wrong\n$")

    def test_an_error_is_counted_where_it_is(self):
        truth = oracle(bytecpu.Machine(memory=64))

        def predict(images, states):
            following = truth(images, states)
            alive = following.any(1)
            if states.shape[1] == 2:
                following[alive, 8] ^= 1  # the register C of state 2
            return following

        result = bytecpu.evaluate(predict, mode="step", **SMALL, traces=50)
        step = result.document["modes"]["step"]
        long = step["by_step"]["states"][1]
        self.assertEqual((step["bytes"]["wrong"], step["states"]["wrong"]), (long, long))
        self.assertEqual({row["field"]: row["wrong"] for row in step["by_field"]}["C"], long)

    def test_figures_are_those_of_the_program(self):
        with tempfile.TemporaryDirectory() as folder:
            data, figures = Path(folder) / "data", Path(folder) / "figures.json"
            bytecpu.generate(data, **SMALL, train=10, test=40)
            evaluation = [os.environ["BYTECPU_BIN"] + "/bytecpu-eval", "baseline", "--predictor", "copy", "--data", data,
                          "--mode", "step,rollout,exhaustive", "--cases", "20", "--json", figures]
            subprocess.run(evaluation, check=True, stdout=subprocess.DEVNULL)
            program = json.loads(figures.read_text())
            result = bytecpu.evaluate(copy, mode=["step", "rollout", "exhaustive"], data=data, cases=20)
            report, document = Path(folder) / "report.html", Path(folder) / "document.json"
            result.save(report=report, json=document)
            self.assertEqual(json.loads(document.read_text()), result.document)
            self.assertTrue(report.read_text().startswith("<!DOCTYPE html>") or "<html" in report.read_text())
        for mode, ours in result.document["modes"].items():
            theirs = program["modes"][mode]
            for document in (ours, theirs):
                document.pop("seconds")
            if mode != "exhaustive":  # the program's predictor is that baseline
                copied = ours["baselines"].pop("copy")
                self.assertEqual(copied, {name: ours[name] for name in copied})
            self.assertEqual(ours, theirs, mode)
        self.assertEqual(result.document["data"], program["data"])
        self.assertIn("copy", result.title)

    def test_a_result_of_another_type_or_shape_is_a_type_error_that_says_what_is_wanted(self):
        for wrong in (lambda i, s: s[:, -1].astype(float), lambda i, s: s[:1, -1], lambda i, s: None, lambda i, s: s):
            with self.assertRaisesRegex(TypeError, r"mine must return uint8 \[7, 16\], the next record of each program"):
                bytecpu.evaluate(wrong, mode="step", **SMALL, traces=7, name="mine")

    def test_a_result_may_be_a_view_with_strides(self):
        results = [
            bytecpu.evaluate(predict, mode="step", **SMALL, traces=7, name="mine").document["modes"]["step"]
            for predict in (lambda i, s: s[:, -1], lambda i, s: s[:, -1].copy(),
                            lambda i, s: s[::-1, -1, ::-1].copy()[::-1, ::-1])
        ]
        for result in results:
            result.pop("seconds")
            self.assertEqual(result, results[0])

    def test_a_name_does_not_take_a_baseline_away(self):
        for name in ("copy", "oracle"):
            result = bytecpu.evaluate(copy, mode="step", **SMALL, traces=7, name=name)
            self.assertEqual(set(result.document["modes"]["step"]["baselines"]), {"copy", "oracle"})

    def test_it_ends_when_it_is_interrupted(self):
        calls = []
        # A shell's background jobs begin with it ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)

        def predict(images, states):
            calls.append(len(images))
            if len(calls) == 2:
                signal.raise_signal(signal.SIGINT)
            return states[:, -1]

        self.assertRaises(KeyboardInterrupt, bytecpu.evaluate, predict, mode="step", **SMALL, traces=200, chunk=1)

    def test_a_file_that_cannot_be_saved_leaves_nothing(self):
        result = bytecpu.evaluate(copy, mode="step", **SMALL, traces=7)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "page").mkdir()
            with self.assertRaisesRegex(ValueError, "page"):
                result.save(report=Path(folder) / "page")
            self.assertEqual(os.listdir(folder), ["page"])

    def test_what_the_predictor_raises_is_raised(self):
        def predict(images, states):
            raise ZeroDivisionError("mine")

        with self.assertRaisesRegex(ZeroDivisionError, "mine"):
            bytecpu.evaluate(predict, **SMALL, traces=7)

    def test_arguments_that_do_not_fit_are_refused(self):
        for arguments in ({"mode": "free"}, {"machine": "toy9"},
                          {"mode": "exhaustive", "forms": ["JMP"]}, {"chunk": 0}, {"data": "/nowhere"}, {"mode": []},
                          {"traces": -1}, {"traces": 0}, {"traces": -1, "data": "/nowhere"}, {"seed": -1},
                          {"mode": "exhaustive", "cases": -1}, {"mode": "exhaustive", "places": -1}):
            self.assertRaises(ValueError, bytecpu.evaluate, copy, **arguments)

    def test_arguments_that_would_change_nothing_are_refused(self):
        for arguments, name in (({"forms": ["ADD"]}, "forms"), ({"cases": 3}, "cases"), ({"places": 1}, "places"),
                                ({"data": "/nowhere", "machine": "toy8"}, "machine"),
                                ({"data": "/nowhere", "memory": 64}, "memory"),
                                ({"data": "/nowhere", "max_instructions": 3}, "max_instructions"),
                                ({"data": "/nowhere", "seed": 3}, "seed"),
                                ({"mode": "exhaustive", "traces": 3}, "traces"),
                                ({"mode": "exhaustive", "min_instructions": 3}, "min_instructions")):
            with self.assertRaisesRegex(ValueError, f"^{name}: "):
                bytecpu.evaluate(copy, **arguments)


class Documentation(unittest.TestCase):
    def test_everything_public_says_what_it_is(self):
        """Each has words, not only the signature that nanobind writes first."""

        def words(thing):
            lines = (thing.__doc__ or "").strip().splitlines()
            return [line for line in lines if line and not re.match(r"(def )?\w*\(.*\)( -> .*)?$", line)]

        seen = 0
        for name in bytecpu.__all__:
            thing = getattr(bytecpu, name)
            if name in ("Predict", "__version__"):
                continue
            self.assertTrue(words(thing), name)
            for member, what in vars(thing).items() if inspect.isclass(thing) else ():
                own = member in ("__len__", "__getitem__", "__iter__", "__next__") and thing is not bytecpu.Evaluation
                if own or not member.startswith("_"):
                    self.assertTrue(words(what), f"{name}.{member}")
                    seen += 1
        self.assertGreater(seen, 30)

    def test_there_are_types_for_all_of_it(self):
        stub = Path(bytecpu._core.__file__).parent / "_core.pyi"
        names = {getattr(node, "name", None) for node in ast.parse(stub.read_text()).body}
        self.assertLessEqual({"Dataset", "Machine", "Split", "Stream", "Trace", "Traces", "generate", "machines"}, names)
        self.assertTrue((stub.parent / "py.typed").exists())


if __name__ == "__main__":
    unittest.main()
