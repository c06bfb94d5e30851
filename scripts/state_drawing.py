"""The states of a batch, drawn from the table that the code works by.

Only where the boxes stand is written here. States, arrows and their words come from
``airflow_provider_brevo.core.bulk_states``, and a state without a place fails.
"""

from __future__ import annotations

from html import escape

from airflow_provider_brevo.core.bulk_states import TRANSITIONS, Happening, State

_PLACES = {
    State.PLANNED: (5, 110),
    State.IN_FLIGHT: (350, 110),
    State.ACCEPTED: (850, 5),
    State.PARTLY_REJECTED: (850, 75),
    State.REJECTED: (850, 145),
    State.UNCERTAIN: (850, 215),
}
_WIDTH, _HEIGHT = 130, 44
_LINE = 15

_STYLE = """
    svg { font: 13px system-ui, sans-serif; }
    rect { fill: #fff; stroke: #37474f; stroke-width: 1.5; }
    rect.end { fill: #eceff1; }
    path { fill: none; stroke: #37474f; stroke-width: 1.5; }
    marker path { fill: #37474f; stroke: none; }
    text { fill: #1a2226; text-anchor: middle; }
    text.state { font-weight: 600; }
    text.delivery { font-style: italic; }
    @media (prefers-color-scheme: dark) {
      rect { fill: #263238; stroke: #b0bec5; }
      rect.end { fill: #37474f; }
      path { stroke: #b0bec5; }
      marker path { fill: #b0bec5; }
      text { fill: #eceff1; }
    }
"""


def arrows() -> dict[tuple[State, State], list[tuple[Happening, str]]]:
    """List what leads from one state to another, each with the delivery that it is limited to, or ``""``."""
    found: dict[tuple[State, State], list[tuple[Happening, str]]] = {}
    for (state, happening), by_delivery in TRANSITIONS.items():
        for target in dict.fromkeys(by_delivery.values()):
            deliveries = [delivery for delivery, after in by_delivery.items() if after is target]
            limited = "" if len(deliveries) == len(by_delivery) else " or ".join(deliveries)
            found.setdefault((state, target), []).append((happening, limited))
    return found


def table_rows() -> list[list[str]]:
    """Return the transitions as the rows of a table: state, what happens, what follows in either delivery."""
    return [
        [state.value, happening.value, by_delivery["at_least_once"].value, by_delivery["at_most_once"].value]
        for (state, happening), by_delivery in TRANSITIONS.items()
    ]


def drawing() -> str:
    """Return the drawing as SVG."""
    left = {state for state, _ in TRANSITIONS}
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 985 264" role="img" aria-labelledby="title">',
        '  <title id="title">The states of a batch</title>',
        f"  <style>{_STYLE}  </style>",
        '  <marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
        '    <path d="M0,0 L8,4 L0,8 z"/>',
        "  </marker>",
    ]
    for (state, target), reasons in arrows().items():
        parts += _arrow(state, target, reasons)
    for state in State:
        x, y = _PLACES[state]
        kind = "" if state in left else ' class="end"'
        parts.append(f'  <rect{kind} x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>')
        parts.append(_text(x + _WIDTH / 2, y + _HEIGHT / 2 + 4.5, state.value, "state"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrow(state: State, target: State, reasons: list[tuple[Happening, str]]) -> list[str]:
    (x, y), (to_x, to_y) = _PLACES[state], _PLACES[target]
    lines = [line for happening, delivery in reasons for line in _words(happening, delivery)]
    if to_x > x:  # straight, or around two corners, with the words above the last piece
        start, trunk, end = x + _WIDTH, x + _WIDTH + 25, to_x
        level, to_level = y + _HEIGHT / 2, to_y + _HEIGHT / 2
        path = f"M{start},{level:g} H{trunk} V{to_level:g} H{end}"
        at = (end + (start if level == to_level else trunk)) / 2
        top = to_level - 8 - _LINE * (len(lines) - 1)
    else:  # back, below both boxes
        start, end, level = x + _WIDTH / 2, to_x + _WIDTH / 2, y + _HEIGHT
        path = f"M{start:g},{level} V{level + 40} H{end:g} V{to_y + _HEIGHT}"
        at, top = (start + end) / 2, level + 40 + _LINE + 3
    return [
        f'  <path d="{path}" marker-end="url(#head)"/>',
        *(_text(at, top + _LINE * number, text, kind) for number, (text, kind) in enumerate(lines)),
    ]


def _words(happening: Happening, delivery: str) -> list[tuple[str, str]]:
    return [(happening.value, "why"), *([(delivery, "delivery")] if delivery else [])]


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'  <text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>'
