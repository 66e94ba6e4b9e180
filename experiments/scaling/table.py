#!/usr/bin/env python3
"""table.py RUN: the evaluations RUN/FAMILY-COUNT.json as a table (RUN/table.md, and printed) and a plot (RUN/accuracy.svg)."""
import json
import math
import sys
from pathlib import Path

MODES = {"step": "teacher-forced", "rollout": "rollout"}
COLOURS = {"bgpt": "#c0392b", "transition": "#2471a3"}


def read(run):
    """Rows (family, count, mode, rate), sorted."""
    rows = []
    for path in run.glob("*-*.json"):
        family, count = path.stem.rsplit("-", 1)
        modes = json.loads(path.read_text())["modes"]
        rows += [(family, int(count), mode, modes[mode]["bytes"]) for mode in MODES if mode in modes]
    return sorted(rows, key=lambda row: (row[0], row[1], list(MODES).index(row[2])))


def percent(share):
    """With four decimals, or as many as tell it from 100 %, which only 1 is."""
    digits = 4
    while share < 1 and float(f"{100 * share:.{digits}f}") == 100 and digits < 12:
        digits += 1
    return f"{100 * share:.{digits}f} %" if share < 1 else "100 %"


def table(rows):
    lines = ["| family | programs | mode | bytes right | 95 % interval |", "|---|---|---|---|---|"]
    for family, count, mode, rate in rows:
        low, high = map(percent, rate["interval"])
        lines.append(f"| {family} | {count:,} | {MODES[mode]} | {rate['right']:,} of {rate['total']:,}: "
                     f"{percent(rate['accuracy'])} | {low} … {high} |")
    return "\n".join(lines) + "\n"


def plot(rows):
    """Share of wrong bytes against the number of programs, both logarithmic; bars are the intervals. No error
    at all is drawn at the bottom."""
    width, height, left, bottom, top, right = 720, 420, 90, 50, 20, 210
    counts = [math.log10(row[1]) for row in rows]
    x0, x1 = math.floor(min(counts)), max(math.floor(min(counts)) + 1, math.ceil(max(counts)))
    y0 = math.floor(math.log10(min(1 / row[3]["total"] for row in rows)))
    x = lambda v: left + (v - x0) / (x1 - x0) * (width - left - right)
    y = lambda share: top + math.log10(max(share, 10 ** y0)) / y0 * (height - top - bottom)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for tick in range(x0, x1 + 1):
        out.append(f'<line x1="{x(tick)}" x2="{x(tick)}" y1="{top}" y2="{height - bottom}" stroke="#ddd"/>'
                   f'<text x="{x(tick)}" y="{height - bottom + 18}" text-anchor="middle">{10 ** tick:,}</text>')
    for tick in range(y0, 1):
        out.append(f'<line x1="{left}" x2="{width - right}" y1="{y(10 ** tick)}" y2="{y(10 ** tick)}" stroke="#ddd"/>'
                   f'<text x="{left - 8}" y="{y(10 ** tick) + 4}" text-anchor="end">{10 ** (tick + 2):.{max(0, -2 - tick)}f} %</text>')
    out.append(f'<text x="{(left + width - right) / 2}" y="{height - 10}" text-anchor="middle">programs trained on</text>'
               f'<text transform="rotate(-90)" x="{-height / 2}" y="16" text-anchor="middle">bytes wrong</text>')
    for k, (family, mode) in enumerate(dict.fromkeys((row[0], row[2]) for row in rows)):
        colour = f'stroke="{COLOURS.get(family, "black")}"'
        style = colour + ("" if mode == "rollout" else ' stroke-dasharray="5 3"')
        points = [(x(math.log10(count)), rate) for f, count, m, rate in rows if (f, m) == (family, mode)]
        out.append(f'<polyline fill="none" {style} points="'
                   + " ".join(f'{at},{y(1 - rate["accuracy"])}' for at, rate in points) + '"/>')
        for at, rate in points:
            wrong = 1 - rate["accuracy"]
            low, high = (y(1 - bound) for bound in rate["interval"])
            out.append(f'<line x1="{at}" x2="{at}" y1="{low}" y2="{high}" {colour}/>'
                       f'<circle cx="{at}" cy="{y(wrong)}" r="3" fill="white" {colour}/>')
            if wrong == 0:
                out.append(f'<text x="{at - 8}" y="{y(0) - 8}" text-anchor="end">none wrong</text>')
        out.append(f'<line x1="{width - right + 12}" x2="{width - right + 36}" y1="{40 + 20 * k}" y2="{40 + 20 * k}" {style}/>'
                   f'<text x="{width - right + 42}" y="{44 + 20 * k}">{family}, {MODES[mode]}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    run = Path(sys.argv[1])
    rows = read(run)
    if not rows:
        sys.exit(f"{run}: no evaluations")
    (run / "table.md").write_text(table(rows))
    (run / "accuracy.svg").write_text(plot(rows))
    print(table(rows), end="")
    print(f"\n{run}/table.md, {run}/accuracy.svg")


main()
