"""music.py FOLDER: tests the programs of experiments/music, and fills FOLDER with packages as they are fetched for it: a few tunes, and
programs that do to them what abc2midi and midi2abc do to real ones."""
import pathlib
import subprocess
import sys
import zipfile

sys.path.insert(0, "experiments/music")
import measure  # noqa: E402
import midi  # noqa: E402
import tunes  # noqa: E402

ABC2MIDI = '''#!/usr/bin/env python3
import re, sys
text = open(sys.argv[1]).read()
music = re.sub("(?m)^[A-Z]:.*$", "", text)
if "?" in music:
    sys.exit(print("Error in line-char 5-1"))
events = b""
for letter in re.findall("[A-G]", music):
    key = 60 + ord(letter) - 65
    events += bytes([0, 0x90, key, 80, 0x83, 0x60, 0x80, key, 0])
track = events + bytes([0, 0xff, 0x2f, 0])
open(sys.argv[3], "wb").write(b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1, 1, 0xe0]) + b"MTrk" + len(track).to_bytes(4, "big") + track)
'''
MIDI2ABC = '''#!/usr/bin/env python3
import sys
data = open(sys.argv[2], "rb").read()[22:-4]
print("X:1\\nK:C\\n" + "".join(chr(data[at + 2] + 5) for at in range(0, len(data), 9)))
'''


def packages(folder):
    programs = folder / "abcmidi" / "usr" / "bin"
    programs.mkdir(parents=True)
    for name, text in ("abc2midi", ABC2MIDI), ("midi2abc", MIDI2ABC):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    with zipfile.ZipFile(folder / "music21.whl", "w") as wheel:
        for number in range(60):
            music = "".join("ABCDEFG"[number * 7919 // 7 ** place % 7] for place in range(8))
            wheel.writestr(f"music21/corpus/tests/{number:02}.abc", f"X:{number}\nT:Title\n%comment\nM:4/4\n\nK:C\n{music}{':' * (number % 2)}|\n")
        wheel.writestr("music21/corpus/tests/more.abc", "X:1\nT:Other\nM:4/4\nK:C\nAAAAAAAA|\nX:2\nK:C\n?\nX:3\nK:C\n" + "ABCD" * 60)
    return programs


def equal(what, other):
    assert what == other, f"{what}, not {other}"


def a_midi_file_is_read():
    track = bytes([0, 0x90, 60, 80, 0x83, 0x60, 60, 0, 0, 0x90, 62, 80, 0x87, 0x40, 0x80, 62, 0, 0, 0xff, 0x2f, 0])
    data = b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1, 1, 0xe0]) + b"MTrk" + len(track).to_bytes(4, "big") + track
    right = [(0, 60, 1), (1, 62, 2)]
    equal(midi.with_length(data[:18] + b"abcd" + data[22:]), data)
    equal(midi.with_length(data[:20]), data[:20])
    equal(midi.read(data), (right, None))
    for wrong, notes, fault in ((data[:21] + b"\x01" + data[22:], right, "says that it has 1"), (data[:-3], right, "before its time"),
                                (data[:32] + b"\xff" + data[33:], [(0, 60, 1)], "at most 127"), (data + b"\0", right, "goes on"),
                                (b"", [], "before its time"), (b"RIFF" + data[4:], [], "not MThd"),
                                (data[:12] + b"\0\0" + data[14:], [], "header")):
        found, said = midi.read(wrong)
        equal(found, notes)
        assert said and fault in said, said


def a_tune_is_cleaned():
    equal(tunes.clean(b"X: 7\r\nT:Title\r\n% no\r\n\r\nM:4/4\r\nK:C\r\nA:|\r\nw:la\r\nBc \\\r\nd|\r\n"), b"X:1\nM:4/4\nK:C\nA:|\nBc \\\nd|\n")


def repeats_are_told():
    for text, there in (b"X:1\nK:C\nAB:|\n", True), (b"X:1\nK:C\n|:AB|\n", True), (b"K:C\nA::B|\n", True), (b"X:1\nP:x:|\nAB|\n", False):
        equal(measure.has_repeats(text), there)


def notes_are_counted(folder, programs):
    for name in "test", "made":
        (folder / name).mkdir()
    for name, truth, made, back in ("a", b"X:1\nK:C\nAB|\n", b"X:1\nK:C\nAA|\n", b"X:1\nK:C\nAB|\n"), ("b", b"X:1\nK:C\nCD:|\n", None, b"?"):
        for abc, at in ((truth, folder / "test"), (made, folder / "made")):
            if abc:
                [(data, _)] = midi.abc2midi(programs / "abc2midi", folder / "kept", [abc])
                wrong_length = at.name == "made"
                (at / f"{name}.mid").write_bytes(data[:21] + b"\x01" + data[22:] if wrong_length else data)
        (folder / "test" / f"{name}.abc").write_bytes(truth)
        (folder / "made" / f"{name}.abc").write_bytes(back)
    counts = measure.measure(folder / "test", folder / "made", programs / "abc2midi", folder / "kept")
    equal([counts["abc -> mid", False][key] for key in measure.COUNTS], [1, 0, 0, 1, 0, 0, 2, 2, 1])
    equal(counts["abc -> mid", True].total(), 0)
    equal([counts["mid -> abc", False][key] for key in measure.COUNTS], [1, 1, 1, 1, 1, 1, 2, 2, 2])
    equal([counts["mid -> abc", True][key] for key in measure.COUNTS], [1, 0, 0, 0, 0, 0, 2, 0, 0])


def no_melody_is_in_both(folder, programs):
    command = [sys.executable, "experiments/music/tunes.py", folder / "music21.whl", programs / "abc2midi", folder / "kept", folder / "pairs"]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in "63 tunes", "left out: 1, abc2midi reports an error", "left out: 1, ABC and MIDI are longer", "left out: 1, the same as":
        assert line in said, said
    read = lambda name: {file.stem: file.read_bytes() for file in (folder / "pairs" / name).glob("*.mid")}
    train, test = read("train"), read("test")
    equal((len(train) + len(test), len(test)), (60, 6))
    of = lambda files: {feature for data in files.values() for feature in tunes.features(data)}
    equal(of(train) & of(test), set())
    assert set(read("thousand").items()) == set(train.items())


def main(folder):
    folder = pathlib.Path(folder)
    programs = packages(folder)
    scratch = folder / "scratch"
    scratch.mkdir()
    a_midi_file_is_read()
    a_tune_is_cleaned()
    repeats_are_told()
    notes_are_counted(scratch, programs)
    no_melody_is_in_both(folder, programs)


main(*sys.argv[1:])
