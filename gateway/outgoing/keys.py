"""Which key signs for an agency now (W9, K5). In: an agency's code and a time. Out: `KeyUse`, of what the registry binds to
the code and of what persons ended; the same in every process of this database."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.key_use import KeyUse
from gateway.outgoing.desk import OutDesk
from gateway.policy import signing_key
from gateway.ports import Directory, Store


async def usable(desk: OutDesk, agency_code: str, now: datetime) -> KeyUse:
    """Which of the agency's certificates may sign at that moment."""
    return await of(desk.directory, desk.store, agency_code, now)


async def of(directory: Directory, store: Store, agency_code: str, now: datetime) -> KeyUse:
    """The same, for who has no desk."""
    bindings = await directory.bindings(agency_code)
    return signing_key.use(agency_code, bindings, await store.key_ends(agency_code), now)
