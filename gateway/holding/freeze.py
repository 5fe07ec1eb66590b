"""Begins a sealed hold: from the caller's commit on, nobody reads the content at this node. In: what is secret, and who
referred to its content. Out: the hold, in the caller's transaction; `finish` seals it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.domain.event import EventKind
from gateway.domain.hold import HeldContent, HeldKind, Hold, HoldState
from gateway.domain.identity import Digest
from gateway.errors import Refused
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.ports import Clock, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """The document or packet to freeze. `owners` are the (kind, id) under which its content is kept."""

    kind: HeldKind
    subject_id: str
    before: str
    owners: Sequence[tuple[str, str]]
    sender_code: str | None = None
    document_id: str | None = None
    handed_over: bool = False
    leftovers: Sequence[Digest] = ()


async def freeze(clock: Clock, work: Work, suspect: Suspect, why: str) -> Hold:
    """Clash when it is in the hold already. The event tells digests and numbers, never what it says."""
    hold = Hold(
        id=clock.new_id("hld_"),
        agency_id=work.scope.agency_id,
        kind=suspect.kind,
        subject_id=suspect.subject_id,
        state=HoldState.FROZEN,
        why=_given(why),
        begun_at=clock.now(),
        begun_by=work.scope.principal_id,
        before=suspect.before,
        sender_code=suspect.sender_code,
        document_id=suspect.document_id,
        handed_over=suspect.handed_over,
        leftovers=tuple(suspect.leftovers),
    )
    contents = [
        HeldContent(digest=digest, size=size, owner_kind=kind, owner_id=owner)
        for kind, owner in suspect.owners
        for digest, size in (await work.blobs.of(kind, owner)).items()
    ]
    for kind, owner in suspect.owners:
        await work.blobs.freeze(kind, owner, hold.id)
    others = [await work.blobs.others(digest, hold.id) for digest in {each.digest for each in contents}]
    hold = replace(hold, contents=tuple(contents), others=sum(others))
    await work.held.add(hold)
    told = {"hold": hold.id, "kind": hold.kind, "contents": len(contents), "others": hold.others}
    await work.events.append(EventKind.HOLD_BEGUN, hold.subject_id, hold.begun_at, told)
    return hold


def _given(why: str) -> str:
    if not why.strip():
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/reason", field="reason"),)))
    return why.strip()
