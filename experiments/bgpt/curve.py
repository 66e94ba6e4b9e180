#!/usr/bin/env python3
"""curve.py: curve.svg, held-out bytes wrong against minutes of training: this experiment's training beside quick's."""
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from chart import Chart  # noqa: E402


def main():
    trainings = [("bgpt, one core", HERE / "figures.json"), ("quick, two cores", HERE.parent / "quick/figures-xeon.json")]
    curves = [(name, [[line["seconds"] / 60, 1 - line["validation"]["byte_accuracy"]]
                      for line in json.loads(path.read_text())["training"]]) for name, path in trainings]
    minutes = max(at for _, curve in curves for at, _ in curve)
    chart = Chart("held-out bytes wrong against minutes of training: bgpt and quick", "minutes of training",
                  "held-out bytes wrong", (0, minutes), 5)
    for tick in range(0, int(minutes) + 1, 10):
        chart.x_tick(tick, str(tick))
    for colour, (name, curve) in enumerate(curves):
        chart.line(colour, curve)
        chart.legend(colour, name)
    (HERE / "curve.svg").write_text(chart.svg())


main()
