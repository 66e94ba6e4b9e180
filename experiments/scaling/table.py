#!/usr/bin/env python3
"""table.py RUN: the evaluations RUN/FAMILY-COUNT.json as a table (RUN/table.md, and printed) and a plot (RUN/accuracy.svg)."""
import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from chart import Chart  # noqa: E402

MODES = {"step": "teacher-forced", "rollout": "rollout"}
FAMILIES = ["transition", "bgpt"]


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
    counts = [math.log10(row[1]) for row in rows]
    low, high = math.floor(min(counts)), max(math.floor(min(counts)) + 1, math.ceil(max(counts)))
    decades = -math.floor(math.log10(min(1 / row[3]["total"] for row in rows)))
    chart = Chart("bytes wrong against the number of programs trained on", "programs trained on", "bytes wrong", (low, high),
                  decades, height=420, left=110, right=210)
    for tick in range(low, high + 1):
        chart.x_tick(tick, f"{10 ** tick:,}")
    for family, mode in dict.fromkeys((row[0], row[2]) for row in rows):
        colour, dashed = FAMILIES.index(family), mode != "rollout"
        points = [(math.log10(count), rate) for f, count, m, rate in rows if (f, m) == (family, mode)]
        chart.line(colour, [(at, 1 - rate["accuracy"]) for at, rate in points], dashed)
        for at, rate in points:
            wrong = 1 - rate["accuracy"]
            chart.point(colour, at, wrong, [1 - bound for bound in rate["interval"]], "" if wrong else "none wrong")
        chart.legend(colour, f"{family}, {MODES[mode]}", dashed)
    return chart.svg()


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
