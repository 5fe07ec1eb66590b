"""The outcome of each step, and of all of them. In: expectations as they are met or not. Out: a score, as data for
programs, and as a page to print, which needs nothing from elsewhere and no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from html import escape
from typing import Any

from gateway.domain.wall_clock import local
from gateway.words import labels

LONGEST = 300
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body { font: 11pt/1.4 "Times New Roman", serif; margin: 2cm; color: #111; }
h1 { font-size: 16pt; } h2 { font-size: 12pt; margin: 1.2em 0 0.2em; }
table { border-collapse: collapse; width: 100%; font-size: 10pt; }
th, td { border: 1px solid #999; padding: 2px 6px; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
section { break-inside: avoid; } .no { color: #a00; font-weight: bold; } .ok { color: #060; }
p { margin: 0.2em 0; } .total { font-size: 14pt; font-weight: bold; }
@media print { body { margin: 0; } }
"""


class StepFailed(Exception):
    """The step cannot go on: an expected effect did not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One expectation: its subject, the expected and the actual value."""

    label: str
    expected: str
    actual: str
    ok: bool

    def as_json(self) -> dict[str, Any]:
        return {"about": self.label, "expected": self.expected, "came": self.actual, "ok": self.ok}


@dataclass(slots=True)
class Check:
    """The expectations of one step, in order."""

    expectations: list[Expectation] = field(default_factory=list)

    def equal(self, label: str, expected: object, actual: object) -> None:
        self._note(label, expected, actual, ok=expected == actual)

    def one_of(self, label: str, expected: Sequence[object], actual: object) -> None:
        self._note(label, " | ".join(map(str, expected)), actual, ok=actual in expected)

    def expect(self, label: str, expected: object, actual: object, *, ok: bool) -> None:
        self._note(label, expected, actual, ok=ok)

    def need(self, label: str, expected: object, actual: object, *, ok: bool) -> None:
        """Expect as `expect`, and end the step where it fails."""
        self._note(label, expected, actual, ok=ok)
        if not ok:
            raise StepFailed(label)

    def broke(self, why: str) -> None:
        self._note("the step", "an answer", why, ok=False)

    @property
    def passed(self) -> bool:
        return bool(self.expectations) and all(f.ok for f in self.expectations)

    def _note(self, label: str, expected: object, actual: object, *, ok: bool) -> None:
        self.expectations.append(
            Expectation(label=label, expected=str(expected)[:LONGEST], actual=str(actual)[:LONGEST], ok=ok)
        )


class SkipCause(StrEnum):
    """Why a step was skipped. `STEP`: another step broke off; `TIME`: the time had ended; `MISSING_INPUT`: an input was
    missing."""

    STEP = "step"
    TIME = "time"
    MISSING_INPUT = "not-given"


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
    """Outcome of one step."""

    n: int
    key: str
    passed: bool
    expectations: tuple[Expectation, ...]
    seconds: float
    broke_off: bool = False
    """Whether the step could not go on; also of a step that was skipped."""
    skipped: Skipped | None = None

    def words(self, part: str, lang: str) -> str:
        """Return its `title`, `done` or `mend` text."""
        return labels.say(f"conformance.{self.key}.{part}", lang)

    def as_json(self, lang: str) -> dict[str, Any]:
        wrong = [e for e in self.expectations if not e.ok]
        return {
            "n": self.n,
            "key": self.key,
            "title": self.words("title", lang),
            "passed": self.passed,
            "done": self.words("done", lang),
            "skipped": self.skipped.as_json() if self.skipped else None,
            "checks": [e.as_json() for e in self.expectations],
            "mend": self.words("mend", lang) if wrong or not (self.passed or self.skipped) else "",
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Outcome of one run."""

    target: str
    agency: str
    version: str
    at: datetime
    steps: tuple[StepScore, ...]

    @property
    def passed(self) -> int:
        return sum(s.passed for s in self.steps)

    @property
    def judged(self) -> int:
        """Count the steps that could be passed: those whose input the run lacks do not count."""
        return sum(
            step.skipped is None or step.skipped.cause is not SkipCause.MISSING_INPUT for step in self.steps
        )

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
            "steps": [s.as_json(lang) for s in self.steps],
        }


def sheet(score: Score, lang: str) -> str:
    """Write the score as one HTML page; texts from the subject are escaped."""

    def word(key: str, **params: object) -> str:
        return escape(labels.say(f"conformance.{key}", lang, **params))

    facts = (
        ("target", score.target),
        ("agency", score.agency),
        ("at", local(score.at).strftime("%d/%m/%Y %H:%M:%S")),
        ("kit", score.version),
    )
    rows = "".join(f"<tr><th>{word(f'sheet.{key}')}</th><td>{escape(text)}</td></tr>" for key, text in facts)
    steps = "".join(_step(s, lang) for s in score.steps)
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{word('sheet.title')}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{word('sheet.title')}</h1><table>{rows}</table>"
        f'<p class="total">{word("passed", passed=score.passed, of=score.judged)}</p>'
        f"<p>{word('sheet.test')}</p>{steps}</body></html>\n"
    )


def _step(step: StepScore, lang: str) -> str:
    def word(key: str) -> str:
        return escape(labels.say(f"conformance.sheet.{key}", lang))

    mark = "ok" if step.passed else "no"
    if step.skipped is not None:
        title = f"{word('step')} {step.n}. {escape(step.words('title', lang))}"
        return f"<section><h2>{title}</h2><p>{escape(step.skipped.words(lang))}</p></section>"
    mend = "" if step.passed else f"<p>{word('mend')}: {escape(step.words('mend', lang))}</p>"
    head = f"<tr><th></th><th>{word('expected')}</th><th>{word('came')}</th></tr>"
    return (
        f"<section><h2>{word('step')} {step.n}. {escape(step.words('title', lang))} "
        f'<span class="{mark}">{word(mark)}</span></h2>'
        f"<p>{word('done')}: {escape(step.words('done', lang))}</p>{mend}"
        f"<table>{head}{''.join(map(_row, step.expectations))}</table></section>"
    )


def _row(expectation: Expectation) -> str:
    mark = "ok" if expectation.ok else "no"
    return (
        f"<tr><td>{escape(expectation.label)}</td><td>{escape(expectation.expected)}</td>"
        f'<td class="{mark}">{escape(expectation.actual)}</td></tr>'
    )
