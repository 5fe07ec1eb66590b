"""Checks of trust: anchors and revocation (K4, revocation grace), the keys of the agencies, and decisions of persons. In:
the node that is examined. Out: findings with level, cause, parameters and the command that cures each. Decisions of persons
are bindings (compared with their events), issuers whose lists bind here, partners' expiring certificates, and roots; also
that two people can decide.
Revocation is checked for lists in files and for authorities that are asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509

from gateway.deciding import approvals, delegation
from gateway.domain.account import AgencyScope
from gateway.domain.certificates import KeyUse
from gateway.domain.delegated import OFFICERS_NEEDED, ListState
from gateway.domain.diagnosis import Diagnosis, Level, green, red, yellow
from gateway.domain.event import EventKind
from gateway.domain.person import Role
from gateway.domain.queues import SIGNATURES_JOB
from gateway.domain.wall_clock import day_text
from gateway.errors import GatewayError
from gateway.ops import certificates
from gateway.ops.subject import Subject
from gateway.outgoing import services
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.decisions import SqlDecision
from gateway.store.events import NODE
from gateway.store.people import SqlPeople
from gateway.trust import authorities, seals
from gateway.trust.evidence import NodeTrust
from gateway.trust.folder import AnchorFile
from gateway.trust.keys import KeyDirectory
from gateway.trust.pdf_authorities import read_pdf_sources
from gateway.workers.key_watch import bound_until

# Limits for own certificates: an authority needs weeks to renew one, and below two weeks it is urgent.
EXPIRY_YELLOW, EXPIRY_RED = timedelta(days=60), timedelta(days=14)
# Limits for partners' certificates, which are shorter, because the partners renew them.
SOON, URGENT = timedelta(days=30), timedelta(days=7)
_STATES = {ListState.HELD: "delegation.held", ListState.UNSIGNED: "delegation.unsigned"}
# Words for a list that could not be taken, is old, or is in order; and the command to look with.
_AXIS_WORDS = ("axis-lists.failed", "axis-lists.old", "axis-lists.fine", "gateway registry axis-lists")
_FEED_WORDS = ("feed-fetch.failed", "feed-fetch.old", "feed-fetch.fine", "gateway registry feed refusals")
# Authorities answer within seconds; a document that waits for a day has one that does not.
PDF_ANSWERS_LATE = timedelta(days=1)
# Algorithms and timestamps are replaced in time where that is said a quarter before.
WEEKS_BEFORE = timedelta(days=90)
MOST_NAMES = 5  # most codes that one finding names
_NODE_SCOPE = AgencyScope(agency_id=NODE, principal_id="operator")
_LEVELS = {certificates.GOOD: Level.GREEN, certificates.FAILING: Level.YELLOW, certificates.LATE: Level.RED}


def closed_registry(subject: Subject) -> SqlDirectory:
    """Return the registry, also of a node that is not open."""
    return SqlDirectory(subject.store.reader, subject.store.memory, subject.clock)


async def anchors(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the trusted roots in `ca.pem` are readable and do not expire soon."""
    folder, now = subject.settings.trust.folder, subject.clock.now()
    file = folder / "ca.pem"
    if not file.is_file():
        yield red("trust", "trust.missing", f"cp ca.pem {file}", path=file)
        return
    try:
        NodeTrust.from_files(file, sorted((folder / "chain").glob("*.pem")))
        ends = min(c.not_valid_after_utc for c in x509.load_pem_x509_certificates(file.read_bytes()))
    except (GatewayError, ValueError, OSError) as error:
        yield red("trust", "failed", detail=str(error))
        return
    params = {"path": file, "until": ends.date().isoformat()}
    if ends - now >= EXPIRY_YELLOW:
        yield green("trust", "trust.fine", **params)
    else:
        finding = red if ends < now else yellow
        yield finding("trust", "trust.expiring", **params)


async def algorithms(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that nothing in use is of an algorithm that this node accepts no more, or for a few weeks only. No finding for
    a node that ends none."""
    settings, now = subject.settings, subject.clock.now()
    if not settings.trust.algorithms.days:
        return
    from gateway.ops.algorithms import count_uses

    for use in await count_uses(settings, subject.store, closed_registry(subject), now):
        if use.ends_within(WEEKS_BEFORE, now):
            params = {"name": use.name, "count": use.count, "until": day_text(use.last_day)}
            yield yellow("trust", "trust.algorithm", "gateway trust algorithms", **params)


async def stamps(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the certificate of the newest timestamp does not end soon: later timestamps must vouch for it before.
    No finding for a log without timestamps."""
    stamped = (await subject.store.log.head()).stamped
    if stamped is None or stamped.stamp is None:
        return
    certificate = (await subject.pool.run(partial(seals.certificates_of, stamped.stamp)))[0]
    ends = certificate.not_valid_after_utc
    if ends - subject.clock.now() <= WEEKS_BEFORE:
        params = {"seal": stamped.signed.seal.number, "until": ends.date().isoformat()}
        yield yellow("log", "log.stamp_ends", "doctor.log.stamp_ends.cure", **params)


async def lists(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the revocation lists in files are valid. With an expired list revocations stay unknown, and after the
    grace every packet is held."""
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
    end_text = ends.isoformat(timespec="minutes") if ends else "–"
    if ends is not None and ends < now:
        return red("revocation", "revocation.late", "doctor.revocation.late.cure", path=file, until=end_text)
    return green("revocation", "revocation.fine", path=file, until=end_text)


async def asked_authorities(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check for each authority that is asked whether its answers are good, failing or late."""
    folder, now = subject.settings.trust.folder, subject.clock.now()
    for issuer in await certificates.load_issuer_states(folder, subject.store, now):
        oldest = issuer.oldest.isoformat(timespec="minutes") if issuer.oldest else "–"
        params = {"issuer": issuer.issuer, "why": issuer.error or "–", "oldest": oldest}
        cure = None if issuer.word == certificates.GOOD else "gateway trust refresh"
        yield Diagnosis("revocation", _LEVELS[issuer.word], f"revocation.asked.{issuer.word}", params, cure)


async def pdf_signers(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that `pdf/revocation.toml` can be read, and that no document waits long for answers about its signers."""
    try:
        if read_pdf_sources(subject.settings.trust.folder / "pdf") is None:
            return
    except GatewayError as error:
        yield red("pdf-revocation", "failed", detail=str(error))
        return
    count, oldest = await subject.store.waiting_jobs(SIGNATURES_JOB)
    if oldest is not None and oldest < subject.clock.now() - PDF_ANSWERS_LATE:
        since = oldest.isoformat(timespec="minutes")
        yield yellow("pdf-revocation", "pdf_revocation.waiting", count=count, since=since)
    else:
        yield green("pdf-revocation", "pdf_revocation.fine")


async def agencies(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that agencies are hosted, and that each has a valid signing key."""
    store, keys, now = subject.store, subject.keys, subject.clock.now()
    hosted, registry = await store.hosted(), closed_registry(subject)
    if not hosted:
        yield red("agencies", "agencies.none", "gateway init")
        return
    for agency in hosted:
        use = await services.signing_keys_from(registry, store, agency.code, now)
        yield await subject.pool.run(partial(_key_finding, keys, agency.code, use, now))
    if subject.settings.keys.password is None:
        yield yellow("keys", "keys.unprotected")


def _key_finding(keys: KeyDirectory, code: str, use: KeyUse, now: datetime) -> Diagnosis:
    """Check that an agency has a valid signing key, and when its certificate ends. Without a key its packets stay queued,
    and received packets are not answered."""
    try:
        signer = keys.signer(code, now, use)
    except GatewayError as error:
        # A key that waits for its certificate needs the certificate, not a new key.
        keys_command = "import CERTIFICATE" if _waits_for_certificate(keys, code) else "new"
        return red(
            "keys", "keys.none", f"gateway keys {keys_command} --agency {code}", code=code, detail=str(error)
        )
    ends = x509.load_der_x509_certificate(signer.certificate_der).not_valid_after_utc
    params = {"code": code, "until": ends.date().isoformat(), "days": (ends - now).days}
    if ends - now >= EXPIRY_YELLOW:
        return green("keys", "keys.fine", **params)
    finding = red if ends - now < EXPIRY_RED else yellow
    if waiting := [entry.key_id for entry in keys.entries(code) if entry.certificate_der is None]:
        cure = f"gateway keys csr {waiting[-1]} --agency {code} > request.pem"
        return finding("keys", "keys.requested", cure, key=waiting[-1], **params)
    return finding("keys", "keys.expiring", f"gateway keys new --agency {code}", **params)


def _waits_for_certificate(keys: KeyDirectory, code: str) -> bool:
    try:
        return any(entry.certificate_der is None for entry in keys.entries(code))
    except GatewayError:
        return False


async def bindings(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that every binding and registered seal is recorded by an event, as others are not used, and that no partner's
    certificate ends soon (K5, expiring partners)."""
    directory, now = closed_registry(subject), subject.clock.now()
    in_force = await directory.in_force(now)
    if differences := await directory.differences():
        detail = f"{differences[0].kind}: {differences[0].detail}"
        params = {"count": len(differences), "code": differences[0].code, "detail": detail}
        yield red("bindings", "bindings.untold", "gateway audit verify", **params)
    else:
        yield green("bindings", "bindings.fine", count=len(in_force))
    if seals := await directory.unconfirmed_seals():
        yield red("bindings", "seals.untold", "gateway audit verify", count=len(seals), code=seals[0][0])
    ends = {binding.code: bound_until(binding) for binding in sorted(in_force, key=bound_until)}
    for finding, span in ((red, URGENT), (yellow, SOON)):
        codes = sorted(code for code, ends_at in ends.items() if ends_at - now <= span)
        if codes:
            code_list = ", ".join(codes[:MOST_NAMES]) + (" …" if len(codes) > MOST_NAMES else "")
            cure = f"gateway keys propose {codes[0]} FILE"
            yield finding("bindings", "partners.expiring", cure, codes=code_list, days=span.days)
            return
    if ends:
        yield green("bindings", "partners.fine")


async def axis_lists(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check the newest list of agencies of each foreign axis: it came, and nothing of it waits; and the fetched list of the
    issuer, and that the issuer was told. No finding for a node that asks for none."""
    rules, now = subject.settings.registry, subject.clock.now()
    if rules.receipt_url and (finding := await _receipt_finding(subject)):
        yield finding
    if not rules.axis_list_h and not rules.feed_url:
        return
    from gateway.domain.axis_list import AxisListState
    from gateway.registry_authoring.axis_lists import FETCHED_FEED, is_overdue, list_all, newest_by_axis

    for newest in newest_by_axis(await list_all(subject.store.reader)):
        is_feed = newest.axis == FETCHED_FEED
        hours = (rules.feed_url and rules.feed_h) if is_feed else rules.axis_list_h
        if not hours:
            continue
        failed, old, fine, cure = _FEED_WORDS if is_feed else _AXIS_WORDS
        params: dict[str, object] = {"axis": newest.axis or "–", "day": day_text(newest.at)}
        if newest.state is AxisListState.FAILED:
            yield yellow("axis-lists", failed, cure, **params, fault=newest.fault)
        elif is_overdue(newest, now, timedelta(hours=hours)):
            yield yellow("axis-lists", old, cure, **params)
        elif newest.waiting or newest.conflicts:
            counts = {"waiting": newest.waiting, "conflicts": newest.conflicts}
            yield yellow("axis-lists", "axis-lists.waiting", cure, **params, **counts)
        else:
            yield green("axis-lists", fine, **params)


async def _receipt_finding(subject: Subject) -> Diagnosis | None:
    """Tell whether the issuer knows which of its lists is in force here; None before the first outcome."""
    from gateway.registry_authoring.feed_judge import in_force

    async with subject.store.reader.connect() as connection:
        row = await in_force(connection)
    if row is not None and row.receipt_fault:
        params = {"number": row.sequence, "fault": row.receipt_fault}
        return yellow("axis-lists", "feed-receipt.failed", "gateway registry feed status", **params)
    if row is None or row.receipt_at is None:
        return None
    return green("axis-lists", "feed-receipt.fine", number=row.sequence, day=day_text(row.receipt_at))


async def delegated(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check issuers whose lists bind certificates here: none was stopped, each has two officers for the next weeks, and
    nothing of their lists waits for people. No finding for a node that delegated trust to no issuer."""
    async with subject.store.reading() as tx:
        view, now = SqlDecision(tx, subject.clock, subject.pool, ""), subject.clock.now()
        for name, number, count in await view.held_rows.waiting():
            params = {"issuer": name, "number": number, "count": count}
            yield yellow(
                "delegation", "delegation.codes", "gateway registry trust rows ISSUER NUMBER", **params
            )
        for issuer in await delegation.load_issuers(view):
            policy, newest, name = issuer.trusted.policy, issuer.newest, issuer.trusted.issuer
            if policy is None:
                continue
            if issuer.trusted.stopped is not None:
                params = {"issuer": name, "number": issuer.trusted.stopped}
                yield red("delegation", "delegation.stopped", "gateway registry trust show", **params)
                continue
            able = [o for o in policy.officers if o.until is None or o.until - now > SOON]
            if len(able) < OFFICERS_NEEDED:
                cure = "gateway registry trust propose ISSUER"
                yield yellow("delegation", "delegation.officers", cure, issuer=name, days=SOON.days)
            if newest is not None and newest.state in (ListState.HELD, ListState.UNSIGNED):
                params = {"issuer": name, "number": newest.sequence}
                yield yellow("delegation", _STATES[newest.state], "gateway registry trust lists", **params)
            elif newest is not None and newest.counts.get("conflict"):
                params = {"issuer": name, "number": newest.sequence, "count": newest.counts["conflict"]}
                yield yellow(
                    "delegation", "delegation.conflict", "gateway registry trust rows ISSUER NUMBER", **params
                )
            else:
                yield green("delegation", "delegation.fine", issuer=name, count=issuer.bindings)


async def people(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that two people can decide, because otherwise nothing that this node trusts can change (K6, two people). No
    finding for a node without bindings and people, which is still being set up."""
    store, now = subject.store, subject.clock.now()
    async with store.reading() as tx:
        persons = await SqlPeople(tx).all()
    able = sum(p.is_active and Role.TRUST in p.roles for p in persons)
    if not persons and not await closed_registry(subject).in_force(now):
        return
    async with store.read(_NODE_SCOPE) as work:
        open_until = approvals.set_up_by_events(await work.events.of_subject(approvals.SET_UP), now)
    if open_until is not None:
        # While set-up is open, two persons added today can change what this node trusts (K6, two people).
        until_text, cure = open_until.isoformat(timespec="minutes"), "gateway people end-set-up --as NAME"
        yield yellow("people", "people.set_up", cure, until=until_text)
    if able >= 2:
        yield green("people", "people.fine", count=able)
    else:
        yield yellow("people", "people.few", "gateway people list", count=able)


async def approved_anchors(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that two people approved each root in `ca.pem`; no finding before the first approval."""
    async with subject.store.read(_NODE_SCOPE) as work:
        events = await work.events.of_subject("anchors")
    approved = {str(e.data.get("fingerprint")) for e in events if e.kind is EventKind.ANCHOR_APPROVED}
    path = subject.settings.trust.folder / "ca.pem"
    unknown = [f for f in AnchorFile(path).fingerprints() if f not in approved]
    if approved and unknown:
        cure = "gateway proposals anchor FILE"
        yield yellow("people", "anchors.unconfirmed", cure, count=len(unknown), path=path)
