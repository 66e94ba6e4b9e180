#!/usr/bin/env python3
"""table.py RUN: the trainings RUN/VARIANT-SEED and their evaluations as a table (RUN/table.md, and printed), learning
curves (RUN/curves.svg) and figures (RUN/figures.json)."""
import json
import math
import sys
from pathlib import Path

COLOURS = "#2471a3 #c0392b #1e8449 #af7ac5 #d68910 #17a589 #7b241c #5d6d7e #b7950b #e84393 #333333 #7f8c00 #00a8ff #ff9f80".split()


def variants():
    """(name, options) in the order of variants.txt."""
    lines = (Path(__file__).parent / "variants.txt").read_text().splitlines()
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
    base = math.nan
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
    width, height, left, bottom, top, right = 720, 440, 70, 50, 20, 150
    curves = [s["curve"] for _, _, seeds in results for s in seeds]
    minutes = max(at for curve in curves for at, _ in curve)
    smallest = min([share for curve in curves for _, share in curve if share > 0], default=1e-4)
    decades = math.floor(math.log10(smallest))
    floor = 10 ** decades  # where none is wrong the line ends at the bottom
    x = lambda at: left + at / minutes * (width - left - right)
    y = lambda share: top + math.log10(max(share, floor)) / decades * (height - top - bottom)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for tick in range(math.ceil(minutes) + 1):
        if tick <= minutes:
            out.append(f'<line x1="{x(tick)}" x2="{x(tick)}" y1="{top}" y2="{height - bottom}" stroke="#ddd"/>'
                       f'<text x="{x(tick)}" y="{height - bottom + 18}" text-anchor="middle">{tick}</text>')
    for tick in range(decades, 1):
        out.append(f'<line x1="{left}" x2="{width - right}" y1="{y(10 ** tick)}" y2="{y(10 ** tick)}" stroke="#ddd"/>'
                   f'<text x="{left - 8}" y="{y(10 ** tick) + 4}" text-anchor="end">{100 * 10 ** tick:g} %</text>')
    out.append(f'<text x="{(left + width - right) / 2}" y="{height - 10}" text-anchor="middle">minutes of training</text>'
               f'<text transform="rotate(-90)" x="{-height / 2}" y="16" text-anchor="middle">held-out bytes wrong</text>')
    for k, (name, _, seeds) in enumerate(results):
        colour = COLOURS[k % len(COLOURS)]
        for s in seeds:
            points = " ".join(f"{x(at):.1f},{y(share):.1f}" for at, share in s["curve"])
            out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.3" points="{points}"/>')
        out.append(f'<line x1="{width - right + 12}" x2="{width - right + 36}" y1="{40 + 20 * k}" y2="{40 + 20 * k}" '
                   f'stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{width - right + 42}" y="{44 + 20 * k}">{name}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    run = Path(sys.argv[1])
    results = [(name, options, runs(run, name)) for name, options in variants()]
    results = [result for result in results if result[2]]
    if not results:
        sys.exit(f"{run}: no evaluations")
    (run / "table.md").write_text(table(results))
    (run / "curves.svg").write_text(plot(results))
    figures = [{"variant": name, "options": options, **s} for name, options, seeds in results for s in seeds]
    (run / "figures.json").write_text("[\n" + ",\n".join(map(json.dumps, figures)) + "\n]\n")
    print(table(results), end="")
    print(f"\n{run}/table.md, {run}/curves.svg, {run}/figures.json")


main()
