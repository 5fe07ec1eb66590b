"""Whom a packet goes to when the registry closed a recipient meanwhile (R83): held back with its successor named, returned
at once, or sent to the successor with a notice. Only imported or synced rows do any of it (R48). A status goes its way:
it answers. In: the recipients of a packet that is about to leave. Out: what becomes of each, and where it is published
to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.domain.document import Kind
from gateway.domain.queues import OutboxTarget
from gateway.domain.registry import CodeStanding, Resolution
from gateway.domain.registry_reform import QueuedMail
from gateway.outgoing.services import OutgoingServices
from gateway.policy.verdict import ReasonCode
from gateway.ports.axis import Fate, Outcome

REDIRECTED = "recipient-redirected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diverted:
    """By the recipient's code: what is not published, and who gets it instead, with the notice that is kept of it."""

    held: Mapping[str, Outcome] = field(default_factory=dict)
    heirs: Mapping[str, str] = field(default_factory=dict)
    notices: Mapping[str, str] = field(default_factory=dict)

    def routes(self, targets: Sequence[OutboxTarget]) -> list[str]:
        """Where the row is published to, each once: a successor may be a recipient itself."""
        open_ = [target.code for target in targets if target.code not in self.held]
        return list(dict.fromkeys([self.heirs.get(code, code) for code in open_]))

    def outcomes(
        self, targets: Sequence[OutboxTarget], published: Mapping[str, Outcome]
    ) -> dict[str, Outcome]:
        """What became of each recipient."""
        found = dict(self.held)
        for code in {target.code for target in targets} - self.held.keys():
            outcome = published[self.heirs.get(code, code)]
            notice = self.notices.get(code, "")
            is_there = outcome.fate is Fate.DELIVERED and notice
            found[code] = replace(outcome, code=REDIRECTED, detail=notice) if is_there else outcome
        return found


_NOBODY = Diverted()


async def divert_closed(services: OutgoingServices, kind: str, targets: Sequence[OutboxTarget]) -> Diverted:
    """A code that is held goes out as soon as the registry opens it again; its sender may cancel and send anew."""
    if kind == Kind.STATUS:
        return _NOBODY
    today = services.today()
    held: dict[str, Outcome] = {}
    heirs: dict[str, str] = {}
    for target in targets:
        if await services.directory.find(target.code, today) is None:
            answer = await services.directory.resolve(target.code, today)
            if answer.standing is CodeStanding.CLOSED and answer.may_refuse:
                if heir := await _taking_over(services, answer):
                    heirs[target.code] = heir
                else:
                    held[target.code] = _held_back(answer)
    if not (held or heirs):
        return _NOBODY
    notices = {code: f"{code} ended: sent to its successor {heir}" for code, heir in heirs.items()}
    return Diverted(held=held, heirs=heirs, notices=notices)


async def _taking_over(services: OutgoingServices, answer: Resolution) -> str | None:
    """The successor, where the change says that it gets what still waits, and it is in force."""
    ending = answer.ending
    if ending is None or ending.queued is not QueuedMail.REDIRECT or answer.successor is None:
        return None
    return answer.successor if await services.directory.find(answer.successor, services.today()) else None


def _held_back(answer: Resolution) -> Outcome:
    until = f" after {answer.entry.valid_to}" if answer.entry and answer.entry.valid_to else ""
    is_returned = answer.ending is not None and answer.ending.queued is QueuedMail.RETURN
    advice = "send to it anew" if is_returned else "cancel and send to it"
    heirs = _heirs(answer)
    heir = f"; its successor is {', '.join(heirs)}: {advice}" if heirs else ""
    return Outcome(
        fate=Fate.NEVER if is_returned else Fate.LATER,
        code=ReasonCode.RECIPIENT_CLOSED,
        detail=f"{answer.query} is closed in the registry{until}{heir}",
    )


def _heirs(answer: Resolution) -> Collection[str]:
    if answer.successor is not None:
        return (answer.successor,)
    return answer.ending.heirs if answer.ending is not None else ()
