#!/usr/bin/env python3
"""draw.py [FOLDER]: draws FOLDER/trace.svg from FOLDER/trace.json, what bytecpu-run --json says of a toy8 program and a
model, with the model's metrics.jsonl; and FOLDER/learning.svg from the figures of experiments/quick. FOLDER is this one if
none is given."""
import json
import sys
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from chart import Chart, page  # noqa: E402

CELL, ROW, LEFT = 42, 25, 132
# Of every field its kind, and of every kind the colours of a byte that stays and of one that changes, with the colours of
# their digits; each on white and on black.
KINDS = {"PC": "pc", "ACC": "acc", "OP": "code", "ADDR1": "code", "ADDR2": "code", "ADDR3": "code"}
COLOURS = {"pc": (("#efe7fd", "#241b3a"), ("#8250df", "#8957e5")), "acc": (("#fdeee2", "#33210f"), ("#bc4c00", "#bd561d")),
           "code": (("#edf0f3", "#1c2128"), ("#59636e", "#57606a")), "register": (("#e3effd", "#10233f"), ("#0969da", "#1f6feb"))}
SHORT = {"ADDR1": "1", "ADDR2": "2", "ADDR3": "3"}


def rows_of(trace):
    """The machine's records, and the model's, lists of 16 numbers; None where it says that the program ends."""
    true = [list(state["fields"].values()) for state in trace["states"]]
    predicted = [list(bytes.fromhex(record)) if record else None for record in trace["predicted"]]
    return true, predicted


def draw_trace(trace, title):
    true, predicted = rows_of(trace)
    names = list(trace["states"][0]["fields"])
    kinds = [KINDS.get(name, "register") for name in names]
    rules = [(f".{kind}{change}", "fill", *COLOURS[kind][change]) for kind in COLOURS for change in (0, 1)]
    rules += [(".n0", "fill", "#818b98", "#656c76"), (".n1", "fill", "#ffffff", "#ffffff"), (".wrong", "fill", "#cf222e", "#da3633"),
              (".bad", "fill", "#cf222e", "#ff7b72"), (".ring", "stroke", "#cf222e", "#ff7b72")]
    width = LEFT + CELL * len(names) + 16
    height = 92 + ROW * (len(true) + len(predicted)) + 66
    out = page(width, height, title, rules)
    word = lambda x, y, text, kind="ink", more="": out.append(f'<text class="{kind}" x="{x}" y="{y}"{more}>{escape(text)}</text>')
    middle, bold, code = ' text-anchor="middle"', ' font-weight="600"', ' font-family="ui-monospace,monospace"'
    column = lambda k: LEFT + CELL * k

    def record(y, values, before, truth, text):
        word(16, y + 17, text, "ink", code)
        out.append(f"<g{middle}{code}>")
        for k, value in enumerate(values):
            wrong = value != truth[k]
            change = int(before is not None and value != before[k])
            kind = "wrong" if wrong else f"{kinds[k]}{change}"
            out.append(f'<rect class="{kind}" x="{column(k) + 1}" y="{y + 1}" width="{CELL - 2}" height="{ROW - 2}" rx="3"/>')
            word(column(k) + CELL // 2, y + 17, str(value), f"n{int(wrong or change)}")
            if wrong:
                rings.append(f'<rect class="ring" x="{column(k) - 2}" y="{y - 2}" width="{CELL + 4}" height="{ROW + 4}" rx="5" '
                           'fill="none" stroke-width="2"/>')
        out.append("</g>")

    rings = []  # drawn last, over the neighbours
    y = 28
    word(16, y, "The machine", "ink", bold + ' font-size="15"')
    word(LEFT, y, "every state as Unicorn runs the program. An instruction's work shows in the row below it; what changed is filled.", "faint")
    y += 26
    for first, count, text in ((2, 4, "instruction"), (6, 10, "registers")):
        word(column(first) + CELL * count // 2, y, text, "faint", middle)
        out.append(f'<path class="grid" d="M{column(first) + 3} {y + 5}h{CELL * count - 6}"/>')
    y += 20
    for k, name in enumerate(names):
        word(column(k) + CELL // 2, y, SHORT.get(name, name), "faint", middle)
    y += 6
    for t, values in enumerate(true):
        record(y, values, true[t - 1] if t else None, values, trace["states"][t]["instruction"] or "(start)")
        y += ROW
    y += 38
    word(16, y, "The model", "ink", bold + ' font-size="15"')
    word(LEFT, y, title, "faint")
    y += 10
    notes = []
    for t, values in enumerate(predicted, 1):
        if values is None:
            word(16, y + 17, "(end)", "ink", code)
            word(LEFT + 2, y + 17, "the model says that the program ends here" + ("" if t == len(true) else ", which is wrong"), "faint")
        elif t < len(true):
            record(y, values, true[t - 1], true[t], trace["states"][t]["instruction"])
            notes += [f"{names[k]} {values[k]} instead of {true[t][k]}" for k in range(len(values)) if values[k] != true[t][k]]
        y += ROW
    word(16, y + 20, f"{len(notes)} of {16 * (len(true) - 1)} predicted bytes {'is' if len(notes) == 1 else 'are'} wrong: " + "; ".join(notes), "bad", bold)
    return "\n".join(out + rings + ["</svg>"]) + "\n"


def draw_learning():
    """Held-out bytes wrong against minutes of training, of those figures of experiments/quick that have the curve."""
    chart = Chart("held-out bytes wrong against minutes of training, experiments/quick", "minutes of training", "held-out bytes wrong",
                  (0, 10), 5, width=720, height=360)
    for minute in range(0, 11, 2):
        chart.x_tick(minute, str(minute))
    for colour, name, file in ((0, "Xeon, seed 0", "figures-xeon"), (4, "EPYC, seed 1", "figures-seed1"), (3, "EPYC, seed 2", "figures-seed2")):
        lines = json.loads((HERE.parent / "quick" / f"{file}.json").read_text())["training"]
        points = [(line["seconds"] / 60, 1 - line["validation"]["byte_accuracy"]) for line in lines if "validation" in line]
        chart.line(colour, points)
        for at, wrong in points:
            chart.point(colour, at, wrong)
        chart.legend(colour, name)
    chart.out.append(chart.text(chart.left + 8, chart.bottom - 8, "on this line no byte of 39,552 is wrong", kind="faint"))
    return chart.svg()


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    trace = json.loads((folder / "trace.json").read_text())
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    (folder / "trace.svg").write_text(draw_trace(
        trace, f"after {last['step']:,} steps of training: what it predicts of each next state"))
    (folder / "learning.svg").write_text(draw_learning())
    print(f"{folder}/trace.svg, {folder}/learning.svg")


main()
