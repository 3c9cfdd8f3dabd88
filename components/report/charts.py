"""Line charts as inline SVG, in the colours of the page around them (`--s0`, `--s1` ... , `--grid`, `--muted`)."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 520, 250  # of the drawing, in its own units
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 34
_NUM_COLORS = 6

Points = Sequence[tuple[float, float]]


def line_chart(series: Mapping[str, Points], label: str) -> Markup:
    """Draws curves with axes and a legend.

    Args:
        series: Points `(x, y)` by the curve's name, finite, x rising; a single point is drawn as a dot.
        label: What the x axis shows; also the drawing's name for a screen reader.

    Returns:
        HTML that needs no escaping; empty where there is no point.
    """
    points = [point for line in series.values() for point in line]
    if not points:
        return Markup("")
    xs, ys = [x for x, _ in points], [y for _, y in points]
    ticks, x_ticks = _ticks(min(ys), max(ys), 5), _ticks(min(xs), max(xs), 8, whole=True)
    low, high = min(ticks[0], *ys), max(ticks[-1], *ys)
    left, right = min(xs), max(*xs, min(xs) + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        return across, _HEIGHT - _BOTTOM - (y - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_level(place(left, tick)[1], tick, ticks) for tick in ticks]
    parts += [_tick(place(tick, low)[0], tick) for tick in x_ticks if left <= tick <= right]
    parts += [_line([place(*point) for point in line], number % _NUM_COLORS) for number, line in enumerate(series.values())]
    parts.append(f'<text class="axis" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 2}" text-anchor="middle">{escape(label)}</text>')
    drawing = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(", ".join(series))}">{"".join(parts)}</svg>'
    return Markup(f'<div class="chart">{drawing}{_legend(list(series))}</div>')


def _line(points: Points, color: int) -> str:
    if len(points) == 1:
        return f'<circle class="dot c{color}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="4"/>'
    return f'<polyline class="line c{color}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _level(y: float, value: float, ticks: Sequence[float]) -> str:
    decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="axis" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.{decimals}f}</text>'
    )


def _tick(x: float, value: float) -> str:
    return f'<text class="axis" x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{value:g}</text>'


def _legend(names: Sequence[str]) -> str:
    return (
        '<div class="legend">'
        + "".join(f'<span><i class="c{number % _NUM_COLORS}"></i>{escape(name)}</span>' for number, name in enumerate(names))
        + "</div>"
    )


def _ticks(low: float, high: float, number: int, whole: bool = False) -> list[float]:
    """Round numbers that enclose a range, at least two."""
    span = (high - low) or max(abs(high), 1.0) * 0.1
    power = 10.0 ** math.floor(math.log10(span / number))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * number >= span)
    step = max(1.0, step) if whole else step
    first = math.floor(low / step + 1e-9)
    return [round(index * step, 10) for index in range(first, max(first + 1, math.ceil(high / step - 1e-9)) + 1)]
