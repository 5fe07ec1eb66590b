"""What doctor says of trust that persons decide: bindings as the events tell them, partners' certificates that end, roots
that nobody approved, and whether two people are there to decide. In: the registry, the events, a folder. Out: findings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from gateway.deciding import set_up
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.person import Role
from gateway.domain.proof import Binding
from gateway.ops.doctor_log import Told
from gateway.ports import Clock
from gateway.registry.directory import SqlDirectory
from gateway.store.binding_log import SqlBindingLog
from gateway.store.events import NODE
from gateway.store.people import SqlPeople
from gateway.store.store import SqlStore
from gateway.trust.anchors import AnchorFile

GREEN, YELLOW, RED = "green", "yellow", "red"
SOON, URGENT = timedelta(days=30), timedelta(days=7)
NAMED = 5  # codes that one line names
_NODE = AgencyScope(agency_id=NODE, principal_id="operator")


def registry(store: SqlStore, clock: Clock) -> SqlDirectory:
    """The registry of a node that is not open."""
    return SqlDirectory(store.writer, store.reader, store.memory, clock, SqlBindingLog(clock))


async def bindings(store: SqlStore, clock: Clock) -> list[Told]:
    """Threat 114, and K5 for the partners."""
    directory, now = registry(store, clock), clock.now()
    in_force = await directory.in_force(now)
    found = await directory.differences()
    if found:
        about = {"count": len(found), "code": found[0].code, "detail": f"{found[0].what}: {found[0].detail}"}
        told = Told(level=RED, cause="bindings.untold", params=about, cure="gateway audit verify")
    else:
        told = Told(level=GREEN, cause="bindings.fine", params={"count": len(in_force)})
    return [told, *_partners(in_force, now)]


def _partners(in_force: Sequence[Binding], now: datetime) -> list[Told]:
    ends = {each.code: _until(each) for each in sorted(in_force, key=_until)}
    for level, span in ((RED, URGENT), (YELLOW, SOON)):
        codes = sorted(code for code, until in ends.items() if until - now <= span)
        if codes:
            named = ", ".join(codes[:NAMED]) + (" …" if len(codes) > NAMED else "")
            about = {"codes": named, "days": span.days}
            cure = f"gateway keys propose {codes[0]} FILE"
            return [Told(level=level, cause="partners.expiring", params=about, cure=cure)]
    return [Told(level=GREEN, cause="partners.fine")] if ends else []


async def people(store: SqlStore, clock: Clock) -> list[Told]:
    """K6 needs two. A node that has bound nothing yet, and has nobody, is being set up."""
    async with store.reading() as tx:
        persons = await SqlPeople(tx).everybody()
    able = [each for each in persons if each.is_active and Role.TRUST in each.roles]
    if not persons and not await registry(store, clock).in_force(clock.now()):
        return []
    found = await _set_up(store, clock)
    if len(able) >= 2:
        return [*found, Told(level=GREEN, cause="people.fine", params={"count": len(able)})]
    return [
        *found,
        Told(level=YELLOW, cause="people.few", params={"count": len(able)}, cure="gateway people list"),
    ]


async def _set_up(store: SqlStore, clock: Clock) -> list[Told]:
    """K6: while it is open two persons of today can change what this node trusts."""
    async with store.read(_NODE) as work:
        until = set_up.of_events(await work.events.of(set_up.SUBJECT), clock.now())
    if until is None:
        return []
    told = {"until": until.isoformat(timespec="minutes")}
    return [
        Told(level=YELLOW, cause="people.set_up", params=told, cure="gateway people end-set-up --as NAME")
    ]


async def anchors(store: SqlStore, folder: Path) -> list[Told]:
    """Said of a node whose roots two people once approved: then each of them must have been."""
    async with store.read(_NODE) as work:
        told = await work.events.of("anchors")
    approved = {str(each.data.get("fingerprint")) for each in told if each.kind is EventKind.ANCHOR_APPROVED}
    path = folder / "ca.pem"
    unknown = [each for each in AnchorFile(path).fingerprints() if each not in approved]
    if not approved or not unknown:
        return []
    about = {"count": len(unknown), "path": path}
    return [
        Told(level=YELLOW, cause="anchors.unconfirmed", params=about, cure="gateway proposals anchor FILE")
    ]


def _until(binding: Binding) -> datetime:
    ends = x509.load_der_x509_certificate(binding.certificate_der).not_valid_after_utc
    return ends if binding.valid_to is None else min(ends, binding.valid_to)
