#!/usr/bin/env python3
"""table.py RUN VARIANTS: the trainings RUN/VARIANT-SEED and their evaluations as a table (RUN/table.md, and printed),
learning curves (RUN/curves.svg) and figures (RUN/figures.json). table.py FIGURES VARIANTS: the table and the curves of such
a file again."""
import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from chart import LINES, Chart  # noqa: E402


def read_variants(path):
    """(name, options) in the order of the list."""
    lines = Path(path).read_text().splitlines()
    fields = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    return [(f[0], f[1] if len(f) > 1 else "") for f in fields]


def runs(run, name):
    """Of every seed: the rate of bytes right, states a second, and the curve, [minutes, share of held-out bytes wrong]."""
    found = []
    for path in sorted(run.glob(f"{name}-[0-9]*.json")):
        lines = [json.loads(line) for line in (path.with_suffix("") / "metrics.jsonl").read_text().splitlines()]
        rates = [line["states_per_second"] for line in lines if "states_per_second" in line]
        found.append({"seed": int(path.stem.rsplit("-", 1)[1]),
                      "bytes": json.loads(path.read_text())["modes"]["step"]["bytes"],
                      "states_per_second": sum(rates) / len(rates) if rates else None,  # too short to have logged any
                      "curve": [[line["seconds"] / 60, 1 - line["validation"]["byte_accuracy"]]
                                for line in lines if "validation" in line]})
    return found


def table(results):
    lines = ["| variant | options | bytes right, of each seed | mean wrong | times the recipe's | states/s |",
             "|---|---|---|---|---|---|"]
    base = None
    for name, options, seeds in results:
        wrong = sum(1 - s["bytes"]["accuracy"] for s in seeds) / len(seeds)
        base = wrong if name == "recipe" else base
        right = ", ".join(f"{100 * s['bytes']['accuracy']:.3f}" for s in seeds)
        speeds = [s["states_per_second"] for s in seeds if s["states_per_second"]]
        speed = f"{sum(speeds) / len(speeds):,.0f}" if speeds else "–"
        lines.append(f"| {name} | {f'`{options}`' if options else ''} | {right} % | {100 * wrong:.3f} % | "
                     f"{f'{wrong / base:.1f}' if base else '–'} | {speed} |")
    return "\n".join(lines) + "\n"


def plot(results):
    """Share of held-out bytes wrong (logarithmic) against minutes of training, a line a seed."""
    curves = [s["curve"] for _, _, seeds in results for s in seeds]
    minutes = max(at for curve in curves for at, _ in curve)
    smallest = min([share for curve in curves for _, share in curve if share > 0], default=1e-4)
    chart = Chart("held-out bytes wrong against minutes of training, a line a training", "minutes of training",
                  "held-out bytes wrong", (0, minutes), -math.floor(math.log10(smallest)))
    for tick in range(math.floor(minutes) + 1):
        chart.x_tick(tick, str(tick))
    for k, (name, _, seeds) in enumerate(results):
        for s in seeds:
            chart.line(k % len(LINES), s["curve"], thick=1.3)
        chart.legend(k % len(LINES), name)
    return chart.svg()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, variants = Path(sys.argv[1]), read_variants(sys.argv[2])
    if source.is_file():  # figures of a run that is no longer there
        figures = json.loads(source.read_text())
        results = [(name, options, [f for f in figures if f["variant"] == name]) for name, options in variants]
        run = source.parent
    else:
        results = [(name, options, runs(source, name)) for name, options in variants]
        run = source
    results = [result for result in results if result[2]]
    if not results:
        sys.exit(f"{source}: no evaluations")
    (run / "curves.svg").write_text(plot(results))
    print(table(results), end="")
    if source.is_dir():
        (run / "table.md").write_text(table(results))
        figures = [{"variant": name, "options": options, **s} for name, options, seeds in results for s in seeds]
        (run / "figures.json").write_text("[\n" + ",\n".join(map(json.dumps, figures)) + "\n]\n")
        print(f"\n{run}/table.md, {run}/curves.svg, {run}/figures.json")


main()
