"""Line charts as SVG files that suit light and dark pages: a logarithmic axis of shares, a legend, lines and points. Used
by the experiments' own programs."""
import math
from html import escape

# One colour a line, on white and on black.
LINES = [("#1f6feb", "#58a6ff"), ("#cf222e", "#ff7b72"), ("#1a7f37", "#3fb950"), ("#8250df", "#bc8cff"),
         ("#bc4c00", "#f0883e"), ("#0e8a8a", "#39c5cf"), ("#7b241c", "#d98880"), ("#57606a", "#8b949e"),
         ("#9a6700", "#d29922"), ("#bf3989", "#f778ba"), ("#24292f", "#f0f6fc"), ("#5c6e00", "#b5cc18"),
         ("#0086b3", "#79e2f2"), ("#e8590c", "#ffa98f")]
PAGE = {"paper": ("#ffffff", "#0d1117"), "ink": ("#1f2328", "#e6edf3"), "grid": ("#d8dee4", "#30363d"),
        "faint": ("#59636e", "#9198a1")}


def style(rules):
    """A style element. `rules` has (selector, property, colour on white, colour on black)."""
    light = "".join(f"{selector}{{{name}:{colour}}}" for selector, name, colour, _ in rules)
    dark = "".join(f"{selector}{{{name}:{colour}}}" for selector, name, _, colour in rules)
    return f"<style>{light}@media(prefers-color-scheme:dark){{{dark}}}</style>"


def page(width, height, label, rules, size=12):
    """The first lines of a picture: a page with its colours, and what it shows for those who cannot see it."""
    rules = [(".paper", "fill", *PAGE["paper"]), (".ink", "fill", *PAGE["ink"]), (".faint", "fill", *PAGE["faint"]),
             (".grid", "stroke", *PAGE["grid"])] + rules
    return [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'font-family="system-ui,sans-serif" font-size="{size}" role="img" aria-label="{escape(label)}">', style(rules),
            f'<rect class="paper" width="{width}" height="{height}" rx="6"/>']


class Chart:
    """Shares, on a logarithmic axis from 1 down to 10^-decades, against something."""

    def __init__(self, label, x_title, y_title, x_range, decades, width=720, height=440, left=84, right=170):
        self.left, self.right, self.top, self.bottom = left, width - right, 20, height - 50
        self.x_range, self.decades, self.legends = x_range, decades, 0
        rules = [(f".c{k}", name, *colours) for k, colours in enumerate(LINES) for name in ("stroke",)]
        rules += [(f".d{k}", "fill", *colours) for k, colours in enumerate(LINES)]
        self.out = page(width, height, label, rules)
        for tick in range(decades + 1):
            y = self.y(10 ** -tick)
            self.out.append(f'<path class="grid" d="M{self.left} {y:.1f}H{self.right}"/>' + self.text(
                self.left - 8, y + 4, f"{100 * 10 ** -tick:.{max(0, tick - 2)}f} %", "end"))
        self.out.append(self.text((self.left + self.right) / 2, height - 10, x_title, "middle"))
        self.out.append(f'<text class="ink" transform="rotate(-90)" x="{-(self.top + self.bottom) / 2}" y="18" '
                        f'text-anchor="middle">{escape(y_title)}</text>')

    def x(self, value):
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, share):
        """Less than the axis has, and 0, is at the bottom."""
        return self.top - math.log10(max(share, 10 ** -self.decades)) / self.decades * (self.bottom - self.top)

    @staticmethod
    def text(x, y, words, anchor="start", kind="ink"):
        return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'

    def x_tick(self, value, words):
        self.out.append(f'<path class="grid" d="M{self.x(value):.1f} {self.top}V{self.bottom}"/>'
                        + self.text(self.x(value), self.bottom + 18, words, "middle"))

    def line(self, colour, points, dashed=False, thick=1.6):
        dash = ' stroke-dasharray="5 3"' if dashed else ""
        path = "L".join(f"{self.x(at):.1f} {self.y(share):.1f}" for at, share in points)
        self.out.append(f'<path class="c{colour}" fill="none" stroke-width="{thick}"{dash} d="M{path}"/>')

    def point(self, colour, at, share, interval=None, words=""):
        x, y = self.x(at), self.y(share)
        if interval:
            low, high = (self.y(bound) for bound in interval)
            self.out.append(f'<path class="c{colour}" d="M{x:.1f} {low:.1f}V{high:.1f}"/>')
        self.out.append(f'<circle class="paper c{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
        if words:
            self.out.append(self.text(x - 8, y - 8, words, "end"))

    def legend(self, colour, words, dashed=False):
        y = 40 + 20 * self.legends
        self.legends += 1
        dash = ' stroke-dasharray="5 3"' if dashed else ""
        self.out.append(f'<path class="c{colour}" stroke-width="2"{dash} d="M{self.right + 12} {y}h24"/>'
                        + self.text(self.right + 42, y + 4, words))

    def svg(self):
        return "\n".join(self.out + ["</svg>"]) + "\n"
