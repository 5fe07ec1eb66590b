"""What a person does with a packet that did not become a document: release, give back, discard. In: an inbox row that
is held, waiting or in quarantine, and a reason. Out: the row ended, or back on its way; every act is an event."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.domain.event import EventKind
from gateway.domain.fields import tidy
from gateway.errors import Clash, Refused
from gateway.incoming import acknowledge, admit, settle, verify
from gateway.incoming.act import StatusCall, complete
from gateway.incoming.desk import InDesk
from gateway.incoming.verify import Proved
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.ports import InboxItem, Work

_OPEN = frozenset({"held", "waiting", "quarantined", "malformed"})


async def release(desk: InDesk, scope: AgencyScope, inbox_id: str, why: str) -> InboxItem:
    """The packet is verified anew from its first step; what stood against it may be gone by now (a binding added, an
    earlier request answered). A person's release bears with an odd signing time and with other content under a known
    DocumentId; every other check is made again."""
    return await _end(desk, scope, inbox_id, "landed", why)


async def give_back(desk: InDesk, scope: AgencyScope, inbox_id: str, why: str, code: str) -> InboxItem:
    """02 to the sender, who is proved once more before anything is said (A7)."""
    agency = await desk.agency(scope.agency_id)
    _given(why)
    said = tidy(StatusCall(code="02", reason=code, note=why))
    complete(said)
    words = settle.refusal_text(code, said.note)
    async with desk.store.read(scope) as work:
        item = _open(await work.inbox.get(inbox_id))
    proved = await verify.run(desk, replace(item, released=True))
    if proved.envelope.model.kind is Kind.STATUS:
        raise Clash("a status packet is never answered by a status; discard it with its reason")
    async with desk.store.begin(scope) as work:
        item = _open(await work.inbox.get(inbox_id))
        await _claim(desk, work, item, proved)
        await acknowledge.put(
            desk,
            work,
            agency,
            acknowledge.of_packet(item, proved),
            "02",
            description=words,
        )
        returned = settle.known(item, proved, state="returned", code=code, reason=why)
        await work.inbox.settle(returned, None)
        await work.events.append(
            EventKind.INBOX_RETURNED, inbox_id, desk.clock.now(), {"reason": code, "by": scope.principal_id}
        )
        await work.commit()
    desk.wake()
    return returned


async def _claim(desk: InDesk, work: Work, item: InboxItem, proved: Proved) -> None:
    """A 02 says for this body what became of it, so the body is known from now on like one that was admitted."""
    first = await work.identities.by_body(proved.envelope.sender, proved.envelope.signed.body_digest)
    if first is not None:
        raise Clash(
            f"the same content came before as {first.incoming_id or first.inbox_id} and has its answer; release this "
            "one, and it is told that answer again"
        )
    await admit.same_id_other_body(work, proved)
    await admit.claim(work, item, proved, None, desk.clock.now())


async def discard(desk: InDesk, scope: AgencyScope, inbox_id: str, why: str) -> InboxItem:
    """The packet is kept byte for byte and never becomes a document."""
    return await _end(desk, scope, inbox_id, "discarded", why)


async def _end(desk: InDesk, scope: AgencyScope, inbox_id: str, state: str, why: str) -> InboxItem:
    _given(why)
    async with desk.store.begin(scope) as work:
        item = _open(await work.inbox.get(inbox_id))
        if state == "landed":
            await work.inbox.reopen(inbox_id, released=True)
        else:
            await work.inbox.settle(replace(item, state=state, reason=why), None)
        await work.events.append(
            EventKind.INBOX_HELD if state == "landed" else EventKind.INBOX_INVALID,
            inbox_id,
            desk.clock.now(),
            {"state": state, "why": why, "by": scope.principal_id},
        )
        ended = await work.inbox.get(inbox_id)
        await work.commit()
    desk.wake()
    return ended


def _given(why: str) -> None:
    if not why.strip():
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/reason", field="reason"),)))


def _open(item: InboxItem) -> InboxItem:
    """Asked again inside the deciding transaction: a worker or another person may have ended it meanwhile."""
    if item.state not in _OPEN:
        raise Clash(f"{item.id} is {item.state}; only a packet that is held or in quarantine can be decided")
    return item
