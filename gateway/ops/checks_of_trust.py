"""What is checked of trust: anchors and revocation (K4), the keys of the agencies, and what persons decide. In: the node
that is examined. Out: level, cause, what to tell, and the command that cures it. Persons decide bindings (held against
the events that tell them), partners' certificates, which end, and roots; whether two people are there to decide is
looked at too. Of revocation: lists in files, and the authorities that are asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509

from gateway.deciding import approvals
from gateway.domain.account import AgencyScope
from gateway.domain.certificates import KeyUse
from gateway.domain.diagnosis import Diagnosis, Level, green, red, yellow
from gateway.domain.event import EventKind
from gateway.domain.person import Role
from gateway.errors import GatewayError
from gateway.ops import certificates
from gateway.ops.subject import Subject
from gateway.outgoing import desk
from gateway.registry.directory import SqlDirectory
from gateway.store.events import NODE
from gateway.store.people import SqlPeople
from gateway.trust import authorities
from gateway.trust.evidence import NodeTrust
from gateway.trust.folder import AnchorFile
from gateway.trust.keys import KeyDirectory
from gateway.workers.key_watch import bound_until

# An authority needs weeks to renew a certificate; below two weeks it is urgent.
EXPIRY_YELLOW, EXPIRY_RED = timedelta(days=60), timedelta(days=14)
# Of a partner's, which is the partner's to renew.
SOON, URGENT = timedelta(days=30), timedelta(days=7)
NAMED = 5  # codes that one line names
_NODE_SCOPE = AgencyScope(agency_id=NODE, principal_id="operator")


def closed_registry(subject: Subject) -> SqlDirectory:
    """The registry of a node that is not open."""
    store = subject.store
    return SqlDirectory(store.writer, store.reader, store.memory, subject.clock)


async def anchors(subject: Subject) -> AsyncGenerator[Diagnosis]:
    folder, now = subject.settings.trust.folder, subject.clock.now()
    file = folder / "ca.pem"
    if not file.is_file():
        yield red("trust", "trust.missing", f"cp ca.pem {file}", path=file)
        return
    try:
        NodeTrust.from_files(file, sorted((folder / "chain").glob("*.pem")))
        ends = min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(file.read_bytes()))
    except (GatewayError, ValueError, OSError) as error:
        yield red("trust", "failed", detail=str(error))
        return
    told = {"path": file, "until": ends.date().isoformat()}
    if ends - now >= EXPIRY_YELLOW:
        yield green("trust", "trust.fine", **told)
    else:
        tell = red if ends < now else yellow
        yield tell("trust", "trust.expiring", **told)


async def lists(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """A list that ran out means that nobody hears of a revocation; after the grace every packet is held."""
    trust = subject.settings.trust.folder
    folder = trust / "crl"
    files = sorted(folder.glob("*.pem")) if folder.is_dir() else []
    if not files and not (trust / authorities.SOURCES_FILE).is_file():
        yield yellow("revocation", "revocation.none", path=folder)
    for file in files:
        yield _list_finding(file, subject.clock.now())


def _list_finding(file: Path, now: datetime) -> Diagnosis:
    try:
        ends = x509.load_pem_x509_crl(file.read_bytes()).next_update_utc
    except (ValueError, OSError, x509.InvalidVersion) as error:
        return red("revocation", "failed", detail=f"{file}: {error}")
    until = ends.isoformat(timespec="minutes") if ends else "–"
    if ends is not None and ends < now:
        return red("revocation", "revocation.late", path=file, until=until)
    return green("revocation", "revocation.fine", path=file, until=until)


_LEVELS = {certificates.GOOD: Level.GREEN, certificates.FAILING: Level.YELLOW, certificates.LATE: Level.RED}


async def asked_authorities(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """How old the answers of those are who are asked."""
    folder, now = subject.settings.trust.folder, subject.clock.now()
    for each in await certificates.authorities_asked(folder, subject.store, now):
        oldest = each.oldest.isoformat(timespec="minutes") if each.oldest else "–"
        told = {"issuer": each.issuer, "why": each.error or "–", "oldest": oldest}
        cure = None if each.word == certificates.GOOD else "gateway trust refresh"
        yield Diagnosis("revocation", _LEVELS[each.word], f"revocation.asked.{each.word}", told, cure)


async def agencies(subject: Subject) -> AsyncGenerator[Diagnosis]:
    store, keys, now = subject.store, subject.keys, subject.clock.now()
    hosted, registry = await store.hosted(), closed_registry(subject)
    if not hosted:
        yield red("agencies", "agencies.none", "gateway init")
        return
    for agency in hosted:
        use = await desk.signing_keys_from(registry, store, agency.code, now)
        yield await subject.pool.run(partial(_key, keys, agency.code, use, now))
    if subject.settings.keys.password is None:
        yield yellow("keys", "keys.unprotected")


def _key(keys: KeyDirectory, code: str, use: KeyUse, now: datetime) -> Diagnosis:
    """Without a key in force everything of the agency stays queued, and nothing it receives is answered."""
    try:
        signer = keys.signer(code, now, use)
    except GatewayError as error:
        # A key that waits for its certificate needs that, and not another key.
        wanted = "import CERTIFICATE" if _waits_for_certificate(keys, code) else "new"
        return red(
            "keys", "keys.none", f"gateway keys {wanted} --agency {code}", code=code, detail=str(error)
        )
    ends = x509.load_der_x509_certificate(signer.certificate_der).not_valid_after_utc
    told = {"code": code, "until": ends.date().isoformat(), "days": (ends - now).days}
    if ends - now >= EXPIRY_YELLOW:
        return green("keys", "keys.fine", **told)
    tell = red if ends - now < EXPIRY_RED else yellow
    return tell("keys", "keys.expiring", f"gateway keys new --agency {code}", **told)


def _waits_for_certificate(keys: KeyDirectory, code: str) -> bool:
    try:
        return any(entry.certificate_der is None for entry in keys.entries(code))
    except GatewayError:
        return False


async def bindings(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Threat 114: what somebody wrote into the tables past the program is named, and not used; and K5 for the partners."""
    directory, now = closed_registry(subject), subject.clock.now()
    in_force = await directory.in_force(now)
    if found := await directory.differences():
        detail = f"{found[0].what}: {found[0].detail}"
        about = {"count": len(found), "code": found[0].code, "detail": detail}
        yield red("bindings", "bindings.untold", "gateway audit verify", **about)
    else:
        yield green("bindings", "bindings.fine", count=len(in_force))
    ends = {each.code: bound_until(each) for each in sorted(in_force, key=bound_until)}
    for tell, span in ((red, URGENT), (yellow, SOON)):
        codes = sorted(code for code, until in ends.items() if until - now <= span)
        if codes:
            named = ", ".join(codes[:NAMED]) + (" …" if len(codes) > NAMED else "")
            cure = f"gateway keys propose {codes[0]} FILE"
            yield tell("bindings", "partners.expiring", cure, codes=named, days=span.days)
            return
    if ends:
        yield green("bindings", "partners.fine")


async def people(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """K6: without two people nothing that this node trusts can change. A node that has bound nothing yet, and has nobody,
    is being set up."""
    store, now = subject.store, subject.clock.now()
    async with store.reading() as tx:
        persons = await SqlPeople(tx).everybody()
    able = sum(each.is_active and Role.TRUST in each.roles for each in persons)
    if not persons and not await closed_registry(subject).in_force(now):
        return
    async with store.read(_NODE_SCOPE) as work:
        until = approvals.set_up_by_events(await work.events.of(approvals.SET_UP), now)
    if until is not None:
        # K6: while it is open two persons of today can change what this node trusts.
        told, cure = until.isoformat(timespec="minutes"), "gateway people end-set-up --as NAME"
        yield yellow("people", "people.set_up", cure, until=told)
    if able >= 2:
        yield green("people", "people.fine", count=able)
    else:
        yield yellow("people", "people.few", "gateway people list", count=able)


async def approved_anchors(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Said of a node whose roots two people once approved: then each of them must have been."""
    async with subject.store.read(_NODE_SCOPE) as work:
        told = await work.events.of("anchors")
    approved = {str(each.data.get("fingerprint")) for each in told if each.kind is EventKind.ANCHOR_APPROVED}
    path = subject.settings.trust.folder / "ca.pem"
    unknown = [each for each in AnchorFile(path).fingerprints() if each not in approved]
    if approved and unknown:
        cure = "gateway proposals anchor FILE"
        yield yellow("people", "anchors.unconfirmed", cure, count=len(unknown), path=path)
