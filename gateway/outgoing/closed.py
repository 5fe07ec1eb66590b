"""Recipients that the registry closed after their document was accepted. In: the recipients of one row. Out: for each that
is closed today, an outcome that holds it back with its reason and successor; nothing for the others. Nothing is sent on
to a successor by itself (R83), and only imported or synced rows hold back (R48). A status goes its way: it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.domain.document import Kind
from gateway.domain.registry import Resolution, Standing
from gateway.outgoing.desk import OutDesk
from gateway.policy.verdict import ReasonCode
from gateway.ports import Fate, Outcome, Target


async def among(desk: OutDesk, kind: str, targets: Sequence[Target]) -> Mapping[str, Outcome]:
    """By code. The code goes out as soon as the registry opens it again; its sender may cancel and send anew."""
    if kind == Kind.STATUS:
        return {}
    today, held = desk.today(), {}
    for target in targets:
        if await desk.directory.find(target.code, today) is None:
            answer = await desk.directory.resolve(target.code, today)
            if answer.standing is Standing.CLOSED and answer.may_refuse:
                held[target.code] = _held(answer)
    return held


def _held(answer: Resolution) -> Outcome:
    until = f" after {answer.entry.valid_to}" if answer.entry and answer.entry.valid_to else ""
    heir = f"; its successor is {answer.successor}: cancel and send to it" if answer.successor else ""
    return Outcome(
        fate=Fate.LATER,
        code=ReasonCode.RECIPIENT_CLOSED,
        detail=f"{answer.given} is closed in the registry{until}{heir}",
    )
