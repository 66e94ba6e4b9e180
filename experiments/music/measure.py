"""How right converted tunes are: measure.py TEST CONVERTED ABC2MIDI KEPT [JSON].

TEST has pairs NAME.abc and NAME.mid, CONVERTED what was made: NAME.mid from the ABC, NAME.abc from the MIDI, either or both; names that
are missing are not counted. In a MIDI file the length of its track stands before all that it is a sum of; so it is counted, too, what
is valid and equal once that length is set right. ABC that was made becomes MIDI again by the program ABC2MIDI; the folder KEPT keeps what that makes. A note is
right where onset, pitch and duration are. Prints a table, and writes JSON.
"""
import collections
import json
import pathlib
import re
import sys

import midi

REPEAT = re.compile(rb":\||\|:|::")
FIELD = re.compile(rb"(?m)^[A-Za-z]:(?![|:]).*$")
COUNTS = "files", "valid", "equal", "valid with its length", "equal with its length", "all notes right", "true notes", "made notes", "right notes"


def has_repeats(abc):
    return bool(REPEAT.search(FIELD.sub(b"", abc)))


def add(counts, truth, made, right, right_with_length):
    """Counts a file: its true notes and those that were made, whether it is (valid, equal), and whether it is with its length set right."""
    true_notes, made_notes = collections.Counter(truth), collections.Counter(made)
    values = (1, *right, *right_with_length, right_with_length[0] and true_notes == made_notes, len(truth), len(made), (true_notes & made_notes).total())
    counts.update(dict(zip(COUNTS, map(int, values))))


def measure(test, converted, program, kept):
    """Of each direction, and of tunes with and without repeat signs, the counts."""
    counts = {(way, repeats): collections.Counter() for way in ("abc -> mid", "mid -> abc") for repeats in (False, True)}
    texts = []
    for true_abc in sorted(test.glob("*.abc")):
        true_midi = true_abc.with_suffix(".mid").read_bytes()
        truth, _ = midi.read(true_midi)
        repeats = has_repeats(true_abc.read_bytes())
        made = converted / f"{true_abc.stem}.mid"
        if made.exists():
            data = made.read_bytes()
            mended = midi.with_length(data)
            notes, fault = midi.read(data)
            add(counts["abc -> mid", repeats], truth, notes, (fault is None, data == true_midi),
                (midi.read(mended)[1] is None, mended == true_midi))
        made = converted / true_abc.name
        if made.exists():
            texts.append((repeats, truth, made.read_bytes(), true_abc.read_bytes()))
    for (repeats, truth, text, true_text), (data, _) in zip(texts, midi.abc2midi(program, kept, [text for _, _, text, _ in texts])):
        notes = [] if data is None else midi.read(data)[0]
        right = data is not None, text == true_text
        add(counts["mid -> abc", repeats], truth, notes, right, right)
    return counts


def share(part, of):
    return f"{100 * part / of:.1f} %" if of else "–"


def main(test, converted, program, kept, out=None):
    counts = measure(pathlib.Path(test), pathlib.Path(converted), program, kept)
    print("| direction | tunes | files | valid | equal | valid, equal with the right length | all notes right | true notes that were made "
          "| made notes that are true |")
    print("|---" * 9 + "|")
    figures = []
    for way in "abc -> mid", "mid -> abc":
        for name, kinds in ("all", (False, True)), ("without repeat signs", (False,)), ("with repeat signs", (True,)):
            total = {key: sum(counts[way, kind][key] for kind in kinds) for key in COUNTS}
            if total["files"]:
                figures.append({"direction": way, "tunes": name, **total})
                print(f"| {way} | {name} | {total['files']} | {total['valid']} | {total['equal']} "
                      f"| {total['valid with its length']}, {total['equal with its length']} | {total['all notes right']} "
                      f"| {share(total['right notes'], total['true notes'])} | {share(total['right notes'], total['made notes'])} |")
    if out:
        pathlib.Path(out).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__.splitlines()[0])
    main(*sys.argv[1:])
