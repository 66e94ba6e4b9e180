"""sound.py FOLDER: tests experiments/sound/clips.py on recordings that it makes in FOLDER."""
import array
import hashlib
import math
import pathlib
import random
import subprocess
import sys
import wave


def write(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        data = array.array("h", samples)
        if sys.byteorder == "big":
            data.byteswap()
        file.writeframes(data.tobytes())


def tone(hertz, count):
    return [round(9000 * math.sin(2 * math.pi * hertz * at / 8000)) for at in range(count)]


def clips(*arguments):
    command = [sys.executable, "experiments/sound/clips.py", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def equal(what, other):
    assert what == other, f"{what}, not {other}"


def main(folder):
    folder = pathlib.Path(folder)
    source, train, test = (folder / name for name in ("recordings", "train", "test"))
    for number in range(10):
        write(source / "words" / f"{number}.wav", tone(100 + 10 * number, 16000 + 700 * number))
    write(source / "silence.wav", [1, -1] * 8000)
    write(source / "short.wav", tone(100, 7999))
    write(source / "edges.wav", [-32768, -129, -128, -1, 0, 127, 128, 32767] + tone(50, 7992))
    done = clips("cut", source, train, test)
    equal(done.returncode, 0)
    assert "to learn from" in done.stdout and "for testing" in done.stdout, done.stdout
    parts = [{file.stem.rpartition("-")[0] for file in part.glob("*.wav")} for part in (train, test)]
    equal(parts[0] & parts[1], set())
    equal(parts[0] | parts[1], {f"words-{number}" for number in range(10)} | {"edges"})
    digest = {"-".join(path.relative_to(source).with_suffix("").parts): hashlib.sha256(path.read_bytes()[44:]).hexdigest()
              for path in source.rglob("*.wav")}
    assert max(digest[name] for name in parts[1]) < min(digest[name] for name in parts[0])
    made = sorted([*train.glob("*.wav"), *test.glob("*.wav")])
    equal(len(made), 21)
    for file in made:
        data = file.read_bytes()
        equal((len(data), int.from_bytes(data[4:8], "little"), int.from_bytes(data[40:44], "little")), (8044, 8036, 8000))
        with wave.open(str(file)) as read:
            equal(tuple(read.getparams())[:4], (1, 1, 8000, 8000))
            samples = read.readframes(8000)
        if file.stem == "edges-00":
            equal(list(samples[:8]), [0, 127, 128, 128, 128, 128, 129, 255])

    before = {file: file.read_bytes() for file in made}
    for part in train, test:
        part.rename(folder / f"first-{part.name}")
    equal(clips("cut", source, train, test).stdout, done.stdout)
    equal({file: file.read_bytes() for file in before}, before)

    # What is said of a tone, of noise, of silence and of a file that is cut short.
    header, draw = made[0].read_bytes()[:44], random.Random(0)
    for name, samples in (("tone", [128 + sample // 256 for sample in tone(200, 8000)]), ("noise", [draw.randrange(256) for _ in range(8000)]),
                          ("silence", [128] * 8000), ("short", [128 + sample // 256 for sample in tone(200, 4000)])):
        (folder / name).mkdir()
        (folder / name / "clip.wav").write_bytes(header + bytes(samples))
    done = clips("describe", *(folder / name for name in ("tone", "noise", "silence", "short")))
    rows = [line.split(" | ") for line in done.stdout.splitlines()[1:]]
    equal([row[2:4] for row in rows], [["1", "1"], ["1", "1"], ["1", "1"], ["1", "0"]])
    equal([row[5] for row in rows], ["0 %, 100 %, 0 %", "0 %, 0 %, 100 %", "100 %, 0 %, 0 %", "0 %, 100 %, 0 %"])
    equal([row[7] for row in rows], ["1", "0", "0", "1"])

    write(source / "wrong.wav", [])
    with wave.open(str(source / "wrong.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
    done = clips("cut", source, folder / "a", folder / "b")
    assert done.returncode == 1 and "wrong.wav: not 16-bit mono" in done.stdout, done.stdout


main(*sys.argv[1:])
