"""A small line chart as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _RIGHT, _TOP = 640, 360, 56, 46, 14, 18


@dataclass(frozen=True)
class Line:
    """A named line through points."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]


def chart(lines: Sequence[Line], ticks: Sequence[tuple[float, str]], across: str, up: str) -> str:
    """Draw lines over named ticks, upwards from 0, with a legend at the upper left."""
    most = max(y for line in lines for _, y in line.points)
    first, last = ticks[0][0], ticks[-1][0]
    floor, side = _HEIGHT - _BOTTOM, 30

    def at(x: float, y: float) -> tuple[float, float]:
        across = (_WIDTH - _LEFT - _RIGHT - 2 * side) * (x - first) / (last - first)
        return _LEFT + side + across, floor - (floor - _TOP) * y / most

    drawn = []
    for number, line in enumerate(lines):
        points = [at(*point) for point in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in points)
        drawn.append(
            f'<g fill="{line.colour}"><polyline points="{path}" fill="none" '
            f'stroke="{line.colour}"/>{dots}'
            f'<text x="{_LEFT + 12}" y="{_TOP + 12 + 16 * number}">{line.name}</text></g>'
        )
    labels = "".join(
        f'<text x="{at(x, 0)[0]:.1f}" y="{floor + 16}" text-anchor="middle">{name}</text>'
        for x, name in ticks
    )
    middle = (floor + _TOP) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="12">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
        f'<path d="M{_LEFT} {_TOP}V{floor}H{_WIDTH - _RIGHT}" fill="none" stroke="#444"/>{labels}'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{across}</text>'
        f'<text x="14" y="{middle:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle:.0f})">{up}</text>'
        f'<text x="{_LEFT - 6}" y="{_TOP + 8}" text-anchor="end">{most:.1f}</text>'
        f'<text x="{_LEFT - 6}" y="{floor}" text-anchor="end">0</text>'
        + "".join(drawn)
        + "</svg>\n"
    )
