"""Diagnoses of the node's checks, and their summary for a doctor, a load balancer, a screen, a metric. In: a name, a
level, a cause with its parameters, a cure. Out: frozen values; their words in a reader's language; the worst of them; one
word for each check, for programs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from gateway.domain.wall_clock import moment_text
from gateway.words import labels

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
# Words of a healthy check; any other, such as that of an unreachable axis or an unsealed log, leaves the node degraded.
_NO_TROUBLE = frozenset({"ok", "off", "on"})


class Level(StrEnum):
    """Result of a check, best first. SKIPPED: the check could not run."""

    GREEN = "green"
    SKIPPED = "skipped"
    YELLOW = "yellow"
    RED = "red"

    @property
    def badness(self) -> int:
        return list(Level).index(self)

    @property
    def state(self) -> str:
        """Name of the level among the states of a line's steps."""
        return _STATES[self][0]

    @property
    def mark(self) -> str:
        return _STATES[self][1]


_STATES: Mapping[Level, tuple[str, str]] = {
    Level.GREEN: ("fine", "✓"),
    Level.SKIPPED: ("skipped", "–"),
    Level.YELLOW: ("warned", "!"),
    Level.RED: ("wrong", "✗"),
}


class Tag(StrEnum):
    """Reader of a selection of the checks."""

    DOCTOR = "doctor"
    """All checks, also the slow ones."""
    READY = "ready"
    """Checks that tell whether calls can be served now; run every few seconds."""
    STATUS = "status"
    """Checks for which `gateway status` has no line of its own."""
    METRICS = "metrics"
    """The doctor's checks without the slow ones."""
    HOME = "home"
    """Lamps of the home page, beside the worst of the doctor's."""
    LINE = "line"
    """The test of the line to the axis."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Result of one check. `cause` is the key of its text below `words`; `cure` is a command, or a key; `server` is the
    affected server, of several. `word` is for programs; `stops`: no calls may be served because of it. `source` is the name
    in the list of checks."""

    check: str
    level: Level
    cause: str
    params: Mapping[str, object] = field(default_factory=dict)
    cure: str | None = None
    word: str = ""
    stops: bool = False
    server: str = ""
    ms: int = 0
    words: str = "doctor"
    source: str = ""

    def says(self, lang: str) -> str:
        params = {name: _say_moment(value) for name, value in self.params.items()}
        return labels.finding_text(f"{self.words}.{self.cause}", params, lang)

    def worded(self, word: str, *, stops: bool = False) -> Diagnosis:
        return replace(self, word=word, stops=stops)

    def mends(self, lang: str) -> str | None:
        """Return the text of the cure, or the command to type; None where nothing needs to be done."""
        is_key = self.cure is not None and labels.has(self.cure)
        return labels.say(self.cure or "", lang, **self.params) if is_key else self.cure


def _say_moment(value: object) -> object:
    """Return a moment as the wall clock of Viet Nam shows it; other values as they are."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return moment_text(datetime.fromisoformat(value))
    return value


def green(check: str, cause: str, /, **params: object) -> Diagnosis:
    return Diagnosis(check, Level.GREEN, cause, params)


def yellow(check: str, cause: str, cure: str | None = None, /, **params: object) -> Diagnosis:
    return Diagnosis(check, Level.YELLOW, cause, params, cure)


def red(check: str, cause: str, cure: str | None = None, /, **params: object) -> Diagnosis:
    return Diagnosis(check, Level.RED, cause, params, cure)


def worst(findings: Iterable[Diagnosis]) -> Diagnosis | None:
    """Return the first finding of the worst level; None without findings."""
    return max(findings, key=lambda finding: finding.level.badness, default=None)


def condition(findings: Collection[Diagnosis]) -> str:
    """Return the node's condition: `not-well` if no calls may be served, `degraded` with other trouble, else `ok`."""
    if any(finding.stops for finding in findings):
        return "not-well"
    return "ok" if _NO_TROUBLE.issuperset(check_words(findings).values()) else "degraded"


def check_words(findings: Iterable[Diagnosis]) -> dict[str, str]:
    """Return the word of each check that has one, from its worst finding."""
    worst_by_check: dict[str, Diagnosis] = {}
    for finding in findings:
        previous = worst_by_check.get(finding.check)
        if finding.word and (previous is None or _weight(finding) > _weight(previous)):
            worst_by_check[finding.check] = finding
    return {check: finding.word for check, finding in worst_by_check.items()}


def _weight(finding: Diagnosis) -> tuple[bool, int]:
    return finding.stops, finding.level.badness
