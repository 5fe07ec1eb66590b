"""Who plays in the sandbox, read from the table `robots.toml`: the agency of whoever tries, the robots, and what each
does with what comes. In: nothing. Out: frozen values; a table that contradicts itself is a ValueError at once."""

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
from gateway.domain.status import CODES

HERE = Path(__file__).parent
COMES = ("document", "replacement", "update", "recall", "take_back")
DOCUMENT, RECALL, UPDATE, REPLACEMENT = "document", "recall", "update", "replacement"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([0-9]{1,6})([smhd])")
_WORD = re.compile(r"\[([a-z0-9-]{1,20})\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One act of a script: `what` is a status code, `document` or `recall`."""

    after: timedelta
    what: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is done with each kind of packet that may come, in order of time."""

    name: str
    words: tuple[str, ...]
    acts: Mapping[str, tuple[Planned, ...]]

    def shown(self) -> str:
        """For a list: what it does with a document."""
        acts = self.acts["document"]
        return ", ".join(" ".join((f"{_span(each.after)} {each.what}", *each.options)) for each in acts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Robot:
    """`agency` is how it names itself in what it writes."""

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
    """`words` are what robots write on the wire."""

    code: str
    alias: str
    name: str
    robots: Mapping[str, Robot]
    scripts: Mapping[str, Script]
    old: OldCode
    words: Mapping[str, Any]

    def robot(self, named: str) -> Robot | None:
        """By its code or its alias, in any case."""
        wanted = named.strip().upper()
        return next((each for each in self.robots.values() if wanted in (each.code, each.alias)), None)

    def script_for(self, robot: Robot, subject: str) -> Script:
        """The robot's own, unless a word in the subject asks for another one."""
        for word in _WORD.findall(subject.lower()):
            for script in self.scripts.values():
                if word in script.words:
                    return script
        return robot.script

    def says(self, key: str, **params: str) -> str:
        return str(self.words[key]).format(**params)


@cache
def cast() -> Cast:
    """As it is bundled."""
    told = tomllib.loads((HERE / "robots.toml").read_text("utf-8"))
    scripts = {name: _script(name, rows) for name, rows in told["scripts"].items()}
    robots = {
        code: Robot(
            code=code,
            alias=row["alias"],
            agency=HostedAgency(id=code, code=code, name=row["name"], aliases=(row["alias"],)),
            script=scripts[row["script"]],
        )
        for code, row in told["robots"].items()
    }
    return Cast(
        **told["agency"], robots=robots, scripts=scripts, old=OldCode(**told["old"]), words=told["words"]
    )


def read_span(text: str) -> timedelta:
    """`2s`, `3m`, `4h`, `5d`, with or without a plus. ValueError for anything else."""
    found = _SPAN.fullmatch(text.strip().removeprefix("+"))
    if found is None:
        raise ValueError(f"{text!r} is no span of time; expected +90s, +30m, +4h or +3d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _script(name: str, rows: Mapping[str, Any]) -> Script:
    if unknown := set(rows) - {"words", *COMES}:
        raise ValueError(f"script {name}: {', '.join(sorted(unknown))}")
    acts = {each: tuple(_planned(act) for act in rows.get(each, ())) for each in COMES}
    return Script(name=name, words=tuple(rows["words"]), acts=acts)


def _planned(text: str) -> Planned:
    after, what, *options = text.split()
    if what not in (*CODES, DOCUMENT, RECALL):
        raise ValueError(f"{text!r}: nobody can do {what}")
    return Planned(after=read_span(after), what=what, options=tuple(options))


def _span(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    unit = next(each for each in ("d", "h", "m", "s") if seconds % _UNITS[each] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"
