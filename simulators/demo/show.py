"""The live summary: what the site does now, in one screen. Pure: state in, rich renderables out."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from simulators.demo.wordings import Lang, say

RATE_OVER_S: Final = 5.0
ROWS_MOST: Final = 48
"""Of the summary: a terminal is not endless."""
UNIT_SIGNS: Final = {"1": "", "Cel": "°C", "W.h": "W·h", "kW.h": "kW·h", "{count}": ""}
"""How people write what UCUM codes otherwise."""


@dataclass(slots=True)
class Scoreboard:
    """What is known of the run so far."""

    kind: str
    broker: str
    shown: Sequence[str] = ()
    """Points of the summary, `device.point`; empty: the first one of each device."""
    link: str = ""
    left_s: float = 0.0
    faults: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)
    """What was done to the site on the way."""
    agent: dict[str, Any] = field(default_factory=dict)  # Any: JSON values of the agent's status
    values: list[dict[str, Any]] = field(default_factory=list)  # Any: likewise
    readings_before: int = 0
    """Readings of agents that were killed."""
    sent_before: int = 0
    """Bytes that they had sent."""
    _rates: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def readings(self) -> int:
        """Return how many values were read and committed at the gateway."""
        return self.readings_before + int(self.agent.get("readings", 0))

    @property
    def mute(self) -> tuple[str, ...]:
        """Return the devices of which no point has a value."""
        told = {row["device"] for row in self.values}
        return tuple(sorted(told - {r["device"] for r in self.values if r["value"] is not None}))

    @property
    def bytes_per_reading(self) -> float | None:
        """Return bytes of batches and epoch records that went out, repeats too, over values."""
        sent = self.sent_before + sent_bytes(self.agent)
        return sent / self.readings if self.readings else None

    def note_status(self, agent: dict[str, Any], now_s: float) -> None:  # Any: JSON values
        """Take the agent's counters; fewer than before mean that it was started anew."""
        if agent.get("readings", 0) < self.agent.get("readings", 0):
            self.readings_before += self.agent["readings"]
            self.sent_before += sent_bytes(self.agent)
        self.agent = agent
        self._rates.append((now_s, self.readings))
        while now_s - self._rates[0][0] > RATE_OVER_S:
            self._rates.popleft()

    @property
    def rate(self) -> float:
        """Return readings a second over the last seconds."""
        if not self._rates or self._rates[-1][0] <= self._rates[0][0]:
            return 0.0
        (since, before), (until, after) = self._rates[0], self._rates[-1]
        return (after - before) / (until - since)


def sent_bytes(agent: Mapping[str, Any]) -> int:  # Any: JSON values
    """Return the bytes that an agent's status says it sent, but for its hellos."""
    return sum(size for what, size in agent.get("sent_bytes", {}).items() if what != "hello")


def screen(board: Scoreboard, lang: Lang) -> RenderableType:
    """Return the whole summary."""
    head = Text(say(lang, "title", kind=board.kind), style="bold")
    line = Text(f"{board.link}  ·  {say(lang, 'left', left=round(board.left_s))}")
    return Panel(
        Group(head, line, *board.notes, Text(), _values(board, lang), Text(), _flow(board, lang)),
        expand=False,
    )


def _values(board: Scoreboard, lang: Lang) -> Table:
    table = Table(box=None, header_style="dim")
    for key in ("device", "point", "value", "age"):
        side: Literal["left", "right"] = "right" if key in {"value", "age"} else "left"
        table.add_column(say(lang, key), justify=side, no_wrap=True)
    by_point = {f"{row['device']}.{row['point']}": row for row in board.values}
    for name in list(board.shown or _firsts(board.values))[:ROWS_MOST]:
        device, _, point = name.rpartition(".")
        row = by_point.get(name)
        value = "—" if row is None else _value(row, lang)
        age = "" if row is None else say(lang, "seconds", age=f"{row['age_s']:.1f}")
        table.add_row(device, point, value, _comma(age, lang))
    return table


def _firsts(rows: Sequence[Mapping[str, Any]]) -> list[str]:  # Any: JSON values
    """Return one point of each device: the first that has a value, or just the first."""
    found: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (row["device"], row["value"] is None)):
        found.setdefault(row["device"], f"{row['device']}.{row['point']}")
    return list(found.values())


def _value(row: dict[str, Any], lang: Lang) -> str:  # Any: JSON values
    value = row["value"]
    if value is None:
        return f"— {say(lang, row['cause'])}"
    if isinstance(value, bool):
        return say(lang, "yes" if value else "no")
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    sign = UNIT_SIGNS.get(row["unit"], row["unit"])
    unit = f"\N{NO-BREAK SPACE}{sign}" if sign else ""
    return _comma(text, lang) + unit


def _flow(board: Scoreboard, lang: Lang) -> Table:
    agent, per_reading = board.agent, board.bytes_per_reading
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    rows = (
        ("rate", f"{board.rate:.1f}"),
        ("read", str(board.readings)),
        ("sealed", "—" if per_reading is None else f"{per_reading:.2f}"),
        ("backlog", str(agent.get("kept_values", "—"))),
        ("unsettled", str(agent.get("unsettled", "—"))),
        ("acks", str(agent.get("acks", "—"))),
        ("broker-kind", board.broker),
        ("faults", ", ".join(board.faults) or say(lang, "none")),
    )
    for key, value in rows:
        table.add_row(say(lang, key), _comma(value, lang) if key in {"rate", "sealed"} else value)
    return table


def _comma(text: str, lang: Lang) -> str:
    return text.replace(".", ",") if lang == "ru" else text
