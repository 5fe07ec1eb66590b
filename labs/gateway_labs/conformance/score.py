"""What became of each step, and of all of them. In: expectations as they are met or not. Out: a score, as data for
programs; whoever shows it to people has the words under the step's number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.words import labels

LONGEST = 300


class StepFailed(Exception):
    """The step cannot go on: what was expected did not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One expectation: what it is about, what had to come, what came."""

    about: str
    expected: str
    came: str
    ok: bool

    def as_json(self) -> dict[str, Any]:
        return {"about": self.about, "expected": self.expected, "came": self.came, "ok": self.ok}


@dataclass(slots=True)
class Check:
    """The expectations of one step, in order."""

    found: list[Found] = field(default_factory=list)

    def equal(self, about: str, expected: object, came: object) -> None:
        self._note(about, expected, came, ok=expected == came)

    def one_of(self, about: str, expected: Sequence[object], came: object) -> None:
        self._note(about, " | ".join(map(str, expected)), came, ok=came in expected)

    def that(self, about: str, expected: object, came: object, *, ok: bool) -> None:
        self._note(about, expected, came, ok=ok)

    def need(self, about: str, expected: object, came: object, *, ok: bool) -> None:
        """As `that`, and nothing of the step has sense without it."""
        self._note(about, expected, came, ok=ok)
        if not ok:
            raise StepFailed(about)

    def broke(self, what: str) -> None:
        self._note("the step", "an answer", what, ok=False)

    @property
    def passed(self) -> bool:
        return bool(self.found) and all(each.ok for each in self.found)

    def _note(self, about: str, expected: object, came: object, *, ok: bool) -> None:
        self.found.append(
            Found(about=about, expected=str(expected)[:LONGEST], came=str(came)[:LONGEST], ok=ok)
        )


class SkipCause(StrEnum):
    """`STEP`: another step broke off; `TIME`: the run's time had ended; `GIVEN`: the run was not given what it needs."""

    STEP = "step"
    TIME = "time"
    GIVEN = "not-given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Why a step was not tried. `step` is the number of the one that broke off."""

    cause: SkipCause
    step: int | None = None

    def words(self, lang: str) -> str:
        return labels.say(f"conformance.skipped.{self.cause}", lang, n=self.step)

    def as_json(self) -> dict[str, Any]:
        return {"because": str(self.cause), "step": self.step}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepScore:
    """How one step ended."""

    n: int
    key: str
    passed: bool
    found: tuple[Found, ...]
    seconds: float
    broke_off: bool = False
    """Something was missing without which the step has no sense; of a step that was skipped too."""
    skipped: Skipped | None = None

    def words(self, part: str, lang: str) -> str:
        """`title`, `done` or `mend`."""
        return labels.say(f"conformance.{self.key}.{part}", lang)

    def as_json(self, lang: str) -> dict[str, Any]:
        wrong = [each for each in self.found if not each.ok]
        return {
            "n": self.n,
            "key": self.key,
            "title": self.words("title", lang),
            "passed": self.passed,
            "done": self.words("done", lang),
            "skipped": self.skipped.as_json() if self.skipped else None,
            "checks": [each.as_json() for each in self.found],
            "mend": self.words("mend", lang) if wrong or not (self.passed or self.skipped) else "",
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Of one run."""

    target: str
    agency: str
    version: str
    at: datetime
    steps: tuple[StepScore, ...]

    @property
    def passed(self) -> int:
        return sum(each.passed for each in self.steps)

    @property
    def judged(self) -> int:
        """How many there were to pass: those for which the run was given nothing do not count."""
        return sum(step.skipped is None or step.skipped.cause is not SkipCause.GIVEN for step in self.steps)

    @property
    def is_whole(self) -> bool:
        return self.passed == self.judged

    def as_json(self, lang: str) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "of": self.judged,
            "target": self.target,
            "agency": self.agency,
            "kit": self.version,
            "at": self.at.isoformat(timespec="seconds"),
            "steps": [each.as_json(lang) for each in self.steps],
        }
