"""What a doctor says of trust: what persons decide, and revocation (K4). In: the registry, the events, the trust
folder, the store, the time. Out: level, cause, what to tell, and the command that cures it. Persons decide bindings
(held against the events that tell them), partners' certificates, which end, and roots; whether two people are there
to decide is looked at too. Of revocation: lists in files, and the authorities that are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from gateway.deciding import approvals
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.person import Role
from gateway.domain.proof import Binding
from gateway.ops import certificates
from gateway.ops.doctor_checks import GREEN, RED, YELLOW, Diagnosis
from gateway.ports import Clock
from gateway.registry.directory import SqlDirectory
from gateway.store.decisions import SqlBindingLog
from gateway.store.events import NODE
from gateway.store.people import SqlPeople
from gateway.store.store import SqlStore
from gateway.trust import authorities
from gateway.trust.folder import AnchorFile

SOON, URGENT = timedelta(days=30), timedelta(days=7)
NAMED = 5  # codes that one line names
_NODE_SCOPE = AgencyScope(agency_id=NODE, principal_id="operator")


def closed_registry(store: SqlStore, clock: Clock) -> SqlDirectory:
    """The registry of a node that is not open."""
    return SqlDirectory(store.writer, store.reader, store.memory, clock, SqlBindingLog(clock))


async def binding_findings(store: SqlStore, clock: Clock) -> list[Diagnosis]:
    """Threat 114, and K5 for the partners."""
    directory, now = closed_registry(store, clock), clock.now()
    in_force = await directory.in_force(now)
    found = await directory.differences()
    if found:
        about = {"count": len(found), "code": found[0].code, "detail": f"{found[0].what}: {found[0].detail}"}
        told = Diagnosis("bindings", RED, "bindings.untold", about, "gateway audit verify")
    else:
        told = Diagnosis("bindings", GREEN, "bindings.fine", {"count": len(in_force)})
    return [told, *_partners(in_force, now)]


def _partners(in_force: Sequence[Binding], now: datetime) -> list[Diagnosis]:
    ends = {each.code: _bound_until(each) for each in sorted(in_force, key=_bound_until)}
    for level, span in ((RED, URGENT), (YELLOW, SOON)):
        codes = sorted(code for code, until in ends.items() if until - now <= span)
        if codes:
            named = ", ".join(codes[:NAMED]) + (" …" if len(codes) > NAMED else "")
            about = {"codes": named, "days": span.days}
            cure = f"gateway keys propose {codes[0]} FILE"
            return [Diagnosis("bindings", level, "partners.expiring", about, cure)]
    return [Diagnosis("bindings", GREEN, "partners.fine")] if ends else []


async def people_findings(store: SqlStore, clock: Clock) -> list[Diagnosis]:
    """K6 needs two. A node that has bound nothing yet, and has nobody, is being set up."""
    async with store.reading() as tx:
        persons = await SqlPeople(tx).everybody()
    able = [each for each in persons if each.is_active and Role.TRUST in each.roles]
    if not persons and not await closed_registry(store, clock).in_force(clock.now()):
        return []
    found, about = await _set_up(store, clock), {"count": len(able)}
    if len(able) >= 2:
        return [*found, Diagnosis("people", GREEN, "people.fine", about)]
    return [*found, Diagnosis("people", YELLOW, "people.few", about, "gateway people list")]


async def _set_up(store: SqlStore, clock: Clock) -> list[Diagnosis]:
    """K6: while it is open two persons of today can change what this node trusts."""
    async with store.read(_NODE_SCOPE) as work:
        until = approvals.set_up_by_events(await work.events.of(approvals.SET_UP), clock.now())
    if until is None:
        return []
    told = {"until": until.isoformat(timespec="minutes")}
    return [Diagnosis("people", YELLOW, "people.set_up", told, "gateway people end-set-up --as NAME")]


async def anchor_findings(store: SqlStore, folder: Path) -> list[Diagnosis]:
    """Said of a node whose roots two people once approved: then each of them must have been."""
    async with store.read(_NODE_SCOPE) as work:
        told = await work.events.of("anchors")
    approved = {str(each.data.get("fingerprint")) for each in told if each.kind is EventKind.ANCHOR_APPROVED}
    path = folder / "ca.pem"
    unknown = [each for each in AnchorFile(path).fingerprints() if each not in approved]
    if not approved or not unknown:
        return []
    about = {"count": len(unknown), "path": path}
    return [Diagnosis("people", YELLOW, "anchors.unconfirmed", about, "gateway proposals anchor FILE")]


def _bound_until(binding: Binding) -> datetime:
    ends = x509.load_der_x509_certificate(binding.certificate_der).not_valid_after_utc
    return ends if binding.valid_to is None else min(ends, binding.valid_to)


_LEVELS = {certificates.GOOD: GREEN, certificates.FAILING: YELLOW, certificates.LATE: RED}


def list_findings(trust_folder: Path, now: datetime) -> Iterator[Diagnosis]:
    """A list that ran out means that nobody hears of a revocation; after the grace every packet is held."""
    folder = trust_folder / "crl"
    files = sorted(folder.glob("*.pem")) if folder.is_dir() else []
    if not files and not (trust_folder / authorities.SOURCES_FILE).is_file():
        yield Diagnosis("revocation", YELLOW, "revocation.none", {"path": folder})
    for file in files:
        yield _list_finding(file, now)


def _list_finding(file: Path, now: datetime) -> Diagnosis:
    try:
        ends = x509.load_pem_x509_crl(file.read_bytes()).next_update_utc
    except (ValueError, OSError, x509.InvalidVersion) as error:
        return Diagnosis("revocation", RED, "failed", {"detail": f"{file}: {error}"})
    told = {"path": file, "until": ends.isoformat(timespec="minutes") if ends else "–"}
    if ends is not None and ends < now:
        return Diagnosis("revocation", RED, "revocation.late", told)
    return Diagnosis("revocation", GREEN, "revocation.fine", told)


async def authority_findings(trust_folder: Path, store: SqlStore, now: datetime) -> list[Diagnosis]:
    """How old the answers of those are who are asked."""
    return [
        Diagnosis(
            "revocation",
            _LEVELS[each.word],
            f"revocation.asked.{each.word}",
            {
                "issuer": each.issuer,
                "why": each.error or "–",
                "oldest": each.oldest.isoformat(timespec="minutes") if each.oldest else "–",
            },
            None if each.word == certificates.GOOD else "gateway trust refresh",
        )
        for each in await certificates.authorities_asked(trust_folder, store, now)
    ]
