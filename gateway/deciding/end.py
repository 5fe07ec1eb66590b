"""What one person may do at once, because it only takes trust away: withdraw a binding, retire a key of ours, report one
stolen. In: who acts, a code, a certificate. Out: the end, for every process of this database, and its event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gateway.deciding.desk import DecidingDesk
from gateway.domain.event import EventKind
from gateway.domain.key_use import KeyEnd
from gateway.errors import NotFound


async def withdraw(desk: DecidingDesk, by: str, code: str, fingerprint: str, reason: str) -> None:
    """The certificate speaks for the code no longer. What was admitted before stays admitted."""
    async with desk.decisions.begin(by) as work:
        await work.bindings.withdraw(code, fingerprint, desk.clock.now(), reason)
        await work.commit()


async def retire(desk: DecidingDesk, end: KeyEnd) -> None:
    """The key signs nothing from that moment on; its certificate speaks for the agency no longer, where it did here."""
    await _end(desk, end, EventKind.KEY_RETIRED, {"at": end.at.isoformat()})


async def stolen(desk: DecidingDesk, end: KeyEnd, since: datetime) -> None:
    """The key signs nothing from now on, and its certificate has spoken for nobody since then: what came later is judged
    so when it is looked at again."""
    told = {"at": end.at.isoformat(), "since": since.isoformat()}
    await _end(desk, replace(end, stolen_since=since), EventKind.KEY_STOLEN, told)


async def _end(desk: DecidingDesk, end: KeyEnd, kind: EventKind, about: Mapping[str, object]) -> None:
    async with desk.decisions.begin(end.by) as work:
        await work.key_ends.put(end)
        told = {"code": end.agency_code, "fingerprint": end.fingerprint, "key": end.key_id, **about}
        await work.events.append(kind, f"key:{end.fingerprint}", desk.clock.now(), told)
        try:
            if end.stolen_since is not None:
                await work.bindings.withdraw(end.agency_code, end.fingerprint, end.stolen_since, "stolen")
            else:
                await work.bindings.end(end.agency_code, end.fingerprint, end.at)
        except NotFound:
            pass  # nobody bound it here: then nobody here takes what it signed
        await work.commit()
