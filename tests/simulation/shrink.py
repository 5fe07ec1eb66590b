"""Makes a failing run smaller. In: a plan that breaks a promise, and a function that runs one. Out: the smallest plan that
was found to break one still: fewer kinds of faults, fewer senders, fewer hours."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.faults import KINDS
from tests.simulation.programs import NAMES
from tests.simulation.run import Plan, Result
from tests.simulation.stage import CASTS


def shrink_with(run: Callable[[Plan], Result], plan: Plan, result: Result) -> tuple[Plan, Result]:
    """Leave out one thing after another, and keep out what the failure does not need."""
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in _smaller(plan):
            tried = run(candidate)
            if tried.broken:
                plan, result, is_smaller = candidate, tried, True
                print(f"still fails: {plan}", file=sys.stderr, flush=True)
                break
    return plan, result


def _smaller(plan: Plan) -> Iterator[Plan]:
    if plan.hours > 0.1:
        yield replace(plan, hours=plan.hours / 2)
    if plan.temper().has_office:
        yield replace(plan, has_office=False)
    for kind in (*KINDS, *NAMES):
        if kind not in plan.without:
            yield replace(plan, without=plan.without | {kind})
    senders = sorted(plan.callers or {cast.code for cast in CASTS})
    if len(senders) > 1:
        yield replace(plan, callers=frozenset(senders[: len(senders) // 2]))
        yield replace(plan, callers=frozenset(senders[len(senders) // 2 :]))
