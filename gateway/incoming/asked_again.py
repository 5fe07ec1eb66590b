"""Packets that were judged while nobody could say whether their certificate is revoked (K4): looked at again once more is
known. In: what the authorities answered meanwhile. Out: held packets opened again; of those that were taken in the mark
removed, or exchanged for an alert. Nothing is ever deleted for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.proof import Evidence
from gateway.domain.revocation import PendingRevocation
from gateway.errors import Clash, StaleVersion
from gateway.incoming.desk import InDesk
from gateway.incoming.translate import REVOCATION_UNKNOWN
from gateway.incoming.verify import Proved
from gateway.ports import InboxItem, Work

_log = logging.getLogger(__name__)
REVOKED_BEFORE = "revoked_before_arrival"
_CODE = "CERT-REVOCATION-UNKNOWN"
_AT_ONCE = 200


def of(item: InboxItem, certificate_der: bytes) -> PendingRevocation:
    """What is remembered of a packet until more is known."""
    return PendingRevocation(
        agency_id=item.agency_id,
        inbox_id=item.id,
        certificate_der=certificate_der,
        arrived_at=item.received_at,
    )


async def note(work: Work, item: InboxItem, proved: Proved) -> None:
    """Remembers a packet that passes only because the grace runs, in the unit that settles it."""
    if any(each.code == _CODE for each in proved.envelope.notes):
        await work.pending.add(of(item, proved.envelope.signed.certificate_der))


async def look(desk: InDesk) -> int:
    """Judges every packet that waits by what is known now; of how many it is known at last."""
    settled, after = 0, ("", "")
    while True:
        found = await desk.store.pending_revocations(after, _AT_ONCE)
        for each in found:
            settled += await _one(desk, each)
        if len(found) < _AT_ONCE:
            return settled
        after = (found[-1].agency_id, found[-1].inbox_id)


async def _one(desk: InDesk, pending: PendingRevocation) -> bool:
    evidence = await desk.pool.run(lambda: desk.trust.collect(pending.certificate_der, pending.arrived_at))
    if evidence.revocation == "unknown":
        return False
    if desk.answers is not None:
        await desk.answers.use(evidence.answers)
    try:
        async with desk.store.begin(_scope(pending.agency_id)) as work:
            item = await work.inbox.get(pending.inbox_id)
            if item.state == "landed":  # it is being judged at this moment, perhaps by what was known before
                return False
            await _settle(desk, work, item, evidence)
            await work.pending.remove(item.id)
            await work.commit()
    except (Clash, StaleVersion):  # a worker or a person has it now; the next look finds it as they left it
        return False
    log.action(_log, "revocation.known", evidence.revocation, inbox=pending.inbox_id, serial=evidence.serial)
    return True


async def _settle(desk: InDesk, work: Work, item: InboxItem, evidence: Evidence) -> None:
    if item.state == "held" and item.code == _CODE:
        await work.inbox.reopen(item.id)
        desk.wake()
    elif item.incoming_id is not None:
        await _of_document(desk, work, item.incoming_id, evidence)
    elif item.state == "done" and evidence.revocation == "revoked":
        await work.events.append(EventKind.INBOX_REVOCATION, item.id, desk.clock.now(), _told(evidence))


async def _of_document(desk: InDesk, work: Work, incoming_id: str, evidence: Evidence) -> None:
    document = await work.incoming.get(incoming_id)
    revoked = evidence.revocation == "revoked"
    marks = [each for each in document.marks if each != REVOCATION_UNKNOWN]
    checked = document.checks | {"revocation": evidence.revocation}
    changed = replace(document, marks=(*marks, REVOKED_BEFORE) if revoked else tuple(marks), checks=checked)
    await work.incoming.save(changed, expect_version=document.version)
    await work.events.append(EventKind.INBOX_REVOCATION, document.id, desk.clock.now(), _told(evidence))


def _told(evidence: Evidence) -> Mapping[str, object]:
    at = evidence.revoked_at
    return {
        "state": evidence.revocation,
        "certificate": evidence.chain[0].sha256 if evidence.chain else None,
        "serial": evidence.serial,
        "revoked_at": at.isoformat() if at is not None else None,
        "reason": evidence.revocation_reason,
        "answers": list(evidence.answers),
    }


def _scope(agency_id: str) -> AgencyScope:
    return AgencyScope(agency_id=agency_id, principal_id="node")
