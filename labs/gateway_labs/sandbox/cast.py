"""The cast of the sandbox, read from the table `robots.toml`: the agency of the person who tries it, the robots, and the
acts of each when a packet comes. In: nothing. Out: frozen values; ValueError for a contradictory table."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from gateway.domain.account import HostedAgency
from gateway.domain.states import CODES

SANDBOX_FOLDER = Path(__file__).parent
COMES = ("document", "replacement", "update", "recall", "take_back")
DOCUMENT, RECALL, UPDATE, REPLACEMENT = "document", "recall", "update", "replacement"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([0-9]{1,6})([smhd])")
_WORD = re.compile(r"\[([a-z0-9-]{1,20})\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAct:
    """One act of a script: `act` is a status code, `document` or `recall`."""

    delay: timedelta
    act: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Acts for each kind of packet that may come, in order of time."""

    name: str
    words: tuple[str, ...]
    acts: Mapping[str, tuple[PlannedAct, ...]]

    def describe(self) -> str:
        """Describe, for a list, what it does with a document."""
        acts = self.acts["document"]
        return ", ".join(" ".join((f"{_span(act.delay)} {act.act}", *act.options)) for act in acts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Robot:
    """A robot agency. `agency` is how it names itself in its packets."""

    code: str
    alias: str
    agency: HostedAgency
    script: Script


@dataclass(frozen=True, slots=True, kw_only=True)
class OldCode:
    code: str
    alias: str
    name: str
    successor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The cast. `words` are the texts of robots on the wire."""

    code: str
    alias: str
    name: str
    robots: Mapping[str, Robot]
    scripts: Mapping[str, Script]
    old: OldCode
    words: Mapping[str, Any]

    def robot(self, name: str) -> Robot | None:
        """Find a robot by its code or its alias, in any case."""
        capitals = name.strip().upper()
        return next((r for r in self.robots.values() if capitals in (r.code, r.alias)), None)

    def script_for(self, robot: Robot, subject: str) -> Script:
        """Return the robot's own script, unless a word in the subject asks for another one."""
        for word in _WORD.findall(subject.lower()):
            for script in self.scripts.values():
                if word in script.words:
                    return script
        return robot.script

    def says(self, key: str, **params: str) -> str:
        return str(self.words[key]).format(**params)


@cache
def cast() -> Cast:
    """Return the bundled cast."""
    table = tomllib.loads((SANDBOX_FOLDER / "robots.toml").read_text("utf-8"))
    scripts = {name: _script(name, rows) for name, rows in table["scripts"].items()}
    robots = {
        code: Robot(
            code=code,
            alias=row["alias"],
            agency=HostedAgency(id=code, code=code, name=row["name"], aliases=(row["alias"],)),
            script=scripts[row["script"]],
        )
        for code, row in table["robots"].items()
    }
    return Cast(
        **table["agency"], robots=robots, scripts=scripts, old=OldCode(**table["old"]), words=table["words"]
    )


def read_span(text: str) -> timedelta:
    """Read `2s`, `3m`, `4h`, `5d`, with or without a plus. ValueError for anything else."""
    match = _SPAN.fullmatch(text.strip().removeprefix("+"))
    if match is None:
        raise ValueError(f"{text!r} is no span of time; expected +90s, +30m, +4h or +3d")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _script(name: str, rows: Mapping[str, Any]) -> Script:
    if unknown := set(rows) - {"words", *COMES}:
        raise ValueError(f"script {name}: {', '.join(sorted(unknown))}")
    acts = {kind: tuple(_planned(act) for act in rows.get(kind, ())) for kind in COMES}
    return Script(name=name, words=tuple(rows["words"]), acts=acts)


def _planned(text: str) -> PlannedAct:
    delay, verb, *options = text.split()
    if verb not in (*CODES, DOCUMENT, RECALL):
        raise ValueError(f"{text!r}: nobody can do {verb}")
    return PlannedAct(delay=read_span(delay), act=verb, options=tuple(options))


def _span(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    unit = next(u for u in ("d", "h", "m", "s") if seconds % _UNITS[u] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"
