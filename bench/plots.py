"""Plots as SVG, drawn by hand: lines over logarithmic axes, and bars of ratios."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .results import FLOOR, Growth, Results, wall
from .scenarios import MEBIBYTE, SCENARIOS

OURS, LIMIT, GRID, INK = "#1f6fb4", "#c0392b", "#dddddd", "#222222"
WIDTH, HEIGHT, MARGIN = 380, 260, 56
ROW = 22


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to places: ``low`` is at ``start``, ``high`` at ``end``."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = True

    def place(self, value: float) -> float:
        """Return where a value is drawn."""
        scale: Callable[[float], float] = math.log10 if self.logarithmic else float
        low, high = scale(self.low), scale(self.high)
        share = (scale(max(value, self.low)) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return the values that get a line: powers of ten, or five even steps."""
        if not self.logarithmic:
            return [self.low + (self.high - self.low) * step / 5 for step in range(6)]
        first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        return [10.0**power for power in range(first, last + 1)]


def decades(values: Sequence[float]) -> tuple[float, float]:
    """Return the powers of ten around some values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def label(value: float) -> str:
    """Return a number in as few signs as possible."""
    for limit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{sign}"
    return f"{value:g}"


def text(x: float, y: float, words: str, anchor: str = "middle", size: int = 11) -> str:
    """Return a piece of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
        f' fill="{INK}">{escape(words)}</text>\n'
    )


def line(points: Sequence[tuple[float, float]], colour: str, dashes: str = "none") -> str:
    """Return a line through points."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"'
        f' stroke-dasharray="{dashes}"/>\n'
    )


def drawing(width: float, height: float, title: str, content: str) -> str:
    """Return a whole picture, on white, so that it can be read on any page."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" font-family="sans-serif" role="img">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="100%" height="100%" fill="white"/>\n{content}</svg>\n'
    )


def panel(
    left: float, title: str, unit: str, points: Sequence[tuple[float, float]], *, log: bool
) -> str:
    """Return axes and a line; over logarithmic axes also the dashes of what grows evenly."""
    amounts, values = zip(*points, strict=True)
    low, high = decades(amounts)
    across = Axis(low, high, left + MARGIN, left + WIDTH - 16)
    low, high = decades(values) if log else (0.0, max(50.0, 1.25 * max(values)))
    up = Axis(low, high, HEIGHT - MARGIN + 12, 34, logarithmic=log)
    drawn = [text((across.start + across.end) / 2, 20, title, size=13)]
    for tick in across.ticks():
        x = across.place(tick)
        drawn += [line([(x, up.start), (x, up.end)], GRID), text(x, up.start + 16, label(tick))]
    for tick in up.ticks():
        y = up.place(tick)
        drawn += [line([(across.start, y), (across.end, y)], GRID)]
        drawn += [text(across.start - 6, y + 4, label(tick), "end")]
    drawn.append(text((across.start + across.end) / 2, HEIGHT - 8, unit))
    if log:
        # In proportion to the last point, as far down as the axis goes.
        each = values[-1] / amounts[-1]
        first = max(up.low / each, across.low)
        ends = [(first, first * each), (amounts[-1], values[-1])]
        drawn.append(line([(across.place(x), up.place(y)) for x, y in ends], LIMIT, "4 3"))
    drawn.append(line([(across.place(x), up.place(y)) for x, y in points], OURS))
    drawn += [
        f'<circle cx="{across.place(x):.1f}" cy="{up.place(y):.1f}" r="3" fill="{OURS}"/>\n'
        for x, y in points
    ]
    return "".join(drawn)


def growth(title: str, unit: str, found: Growth) -> str:
    """Return CPU time and memory over an amount. The dashed line is linear growth."""
    times = [(float(point.amount), max(point.cpu, 1e-3)) for point in found.points]
    memory = [(float(point.amount), point.memory / MEBIBYTE) for point in found.points]
    content = panel(0, "CPU time, seconds", unit, times, log=True)
    content += panel(WIDTH, "peak memory, MiB", unit, memory, log=False)
    return drawing(2 * WIDTH, HEIGHT, title, content)


def ratios(results: Results) -> str:
    """Return bars: mailhaul's wall time as a multiple of the best peer's and of the floor's."""
    rows: list[tuple[str, float, str]] = []
    for one in SCENARIOS:
        result = results.scenarios.get(one.name)
        for against, colour in (("best peer", OURS), (FLOOR, "#9a9a9a")):
            value = result.ratio(against, wall) if result else None
            if result and value is not None:
                peer = result.of(against)
                rows.append((f"{one.name} / {peer.tool if peer else against}", value, colour))
    low, high = decades([0.1, 10, *(value for _, value, _ in rows)])
    across = Axis(low, high, 150, 2 * WIDTH - 60)
    height = 50 + ROW * len(rows)
    drawn = [text(WIDTH, 20, "wall time as a multiple of another's (less is better)", size=13)]
    for tick in across.ticks():
        x = across.place(tick)
        drawn.append(line([(x, 34), (x, height - 10)], LIMIT if tick == 1 else GRID))
        drawn.append(text(x, 32, label(tick), size=10))
    for number, (name, value, colour) in enumerate(rows):
        y = 42 + ROW * number
        begin, end = sorted((across.place(1), across.place(value)))
        width = max(end - begin, 1)
        drawn.append(f'<rect x="{begin:.1f}" y="{y}" width="{width:.1f}" height="12"')
        drawn.append(f' fill="{colour}"/>\n')
        drawn.append(text(142, y + 10, name, "end"))
        drawn.append(text(end + 5, y + 10, f"{value:.2f}", "start"))
    return drawing(2 * WIDTH, height, "mailhaul beside other programs", "".join(drawn))
