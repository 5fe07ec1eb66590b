"""State of each recipient of an outgoing document, and its progress in five steps: sent, arrived, taken in, assigned,
done. In: a delivery and its facts. Out: a `RecipientView` with the fact behind the shown state and all facts, oldest
first; a `Progress` with the steps of one recipient; and for all recipients together the count and time of each step. A
recipient on paper, or with a cancelled delivery, has no steps. A recall is a step of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.document_view.facts import FactView, sent_fact
from gateway.domain.document import Delivery
from gateway.domain.states import ASKED_BACK, CODES, State, Track
from gateway.domain.status import Fact
from gateway.words import labels

# Each step is named as the state of a recipient that has reached it.
STEPS = (State.SENT, State.DELIVERED, State.ACCEPTED, State.ASSIGNED, State.DONE)
# A later step implies those before it: some systems report only the last one.
_STEP_OF_CODE = {code: row.step for code, row in CODES.items() if row.step}
# Step at which a delivery in this state has ended.
_STOP_STEP = {State.FAILED: 0, State.REJECTED: 2}
_WITHOUT_STEPS = frozenset({State.PAPER, State.CANCELLED, State.DRAFT, State.BLOCKED})
# The step after the others, for a document that its sender asks back.
RECALLED = "recalled"
_AGREED, _AGREES = State.REQUEST_AGREED, "15"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientView:
    """Recipient with its facts. `last` is the newest fact behind the shown state, else of all; None without facts."""

    delivery: Delivery
    last: FactView | None
    marks: tuple[str, ...]
    facts: tuple[FactView, ...] = field(default=(), repr=False)

    @property
    def at(self) -> datetime:
        return self.last.at if self.last is not None else self.delivery.updated_at


def recipient_view(delivery: Delivery, facts: Iterable[Fact], lang: str) -> RecipientView:
    """Return the view of a recipient, with its facts in words."""
    views = [sent_fact(f, lang) for f in sorted(facts, key=lambda f: f.at)]
    matching = [v for v in views if v.key == delivery.state] or views
    return RecipientView(
        delivery=delivery,
        last=matching[-1] if matching else None,
        marks=tuple(labels.mark_text(m, lang) for m in delivery.marks),
        facts=tuple(views),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of one recipient. `reached` counts the steps passed; `stopped` is the step, counted from 0, at which it
    ended. `at` has the time of each step, None for a skipped one. `is_asked_back`: its sender recalled the document, and
    waits for the answer or has it; `given_back_at` is the time of the agreement."""

    reached: int
    stopped: int | None
    at: tuple[datetime | None, ...]
    is_asked_back: bool = False
    given_back_at: datetime | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """Mark of each step: past, stopped or ahead."""
        return tuple(
            "past" if n < self.reached else "stopped" if n == self.stopped else "ahead"
            for n in range(len(STEPS))
        )

    @property
    def word(self) -> str:
        """Name of the last step passed; empty before the first."""
        return STEPS[self.reached - 1] if self.reached else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step for all recipients. `at` is when the last of them passed it, if all have; `stopped` counts those ended
    there."""

    step: str
    mark: str
    count: int
    total: int
    stopped: int
    at: datetime | None = None


def progress_of(facts: Sequence[Fact], word: str) -> Progress | None:
    """Compute the progress of one recipient from its facts and state; None where no packet travels to it."""
    if word in _WITHOUT_STEPS:
        return None
    at: list[datetime | None] = [None] * len(STEPS)
    reached = 0
    for fact in sorted(facts, key=lambda f: f.at):
        n = _step_number(fact)
        reached = max(reached, n)
        if n and at[n - 1] is None and fact.code != "02":
            at[n - 1] = fact.at
    agreed = [fact.at for fact in facts if fact.code == _AGREES] if word == _AGREED else []
    return Progress(
        reached=reached,
        stopped=_STOP_STEP.get(word),
        at=tuple(at),
        is_asked_back=word in ASKED_BACK or bool(agreed),
        given_back_at=max(agreed, default=None),
    )


def _step_number(fact: Fact) -> int:
    if fact.track is Track.TRANSPORT:
        return 1 if fact.code == State.SENT else 0
    return _STEP_OF_CODE.get(fact.code, 0) if fact.track is Track.BUSINESS else 0


def picture(progresses: Sequence[Progress]) -> list[Stage]:
    """Return the steps of all recipients together: past where all have passed, here or stopped at the first where some
    have not, ahead after that. A recall is the last step; if all are recalled, steps that none has passed are left
    out."""
    stages: list[Stage] = []
    for n, step in enumerate(STEPS):
        count = sum(p.reached > n for p in progresses)
        is_past = count == len(progresses)
        stopped = sum(p.stopped == n and p.reached <= n for p in progresses)
        is_first = all(s.mark == "past" for s in stages)
        mark = "past" if is_past else "stopped" if stopped else "here" if is_first else "ahead"
        times = [p.at[n] for p in progresses]
        known_times = [t for t in times if t is not None]
        at = max(known_times) if known_times and is_past and len(known_times) == len(progresses) else None
        stages.append(Stage(step=step, mark=mark, count=count, total=len(progresses), stopped=stopped, at=at))
    return _add_recall(stages, progresses) if progresses else []


def _add_recall(stages: list[Stage], progresses: Sequence[Progress]) -> list[Stage]:
    """Add the step of a recall, if any recipient was asked to give the document back."""
    if not any(p.is_asked_back for p in progresses):
        return stages
    times = [p.given_back_at for p in progresses if p.given_back_at is not None]
    is_over = len(times) == len(progresses)
    recall = Stage(
        step=RECALLED,
        mark="past" if is_over else "here",
        count=len(times),
        total=len(progresses),
        stopped=0,
        at=max(times) if is_over else None,
    )
    remaining = stages
    if all(p.is_asked_back for p in progresses):
        remaining = [
            stage if stage.mark != "here" else replace(stage, mark="ahead") for stage in stages if stage.count
        ]
    return [*remaining, recall]
