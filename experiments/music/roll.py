"""Tunes as a player piano's roll: roll.py TEST CONVERTED OUT.svg [NAME...].

Draws, for each NAME, the notes of TEST/NAME.mid and below them those of CONVERTED/NAME.mid, which a model made from TEST/NAME.abc. Blue
is in both, grey only in the first, red only in the second. Without a NAME: the first converted tune without repeat signs, and the first
one with them.
"""
import collections
import pathlib
import sys
from html import escape

import measure
import midi

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from chart import page  # noqa: E402

WIDTH, LEFT, KEY, GAP = 860, 92, 5, 12


def choose(test, converted):
    """The first tune without repeat signs and the first one with them."""
    names = {}
    for file in sorted(converted.glob("*.mid")):
        names.setdefault(measure.has_repeats((test / f"{file.stem}.abc").read_bytes()), file.stem)
    return [names[repeats] for repeats in sorted(names)]


def draw(test, converted, names):
    tunes = []
    for name in names:
        truth, made = (midi.read((folder / f"{name}.mid").read_bytes()) for folder in (test, converted))
        tunes.append((name, truth[0], made))
    heights = [KEY * (max(keys) - min(keys) + 3) for keys in ([key for _, key, _ in truth] for _, truth, _ in tunes)]
    total = 14 + sum(2 * height + GAP + 62 for height in heights)
    rules = [(".note", "fill", "#1f6feb", "#58a6ff"), (".missed", "fill", "#9aa4b0", "#6e7681"), (".wrong", "fill", "#cf222e", "#ff7b72"),
             (".back", "fill", "#f3f5f8", "#161b22")]
    out = page(WIDTH, total, "the notes of tunes, and those that a model made from their ABC", rules)
    y = 14
    for (name, truth, (made, fault)), height in zip(tunes, heights):
        right = collections.Counter(truth) & collections.Counter(made)
        same = f"{right.total()} of {len(truth)} notes are right" + (", and the model made "
                                                                    f"{len(made)}" if len(made) != len(truth) else "")
        out.append(f'<text class="ink" x="16" y="{y + 16}" font-weight="600">{escape(name)}</text>')
        out.append(f'<text class="faint" x="{WIDTH - 16}" y="{y + 16}" text-anchor="end">'
                   f'{same}{"; no valid MIDI file" if fault else ""}</text>')
        y += 28
        low, high = min(key for _, key, _ in truth), max(key for _, key, _ in truth)
        beats = max(onset + (duration or 0) for onset, _, duration in truth)
        scale = (WIDTH - LEFT - 16) / beats
        for label, notes, other in ("abc2midi", truth, "missed"), ("the model", made, "wrong"):
            left = collections.Counter(right)
            out.append(f'<rect class="back" x="{LEFT}" y="{y}" width="{WIDTH - LEFT - 16}" height="{height}"/>')
            out.append(f'<text class="faint" x="16" y="{y + height // 2 + 4}">{label}</text>')
            for note in notes:
                onset, key, duration = note
                kind = "note" if left[note] > 0 else other
                left[note] -= 1
                end = min(onset + (duration or 0.25), beats)
                if end <= onset:
                    continue  # beyond the picture's right edge
                at = max(low - 1, min(high + 1, key))  # beyond its lower or upper edge: at it
                out.append(f'<rect class="{kind}" x="{LEFT + scale * onset:.1f}" y="{y + KEY * (high + 1 - at)}" '
                           f'width="{max(1.5, scale * (end - onset) - 1):.1f}" height="{KEY - 1}" rx="1"/>')
            y += height + GAP
        y += 34 - GAP
    return "\n".join(out + ["</svg>"]) + "\n"


def main(test, converted, out, *names):
    test, converted = pathlib.Path(test), pathlib.Path(converted)
    pathlib.Path(out).write_text(draw(test, converted, names or choose(test, converted)))
    print(out)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__.splitlines()[0])
    main(*sys.argv[1:])
