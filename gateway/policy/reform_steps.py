"""One decision with many steps: each planned on what the steps before it leave, so that an agency ends and its units go on
under another one on the same day. In: a reform, and what the registry knows of every code that it touches. Out: one
`ReformPlan`, its totals first. A reform without steps is planned as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from gateway.domain.registry_life import Life
from gateway.domain.registry_reform import Reform, ReformKind, Remark
from gateway.policy import reform as one
from gateway.policy.reform import MOST_CODES, ReformPlan, RegistryView

MOST_STEPS = 500
MOST_CODES_OF_ALL = 5_000
_ONCE = ("past", "decided_later")  # said of the whole decision, not of each step


def plan(reform: Reform, view: RegistryView, today: date) -> ReformPlan:
    """Everything that stands against it, or what it would do."""
    if not reform.is_many:
        return one.plan(reform, view, today)
    if conflicts := tuple(_stated(reform)):
        return one.refused(reform, view, conflicts)
    now, changed = dict(view.lives), dict[str, Life]()
    against: list[Remark] = []
    warnings: list[Remark] = []
    aliases = dict(view.aliases)
    for step in reform.steps:
        planned = one.plan(step, replace(view, lives=now, aliases=aliases, below={}), today)
        against += planned.conflicts
        warnings += [each for each in planned.warnings if each.key not in _ONCE or each not in warnings]
        now |= planned.after
        changed |= planned.after
        aliases |= {target.alias: target.code for target in step.targets if target.alias}
    if against:
        return one.refused(reform, view, against)
    return one.doing(reform, view, changed, (*warnings, *_left_below(reform, view.below, changed)))


def with_units(reform: Reform, below: Mapping[str, Sequence[str]]) -> Reform:
    """The same, with the units directly below each code that ends moved under who takes over, in the same decision. Units
    that the decision itself names stay as it says; where nobody takes over nobody can be moved."""
    named = set(reform.codes)
    moves: dict[str, list[str]] = {}
    for step in reform.flat:
        for code in step.ended:
            if step.successor is not None:
                units = [unit for unit in below.get(code, ()) if unit not in named]
                moves.setdefault(step.successor, []).extend(units)
    added = [
        Reform(
            kind=ReformKind.MOVE,
            decision=reform.decision,
            effective_on=reform.effective_on,
            sources=tuple(units[start : start + MOST_CODES]),
            parent=heir,
        )
        for heir, units in moves.items()
        for start in range(0, len(units), MOST_CODES)
    ]
    return joined([*reform.flat, *added]) if added else reform


def joined(steps: Sequence[Reform]) -> Reform:
    """These steps as one decision, which is that of the first."""
    first = steps[0]
    return Reform(
        kind=ReformKind.REORGANISE,
        decision=first.decision,
        effective_on=first.effective_on,
        queued=first.queued,
        steps=tuple(steps),
    )


def _stated(reform: Reform) -> Iterator[Remark]:
    """What can be said of the whole without the registry; each step is judged by itself afterwards."""
    if not 1 <= len(reform.steps) <= MOST_STEPS or len(reform.codes) > MOST_CODES_OF_ALL:
        yield Remark(key="too_many", params={"steps": str(MOST_STEPS), "codes": str(MOST_CODES_OF_ALL)})
    whole = (reform.decision, reform.effective_on)
    for n, step in enumerate(reform.steps, 1):
        if step.is_many or step.triage or (step.decision, step.effective_on) != whole:
            yield Remark(key="bad_step", params={"n": str(n)})


def _left_below(
    reform: Reform, below: Mapping[str, Sequence[str]], changed: Mapping[str, Life]
) -> Iterator[Remark]:
    """Units that neither end nor move with what they stand under."""
    for code in reform.ended:
        left = [
            unit for unit in below.get(code, ()) if unit not in changed or changed[unit].record.parent == code
        ]
        if left:
            yield Remark(key="units_below", params={"code": code, "count": str(len(left))})
