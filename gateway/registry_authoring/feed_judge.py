"""Judges whether a registry feed may be applied, and which certificates may sign one. In: a file, the operator's folder
of issuer certificates, the list in force, the registry. Out: a `JudgedFeed` with its stage, or FeedRefused; also the
seal of our own feeds. Writes nothing to the registry. Checks in order: limits, signature and issuer, the number, the
digest of the body, then the rows together. Certificates are pinned: putting one into the folder permits it, taking it
out revokes that."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import Row, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.algorithms import ALGORITHMS, Judge, name_of_curve
from gateway.domain.certificates import CURVE_ORDERS
from gateway.domain.event import ACTIVE
from gateway.domain.proof import Binding
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import RECORD_FIELDS
from gateway.errors import Misconfigured
from gateway.ports.services import Clock, EnvelopeSigner, Pool
from gateway.registry.binding import key_digest
from gateway.registry.tables import AGENCY, BINDING, CHANGE, FEED, IN_FORCE, LIST, PROPOSAL, record_of
from gateway.registry_authoring import feed_file
from gateway.registry_authoring.binding_changes import MOST_AT_ONCE
from gateway.registry_authoring.feed_file import (
    FORM_2,
    AgencyLine,
    BodyLine,
    Ends,
    FeedKind,
    FeedRefused,
    FeedSeal,
    Header,
    OfficerLine,
)
from gateway.registry_authoring.feed_stage import AT_ONCE, FeedStage

if TYPE_CHECKING:
    from gateway.domain.witness import LetterSeal

AHEAD = timedelta(minutes=10)  # how far an issuer's clock may be ahead of ours
# Signed bytes begin with their purpose, so that no other signature passes for one over a feed.
TAG = b"lienthong-registry/1 header\n"
OFFICER_TAG = b"lienthong-registry/2 officer\n"
MOST_ISSUERS = 32
LARGEST_CERTIFICATE = 64 * 1024
# How signatures are written; whether one is accepted is in the table of algorithms.
_CURVES: Mapping[str, tuple[str, hashes.HashAlgorithm]] = {
    "ecdsa-sha256": ("secp256r1", hashes.SHA256()),
    "ecdsa-sha384": ("secp384r1", hashes.SHA384()),
}


@dataclass(frozen=True, kw_only=True)
class FeedRoom:
    """Tools and folders for judging and applying feeds."""

    writer: AsyncEngine
    reader: AsyncEngine
    clock: Clock
    pool: Pool
    issuers: Path
    scratch: Path


@dataclass(frozen=True, kw_only=True)
class RegistryMark:
    """State of the registry at a moment: every change adds a record, and every feed its number."""

    changes: int
    last: str | None
    sequence: int


@dataclass(frozen=True, kw_only=True)
class JudgedFeed:
    """Feed that may be applied to the registry of that mark. Without a stage it is a repeat."""

    header: Header
    ends: Ends
    mark: RegistryMark | None = None
    stage: FeedStage | None = None


@asynccontextmanager
async def judge_feed(room: FeedRoom, path: Path) -> AsyncIterator[JudgedFeed]:
    """Judge a feed and yield the result; FeedRefused with the reason. The stage exists only within the context."""
    feed_ends = await room.pool.run(partial(_prove, room.issuers, path, room.clock.now()))
    async with room.reader.connect() as connection:
        is_new = await _is_new(connection, feed_ends.header)
    await room.pool.run(partial(feed_file.check_body, path, feed_ends))
    if not is_new:
        yield JudgedFeed(header=feed_ends.header, ends=feed_ends)
        return
    is_snapshot = feed_ends.header.kind is FeedKind.SNAPSHOT
    stage = await room.pool.run(partial(FeedStage, room.scratch, is_snapshot=is_snapshot))
    try:
        await room.pool.run(partial(stage.put_feed, map(_add_digest, feed_file.lines(path, feed_ends))))
        mark = await _lay_registry(room, stage, feed_ends.header)
        if mark is None:
            yield JudgedFeed(header=feed_ends.header, ends=feed_ends)
            return
        await room.pool.run(partial(_refuse_contradictions, stage, feed_ends.header))
        yield JudgedFeed(header=feed_ends.header, ends=feed_ends, mark=mark, stage=stage)
    finally:
        await room.pool.run(stage.close)


async def mark_of(connection: AsyncConnection) -> RegistryMark:
    """Read the registry's mark, which the writing transaction compares again."""
    count, last = (await connection.execute(select(func.count(), func.max(CHANGE.c.id)))).one()
    feed = await in_force(connection)
    return RegistryMark(changes=count, last=last, sequence=0 if feed is None else feed.sequence)


async def in_force(connection: AsyncConnection) -> Row[Any] | None:
    """Return the row of the feed in force; None before the first."""
    return (await connection.execute(select(FEED).where(FEED.c.id == IN_FORCE))).first()


def _prove(issuers: Path, path: Path, now: datetime) -> Ends:
    """Return the ends of a feed that a pinned issuer signed and that is not dated in the future."""
    feed_ends = feed_file.ends(path)
    check_seal(pinned_issuers(issuers), feed_ends, now)
    if feed_ends.header.made_at > now + AHEAD:
        raise FeedRefused(
            f"made at {feed_ends.header.made_at.isoformat()}, which is still to come: compare the clocks",
            code="FEED-TIME",
        )
    return feed_ends


async def _is_new(connection: AsyncConnection, header: Header) -> bool:
    """Tell whether the feed's number follows the one in force; False for the same list again, FeedRefused for other
    numbers."""
    current = await in_force(connection)
    if current is None:
        if header.kind is FeedKind.CHANGES:
            raise _gap(header, 0)
        return True
    if current.issuer != header.issuer:
        raise FeedRefused(
            f"this node follows the issuer {current.issuer!r}, and this feed is of {header.issuer!r}",
            code="FEED-ISSUER",
        )
    if header.sequence < current.sequence:
        if await _was_other(connection, header):
            raise _conflict(header.sequence)
        raise FeedRefused(
            f"number {header.sequence} is older than {current.sequence}, which is in force",
            code="FEED-ROLLED-BACK",
        )
    if header.sequence == current.sequence:
        if header.digest == current.digest:
            return False
        raise _conflict(header.sequence)
    if header.base == current.sequence and header.base_digest != current.digest:
        raise _conflict(current.sequence)
    if header.kind is FeedKind.CHANGES and header.base != current.sequence:
        raise _gap(header, current.sequence)
    return True


async def _was_other(connection: AsyncConnection, header: Header) -> bool:
    """Tell whether another list with this number was in force here before."""
    same = (LIST.c.issuer == header.issuer, LIST.c.sequence == header.sequence)
    digest = (await connection.execute(select(LIST.c.digest).where(*same))).scalar()
    return digest is not None and digest != header.digest


def _conflict(sequence: int) -> FeedRefused:
    return FeedRefused(
        f"another list than the one in force has the number {sequence}: its issuer gave it twice, or somebody has its key",
        code="FEED-CONFLICT",
        hint="ask the issuer by another channel; a new snapshot with a higher number and without a base goes on",
    )


def _gap(header: Header, ours: int) -> FeedRefused:
    return FeedRefused(
        f"changes from number {header.base} to {header.sequence}, and number {ours} is in force",
        code="FEED-GAP",
        hint="ask the issuer for a snapshot, or for the changes between",
    )


def _add_digest(line: BodyLine) -> tuple[BodyLine, str]:
    """Return the line, for a certificate with the digest of its key."""
    if isinstance(line, AgencyLine) or line.certificate is None:
        return line, ""
    position = f"the certificate proposed for {feed_file.code_of(line)}"
    der = feed_file.unpack(line.certificate, position)
    if hashlib.sha256(der).hexdigest() != line.sha256:
        raise FeedRefused(f"{position} has another SHA-256 than stated", code="FEED-ROWS")
    try:
        return line, key_digest(x509.load_der_x509_certificate(der))
    except (ValueError, TypeError, x509.InvalidVersion) as cause:
        raise FeedRefused(f"{position} cannot be read", code="FEED-ROWS") from cause


async def _lay_registry(room: FeedRoom, stage: FeedStage, header: Header) -> RegistryMark | None:
    """Copy one view of the registry into the stage; None when the same list came into force while the feed was read."""
    async with room.reader.connect() as connection:
        mark = await mark_of(connection)
        if not await _is_new(connection, header):
            return None
        await _lay_base(connection, room.pool, stage)
        await _lay_bound(connection, room, stage, is_snapshot=header.kind is FeedKind.SNAPSHOT)
    return mark


async def _lay_base(connection: AsyncConnection, pool: Pool, stage: FeedStage) -> None:
    columns = [AGENCY.c[name] for name in (*RECORD_FIELDS, "source")]
    async with connection.stream(select(*columns)) as result:
        async for part in result.partitions(AT_ONCE):
            await pool.run(partial(_put_base, stage, part))


def _put_base(stage: FeedStage, rows: Iterable[Row[Any]]) -> None:
    stage.put_base(
        (feed_file.agency_line(record_of(row)), row.source == RowSource.SYNCED.value) for row in rows
    )


async def _lay_bound(
    connection: AsyncConnection, room: FeedRoom, stage: FeedStage, *, is_snapshot: bool
) -> None:
    """Copy the keys bound to codes now or later, and for changes also open proposals; a snapshot replaces those."""
    live = or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > room.clock.now())
    queries = [select(BINDING.c.code, BINDING.c.certificate_pem).where(BINDING.c.state == ACTIVE, live)]
    if not is_snapshot:
        queries.append(select(PROPOSAL.c.code, PROPOSAL.c.certificate_pem))
    for query in queries:
        async with connection.stream(query) as result:
            async for part in result.partitions(AT_ONCE):
                await room.pool.run(partial(_put_bound, stage, part))


def _put_bound(stage: FeedStage, rows: Sequence[Any]) -> None:
    stage.put_bound(
        (row.code, key_digest(x509.load_pem_x509_certificate(row.certificate_pem.encode()))) for row in rows
    )


def _refuse_contradictions(stage: FeedStage, header: Header) -> None:
    """Raise FeedRefused where the feed's rows contradict each other or the registry. Certificates of form 2 are judged one
    by one later, each with its own reason."""
    if problems := stage.problems(None if header.format == FORM_2 else MOST_AT_ONCE):
        raise FeedRefused("; ".join(problems), code="FEED-ROWS")
    if header.format == FORM_2:
        return
    if moved := stage.describe_moved_keys():
        raise FeedRefused(
            f"{'; '.join(moved)}: one key speaks for one code (K1)",
            code="FEED-BINDING",
            hint="withdraw the binding here first, or the issuer proposes a new key",
        )


def pinned_issuers(folder: Path) -> Mapping[str, x509.Certificate]:
    """Return the certificates in the folder by SHA-256; empty where there is no folder. Misconfigured for other files."""
    files = sorted(folder.glob("*.pem"))[: MOST_ISSUERS + 1]
    if len(files) > MOST_ISSUERS:
        raise Misconfigured(f"{folder} holds more than {MOST_ISSUERS} certificates", hint="keep those in use")
    certificates: dict[str, x509.Certificate] = {}
    for path in files:
        try:
            with path.open("rb") as file:
                certificate = x509.load_pem_x509_certificate(file.read(LARGEST_CERTIFICATE))
        except (OSError, ValueError, x509.InvalidVersion) as cause:
            raise Misconfigured(
                f"{path.name} in {folder} is not a certificate in PEM form", hint="replace it or take it away"
            ) from cause
        certificates[hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()] = certificate
    return certificates


def check_seal(issuers: Mapping[str, x509.Certificate], feed_ends: Ends, at: datetime) -> None:
    """Raise FeedRefused unless a pinned certificate, valid at that time, signed this header and has the name of its
    issuer."""
    certificate = issuers.get(feed_ends.seal.certificate)
    if certificate is None:
        raise FeedRefused(
            f"signed by the certificate {feed_ends.seal.certificate}, which may not sign feeds here",
            code="FEED-ISSUER",
            hint="when it should, two people compare it and put it below trust/feed/",
        )
    seal, message = feed_ends.seal, TAG + feed_ends.header_line
    check_signature(certificate, seal.signature, seal.algorithm, message, "the seal")
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise FeedRefused("the certificate of its issuer is not in its time", code="FEED-ISSUER")
    if issuer_of(certificate) != feed_ends.header.issuer:
        raise FeedRefused(
            f"the certificate speaks for {issuer_of(certificate)!r}, not for {feed_ends.header.issuer!r}",
            code="FEED-ISSUER",
        )


def issuer_of(certificate: x509.Certificate) -> str:
    """Return the issuer's name in a feed certificate: its only common name. A successor certificate keeps the name."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def officer_line(header_line: bytes, signer: EnvelopeSigner) -> OfficerLine:
    """Return an officer's signature over the header, which names the list, its number and its certificates."""
    return OfficerLine(
        officer=hashlib.sha256(signer.certificate_der).hexdigest(),
        certificate=base64.b64encode(signer.certificate_der).decode(),
        signature=base64.b64encode(signer.sign(OFFICER_TAG + header_line)).decode(),
        algorithm=signer.algorithm,  # type: ignore[arg-type]  # pydantic refuses any other
    )


def issuer_key(issuers: Path, feed_ends: Ends) -> str:
    """Return the digest of the key that sealed a proved feed."""
    return key_digest(pinned_issuers(issuers)[feed_ends.seal.certificate])


def valid_officers(
    officers: Sequence[OfficerLine],
    header_line: bytes,
    fingerprints: Sequence[str],
    times: Sequence[datetime],
    issuer: str = "",
) -> tuple[str, ...]:
    """Return the officers, of those named by their certificate's SHA-256, whose signature over the header is valid and
    whose certificate is valid at each of these times. Two certificates of one key count once, and the `issuer`'s own key,
    by its digest, is no officer's: a thief of that key would have one of two signatures."""
    valid: dict[str, str] = {}
    for line in officers:
        if line.officer not in fingerprints:
            continue
        try:
            der = feed_file.unpack(line.certificate, "an officer's certificate")
            certificate = x509.load_der_x509_certificate(der)
            if hashlib.sha256(der).hexdigest() != line.officer:
                continue
            message = OFFICER_TAG + header_line
            check_signature(certificate, line.signature, line.algorithm, message, "an officer's signature")
        except (FeedRefused, ValueError, x509.InvalidVersion):
            continue
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if key_digest(certificate) != issuer and all(first <= at <= last for at in times):
            valid.setdefault(key_digest(certificate), line.officer)
    return tuple(sorted(valid.values()))


def seal_of(header_line: bytes, signer: EnvelopeSigner) -> bytes:
    """Return the last line of one of our feeds."""
    return feed_file.encode(
        FeedSeal(
            signature=base64.b64encode(signer.sign(TAG + header_line)).decode(),
            algorithm=signer.algorithm,  # type: ignore[arg-type]  # pydantic refuses any other
            certificate=hashlib.sha256(signer.certificate_der).hexdigest(),
        )
    )


def is_signed_by_bound(
    seal: FeedSeal | LetterSeal, message: bytes, bindings: Sequence[Binding], now: datetime, position: str
) -> bool:
    """Tell whether the certificate that the seal names is in force now; raise FeedRefused where its signature over the
    message does not hold."""
    for binding in bindings:
        is_named = hashlib.sha256(binding.certificate_der).hexdigest() == seal.certificate
        if not is_named or not binding.is_in_force(now):
            continue
        certificate = x509.load_der_x509_certificate(binding.certificate_der)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            break
        check_signature(certificate, seal.signature, seal.algorithm, message, position)
        return True
    return False


def check_signature(
    certificate: x509.Certificate, encoded: str, algorithm: str, message: bytes, position: str
) -> None:
    """Raise FeedRefused unless the certificate's key signed the message, with a permitted key and algorithm."""
    signature = feed_file.unpack(encoded, position)
    try:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey) and algorithm == "rsa-sha256" and _accepts(key, "sha256"):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        elif (
            isinstance(key, ec.EllipticCurvePublicKey)
            and algorithm in _CURVES
            and _accepts(key, _CURVES[algorithm][1].name)
        ):
            _check_curve(key, signature, message, algorithm)
        else:
            raise FeedRefused(f"{position}: {algorithm} does not go with its key", code="FEED-SIGNATURE")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as cause:
        raise FeedRefused("the signature over the header does not hold", code="FEED-SIGNATURE") from cause


def _accepts(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, digest: str) -> bool:
    """Tell whether the table of algorithms accepts the key and the digest, without days: lists in force stay so (0110)."""
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else ""
    name = name_of_curve(curve) if curve else ALGORITHMS.name_of_rsa(key.key_size)
    return all(ALGORITHMS.accepts(word, Judge.FEED) for word in (name, digest))


def _check_curve(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes, algorithm: str) -> None:
    """Verify an ECDSA signature given as r and s joined, with s the lower of its two possible values, so that a
    signature has one form."""
    name, digest = _CURVES[algorithm]
    half = (key.key_size + 7) // 8
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    if key.curve.name != name or len(signature) != 2 * half or not 0 < s <= CURVE_ORDERS[name] // 2:
        raise ValueError
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
