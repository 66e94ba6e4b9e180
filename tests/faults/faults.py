#!/usr/bin/env python3
"""Kills, full disks, flipped bits, two at once: does bytecpu lose or spoil anything without a word?

    tests/faults/faults.py [--bin build/release/bin] [--tries 5] [--seed 0] [--only WORD]

To be run by a person before a release; takes some minutes. Every try works on files of its own in a temporary
folder. Prints a table and ends with 1 where a try failed. Needs nothing but Python."""
import argparse
import json
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

GENERATE = "generate --memory 64 --max-instructions 6 --shard-traces 100 --seed 3".split()
# By format: so many that it is at work for a while. A file a trace takes longer.
TRACES = {"shards": ["--train", 6000, "--test", 400], "files": ["--train", 600, "--test", 40]}
TRAINING = """family = transition
patch-layers = 1
patch-width = 16
patch-heads = 2
byte-layers = 1
byte-width = 64
byte-heads = 2
byte-mlp = 1
memory-width = 16
memory-heads = 2
byte-init = structured
optimizer = muon
batch-patches = 64
pool-traces = 64
log-every = 1
validate-every = 20
validation-traces = 32
checkpoint-every = 5
average = 0.3
precision = fp32
threads = 1
schedule = constant
warmup = 0
"""
CHECKPOINT_FILES = ["model.safetensors", "optimizer.safetensors", "training.json", "config.json", "checksums.json"]


class Failed(Exception):
    pass


def check(held, what):
    if not held:
        raise Failed(what)


class Bench:
    """Commands of one try, and the folder that they write to."""

    def __init__(self, bin_folder, folder, rng):
        self.bin, self.folder, self.rng = bin_folder, folder, rng
        (folder / "config.ini").write_text(TRAINING)

    def start(self, program, arguments, limit=None):
        def limit_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        command = [str(self.bin / program)] + [str(a) for a in arguments]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                errors="replace",  # a message may quote a damaged file
                                preexec_fn=limit_files if limit else None)

    def run(self, program, arguments, limit=None):
        """Exit code and what was said on standard error."""
        process = self.start(program, arguments, limit)
        errors = process.communicate()[1]
        return process.returncode, errors

    def must(self, program, arguments):
        code, errors = self.run(program, arguments)
        check(code == 0, f"{program} {arguments[0]}: exit code {code}: {errors.strip()}")

    def run_and_kill(self, program, arguments, longest):
        """Killed after a random time, or finished before."""
        process = self.start(program, arguments)
        try:
            process.wait(self.rng.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()

    # Commands by name: program and arguments that write to `out`.

    def generate(self, out, form="shards"):
        return "bytecpu-datagen", GENERATE + TRACES[form] + ["--format", form, "--out", out]

    def export_files(self, out):
        data = self.folder / "few"
        if not data.exists():
            self.must("bytecpu-datagen", GENERATE + TRACES["files"] + ["--out", data])
        return "bytecpu-datagen", ["export", data, "--out", out]

    def import_files(self, out):
        files = self.folder / "files"
        if not files.exists():
            self.must(*self.generate(files, "files"))
        return "bytecpu-datagen", ["import", files, "--memory", 64, "--shard-traces", 100, "--out", out]

    def train(self, out, steps=60):
        return "bytecpu-train", ["--config", self.folder / "config.ini", "--data", self.dataset(), "--steps", steps,
                                 "--out", out, "--resume"]

    def export_weights(self, out):
        run = self.folder / "trained"
        if not run.exists():
            self.must(*self.train(run, 5))
        return "bytecpu-train", ["export", "--checkpoint", run, "--out", out]

    def dataset(self):
        data = self.folder / "data"
        if not data.exists():
            self.must(*self.generate(data))
        return data

    def wait_for_checkpoint(self, process, run):
        while process.poll() is None and not list(run.glob("step-*")):
            time.sleep(0.01)
        check(process.poll() is None, "the training ended before its first checkpoint")


def contents(folder):
    """All that must be the same after another try: not the times of a training."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or name in ("config.ini", "run.json") or path.name in ("training.json", "checksums.json"):
            continue
        if path.name == "metrics.jsonl":
            found[name] = [json.loads(line).get("loss") for line in path.read_text().splitlines()]
        else:
            found[name] = path.read_bytes()
    return found


def compare(whole, other):
    a, b = contents(whole), contents(other)
    check(a.keys() == b.keys(), f"other files than undisturbed: {sorted(a.keys() ^ b.keys())[:3]}")
    different = [name for name in a if a[name] != b[name]]
    check(not different, f"other bytes than undisturbed: {different[:3]}")


def killed(make):
    """Killed at random times until it is done, it has the bytes of an undisturbed one."""
    def test(bench):
        whole, out = bench.folder / "whole", bench.folder / "out"
        command = make(bench, whole)
        start = time.monotonic()
        bench.must(*command)
        longest = time.monotonic() - start
        for _ in range(3):
            bench.run_and_kill(*make(bench, out), longest)
            if out.exists() and command[1][0] == "export" and command[0] == "bytecpu-train":
                break  # a new folder is whole or not there
        else:
            finished = bench.folder / "out" / "manifest.json"
            if not (command[1][0] == "import" and finished.exists()):
                bench.must(*make(bench, out))
        compare(whole, out)
    return test


def full_disk(make, limit):
    """No file may grow beyond the limit: one line, no temporary file; then, with room, it is done."""
    def test(bench):
        whole, out = bench.folder / "whole", bench.folder / "out"
        bench.must(*make(bench, whole))
        code, errors = bench.run(*make(bench, out), limit=limit)
        check(code == 1 and len(errors.strip().splitlines()) == 1, f"exit code {code}: {errors.strip()}")
        left = [p.name for p in bench.folder.rglob(".*")]
        check(not left, f"temporary files stay: {left}")
        bench.must(*make(bench, out))
        compare(whole, out)
    return test


def two_at_once(make):
    """One of them does it, the other says why it does not."""
    def test(bench):
        whole, out = bench.folder / "whole", bench.folder / "out"
        bench.must(*make(bench, whole))
        both = [bench.start(*make(bench, out)) for _ in range(2)]
        said = [process.communicate()[1].strip() for process in both]
        codes = [process.returncode for process in both]
        check(0 in codes and all(code in (0, 1) for code in codes), f"exit codes {codes}: {said}")
        check(all(code == 0 or len(text.splitlines()) == 1 for code, text in zip(codes, said)), str(said))
        compare(whole, out)
    return test


def flip(bench, path):
    at, bit = bench.rng.randrange(path.stat().st_size), bench.rng.randrange(8)
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))
    return f"bit {bit} of byte {at}"


def flipped(make_files, pattern, read, named=None):
    """One bit of a file is flipped: whoever reads it says so and names it."""
    def test(bench):
        make_files(bench)
        path = bench.rng.choice(sorted(bench.folder.glob(pattern)))
        where = flip(bench, path)
        code, errors = bench.run(*read(bench))
        check(code == 1, f"{path.name}, {where}: exit code {code}: {errors.strip()}")
        name = path.name if named is None else named
        check(name in errors, f"{path.name}, {where}: {name} is not named: {errors.strip()}")
    return test


def verify(folder, *more):
    return lambda bench: ("bytecpu-datagen", ["verify", bench.folder / folder, *more])


def shard_cut_while_training(bench):
    """One line that names it, not a signal."""
    run = bench.folder / "run"
    process = bench.start(*bench.train(run, 10**8))
    bench.wait_for_checkpoint(process, run)
    for shard in sorted((bench.folder / "data").glob("train-*.safetensors")):
        with open(shard, "r+b") as file:
            file.truncate(0)
    errors = process.communicate()[1]
    check(process.returncode == 1 and "train-0" in errors, f"exit code {process.returncode}: {errors.strip()}")


def run_removed_while_training(bench):
    """One line, and the folder does not come back."""
    run = bench.folder / "run"
    process = bench.start(*bench.train(run, 10**8))
    bench.wait_for_checkpoint(process, run)
    run.rename(bench.folder / "away")
    errors = process.communicate()[1]
    check(process.returncode == 1 and "removed" in errors, f"exit code {process.returncode}: {errors.strip()}")
    check(not run.exists(), "the folder came back")


def cases():
    shards = lambda bench, out: bench.generate(out)
    files = lambda bench, out: bench.generate(out, "files")
    makers = {"generate": shards, "generate files": files, "export": lambda bench, out: bench.export_files(out),
              "import": lambda bench, out: bench.import_files(out), "train": lambda bench, out: bench.train(out),
              "export weights": lambda bench, out: bench.export_weights(out)}
    for name, make in makers.items():
        yield f"killed: {name}", killed(make)
    for name in ("generate", "import", "train", "export weights"):
        yield f"full disk: {name}", full_disk(makers[name], 4000)
    for name, limit in (("generate files", 300), ("export", 300)):
        yield f"full disk: {name}", full_disk(makers[name], limit)
    for name in ("generate", "generate files", "export", "train"):
        yield f"two at once: {name}", two_at_once(makers[name])

    data = lambda bench: bench.dataset()
    yield "flipped bit: shard, verify", flipped(data, "data/*.safetensors", verify("data"), "verification failed")
    yield "flipped bit: manifest, verify", flipped(data, "data/manifest.json", verify("data"), "")
    read_data = lambda bench: bench.train(bench.folder / "run")
    yield "flipped bit: shard, training", flipped(data, "data/train-*.safetensors", read_data)
    made_files = lambda bench: bench.must(*bench.generate(bench.folder / "files", "files"))
    yield "flipped bit: .bin, verify", flipped(made_files, "files/t*/*.bin", verify("files", "--memory", 64), "failed")
    trained = lambda bench: bench.must(*bench.train(bench.folder / "run", 5))
    for name in CHECKPOINT_FILES:
        read = lambda bench: bench.train(bench.folder / "run", 10)
        yield f"flipped bit: {name}, resume", flipped(trained, f"run/step-*/{name}", read)
        # It does not read the others, nor their checksums.
        if name in ("model.safetensors", "config.json"):
            read = lambda bench: bench.export_weights(bench.folder / "exported")
            make = lambda bench: bench.export_weights(None)
            yield f"flipped bit: {name}, export", flipped(make, f"trained/step-*/{name}", read)
    yield "shard cut while training", shard_cut_while_training
    yield "run removed while training", run_removed_while_training


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    parser.add_argument("--tries", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    options = parser.parse_args()
    failures = 0
    print(f"{'case':<40} {'held':>8} {'seconds':>8}")
    for name, test in cases():
        if options.only not in name:
            continue
        start, held, reasons = time.monotonic(), 0, []
        for number in range(options.tries):
            folder = pathlib.Path(tempfile.mkdtemp(prefix="bytecpu-faults-"))
            try:
                test(Bench(options.bin.resolve(), folder, random.Random(f"{options.seed} {name} {number}")))
                held += 1
            except Failed as failed:
                reasons.append(f"  try {number}: {failed}")
            finally:
                shutil.rmtree(folder)
        failures += options.tries - held
        print(f"{name:<40} {held:>3} of {options.tries:<2} {time.monotonic() - start:>7.1f}", flush=True)
        for reason in reasons:
            print(reason, flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
