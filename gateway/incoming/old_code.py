"""Mail under a code that has ended (R83). In: the code that a packet names, the agency that it landed at. Out: which agency
of this node takes it, the mark of its document, and the notice that its sender gets with the first answer; and under which
former codes we know whoever answers us."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gateway.domain.account import HostedAgency
from gateway.domain.document import Kind
from gateway.domain.registry import Resolution, Standing
from gateway.domain.wall_clock import local
from gateway.incoming.desk import InDesk, is_ours
from gateway.words import labels

MARK = "old_code"
_NEW = (Kind.DOCUMENT, Kind.REPLACEMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldCode:
    """The ended code that a packet was addressed to. Without a successor a person says who gets the document."""

    code: str
    heirs: tuple[str, ...]
    is_settled: bool
    notice: str

    @property
    def mark(self) -> str:
        return f"{MARK}:{self.code}"


async def receiver(desk: InDesk, recipient: str, kind: str) -> HostedAgency | None:
    """Who takes a parcel. New documents to an ended code go to its successor, where that is hosted here; what speaks of
    documents from before goes where those are."""
    hosted = await desk.store.hosted()
    own = next((one for one in hosted if is_ours(one, recipient)), None)
    if own is not None and kind not in _NEW:
        return own
    answer = await _closed(desk, recipient)
    if answer is None or answer.successor is None:
        return own
    return next((one for one in hosted if is_ours(one, answer.successor)), own)


async def addressed(desk: InDesk, agency: HostedAgency, named: Collection[str]) -> OldCode | None:
    """The ended code under which a packet is for this agency; None when it names one that is in force."""
    found: OldCode | None = None
    for code in named:
        answer = await _closed(desk, code)
        if answer is None:
            if is_ours(agency, code):
                return None
        elif found is None and (is_ours(agency, answer.successor) or is_ours(agency, code)):
            found = _old(answer, agency)
    return found


async def known_as(desk: InDesk, sender: str) -> frozenset[str]:
    """The sender's code and every ended one that it took over from, in small letters: it answers for them."""
    today = local(desk.clock.now()).date()
    former = await desk.directory.former([sender.strip().upper()], today)
    return frozenset(code.casefold() for code in (sender, *former))


async def _closed(desk: InDesk, code: str) -> Resolution | None:
    """Of a code that ended, by rows that may redirect; None for every other."""
    today = local(desk.clock.now()).date()
    if await desk.directory.find(code, today) is not None:
        return None
    answer = await desk.directory.resolve(code, today)
    return answer if answer.standing is Standing.CLOSED and answer.may_refuse else None


def _old(answer: Resolution, agency: HostedAgency) -> OldCode:
    ending = answer.ending
    heirs = ending.heirs if ending is not None else ()
    heirs = (answer.successor,) if answer.successor is not None else heirs
    code = answer.entry.code if answer.entry is not None else answer.given
    return OldCode(
        code=code,
        heirs=heirs,
        is_settled=is_ours(agency, answer.successor),
        notice=_notice(answer, code, heirs),
    )


def _notice(answer: Resolution, code: str, heirs: tuple[str, ...]) -> str:
    """What the sender reads: the code, what became of it, by which decision, who came after."""
    heir = ", ".join(heirs) or "–"
    ending = answer.ending
    if ending is None:
        until = answer.entry.valid_to if answer.entry is not None else None
        return labels.say(
            "reform.told_closed", code=code, day=labels.day(str(until)) if until else "–", heir=heir
        )
    return labels.say(
        "reform.told_sender",
        code=code,
        how=labels.say(f"reform.how.{ending.kind}"),
        on=labels.day(ending.since.isoformat()),
        decision=f"{ending.decision.number} ({ending.decision.issuer})",
        heir=heir,
    )
