"""Brings together what a PDF's bytes say of its signatures and what we know of their certificates, at the times that
matter. In: an open file, the trust folder, the time for which the bytes are proved and the time of asking. Out:
`PdfFacts`; decides nothing. Runs in the reading process alone (`child`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from asn1crypto import x509

from gateway.domain.signatures import CertificateFacts, PdfFacts, SignatureFacts, Standing, TimestampFacts
from gateway.trust.pdf_signatures import chain
from gateway.trust.pdf_signatures.chain import Material
from gateway.trust.pdf_signatures.cms import Stamp
from gateway.trust.pdf_signatures.folder import PdfTrust
from gateway.trust.pdf_signatures.reading import LIBRARY, Reading, ReadSignature, read

_LONGEST = 300


def collect(stream: BinaryIO, trust: PdfTrust, seen_at: datetime, now: datetime) -> PdfFacts:
    """Facts about every signature of the file. Never raises for what the file holds."""
    reading = read(stream)
    inside = reading.inside
    return PdfFacts(
        seen_at=seen_at,
        now=now,
        signatures=tuple(_signature(each, reading, trust, seen_at, now) for each in reading.signatures),
        fault=reading.fault,
        detail=reading.detail,
        anchored=bool(trust.anchors),
        proofs_inside=bool(inside.answers or inside.lists),
    )


def _signature(
    one: ReadSignature, reading: Reading, trust: PdfTrust, seen_at: datetime, now: datetime
) -> SignatureFacts:
    signed = one.signed
    vouching = [*one.stamps, *(stamp for revision, stamp in reading.stamps if revision > one.revision)]
    timestamps = tuple(_timestamp(each, reading.inside, trust, seen_at) for each in vouching)
    times = {seen_at, now, *(each.at for each in timestamps)}
    if one.claimed_at is not None and one.claimed_at < seen_at:
        times.add(one.claimed_at)
    return SignatureFacts(
        field=one.field,
        fault=one.fault,
        detail=one.detail,
        coverage=one.coverage,
        later=one.later,
        later_detail=one.later_detail,
        certified=one.certified,
        intact=signed.intact if signed else False,
        authentic=signed.authentic if signed else False,
        algorithm=signed.algorithm if signed else "",
        weak=signed.weak if signed else False,
        claimed_at=one.claimed_at,
        reason=one.reason,
        mark=one.mark,
        certificate=described(signed.certificate) if signed else None,
        standings=tuple(_standings(one, reading, trust, times)),
        timestamps=timestamps,
    )


def _standings(
    one: ReadSignature, reading: Reading, trust: PdfTrust, times: set[datetime]
) -> Iterator[Standing]:
    if one.signed is None or not (one.signed.intact and one.signed.authentic):
        return
    material = trust.material + one.signed.carried + reading.inside
    for at in sorted(times):
        yield _standing(one.signed.certificate, trust.anchors, material, at)


def _timestamp(stamp: Stamp, inside: Material, trust: PdfTrust, seen_at: datetime) -> TimestampFacts:
    material = trust.material + stamp.carried + inside
    standing = _standing(stamp.certificate, trust.stamp_anchors, material, seen_at, for_timestamps=True)
    return TimestampFacts(
        at=stamp.at, standing=standing, authority=_subject(stamp.certificate), fault=stamp.fault
    )


def _standing(
    leaf: x509.Certificate,
    anchors: tuple[x509.Certificate, ...],
    material: Material,
    at: datetime,
    *,
    for_timestamps: bool = False,
) -> Standing:
    try:
        return chain.standing(leaf, anchors, material, at, for_timestamps=for_timestamps)
    except LIBRARY as why:
        return Standing(at=at, code="CERT-CHAIN", detail=f"the certificate cannot be read: {why}"[:500])


def described(certificate: x509.Certificate) -> CertificateFacts | None:
    """What a certificate says of itself; None when it cannot be one."""
    try:
        return CertificateFacts(
            subject=_subject(certificate),
            issuer=certificate.issuer.human_friendly[:_LONGEST],
            serial=f"{certificate.serial_number:x}"[:64],
            sha256=certificate.sha256.hex(),
            not_before=certificate.not_valid_before,
            not_after=certificate.not_valid_after,
            names=tuple(_names(certificate)),
            policies=tuple(_policies(certificate)),
        )
    except LIBRARY:
        return None


def _subject(certificate: x509.Certificate) -> str:
    return str(certificate.subject.human_friendly)[:_LONGEST]


def _names(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    """The parts of the subject under the library's words: `common_name`, `organization_name`, `user_id`."""
    for part in list(certificate.subject.chosen)[:20]:
        for pair in part:
            yield str(pair["type"].native)[:60], str(pair["value"].native)[:_LONGEST]


def _policies(certificate: x509.Certificate) -> Iterator[str]:
    found = certificate.certificate_policies_value
    for each in list(found)[:20] if found is not None else ():
        yield each["policy_identifier"].dotted
