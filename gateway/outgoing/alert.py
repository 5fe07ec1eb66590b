"""Tells that somebody handed in malware. In: the files of a refused request. Out: one event for each of them, so that the
agency's people hear of the machine that it came from; the file itself is not kept."""

from __future__ import annotations

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.intake import Tray
from gateway.policy.door import clean_name

SUBJECT = "intake"


async def malware_refused(desk: OutDesk, scope: AgencyScope, tray: Tray) -> None:
    """Does nothing where no file carries any."""
    told = [
        {
            "file": clean_name(one.item.name),
            "sha256": one.item.sha256,
            "malware": one.facts.malware,
            "outgoing": True,
        }
        for one in tray.received
        if one.facts.malware is not None
    ]
    if not told:
        return
    async with desk.store.begin(scope) as work:
        kinds = [(EventKind.ALERT_MALWARE, each) for each in told]
        await work.events.append_many(SUBJECT, desk.clock.now(), kinds)
        await work.commit()
