"""What chain and revocation data say of one certificate in a PDF at one time. In: the certificate, what we trust, what
the file brought along. Out: `Standing`. Paths are found here, within bounds; each is judged by pyhanko-certvalidator,
which is handed every answer and fetches nothing. Runs in the reading process alone (`child`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from asn1crypto import crl, ocsp, x509
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.errors import (
    CRLValidationError,
    ExpiredError,
    NotYetValidError,
    OCSPValidationError,
    RevokedError,
    ValidationError,
)
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import DisallowWeakAlgorithmsPolicy
from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response
from pyhanko_certvalidator.validate import async_validate_path

from gateway.domain.signatures import Standing

MAX_CERTIFICATES = 5
MAX_PATHS = 16
MAX_LINKS = 64

_SIGNING = frozenset(
    {
        "any_extended_key_usage",
        "client_auth",
        "email_protection",
        "1.3.6.1.5.5.7.3.36",  # document signing, RFC 9336
        "microsoft_document_signing",
        "1.3.6.1.4.1.311.10.3.12",
        "pdf_signing",
        "adobe_authentic_documents_trust",
        "1.2.840.113583.1.1.5",
    }
)
_UNDERSTOOD = frozenset(
    {
        "basic_constraints",
        "key_usage",
        "extended_key_usage",
        "certificate_policies",
        "subject_alt_name",
        "crl_distribution_points",
        "qc_statements",
        "1.3.6.1.5.5.7.1.3",  # qualified certificate statements
    }
)
_LIBRARY = (ValueError, TypeError, KeyError, AttributeError)
# Best first: what one path says for good is not undone by another that says less.
_ORDER = ("good", "revoked", "unknown", "CERT-TIME", "CERT-CHAIN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Certificates and revocation answers: ours from files, or those that a PDF carries."""

    certificates: tuple[x509.Certificate, ...] = ()
    answers: tuple[ocsp.OCSPResponse, ...] = ()
    lists: tuple[crl.CertificateList, ...] = ()

    def __add__(self, other: Material) -> Material:
        return Material(
            certificates=self.certificates + other.certificates,
            answers=self.answers + other.answers,
            lists=self.lists + other.lists,
        )


_Answer = tuple[Callable[..., Coroutine[object, object, object]], Material, datetime | None]


def standing(
    leaf: x509.Certificate,
    anchors: Sequence[x509.Certificate],
    material: Material,
    at: datetime,
    *,
    for_timestamps: bool = False,
) -> Standing:
    """The best that any path says. Never raises for what certificates say."""
    if (unfit := _unfit(leaf, for_timestamps=for_timestamps)) is not None:
        return Standing(at=at, code="CERT-USAGE", detail=unfit)
    found = [_judged(path, anchors, material, at) for path in _paths(leaf, anchors, material.certificates)]
    if not found:
        issuer = leaf.issuer.human_friendly
        return Standing(
            at=at, code="CERT-CHAIN", detail=f"no chain leads to an anchor; the issuer is {issuer!r}"
        )
    return min(found, key=_rank)


def _rank(each: Standing) -> int:
    return _ORDER.index(each.code or each.revocation)


def _unfit(leaf: x509.Certificate, *, for_timestamps: bool) -> str | None:
    """Why this certificate may not sign, by what it says of itself."""
    if leaf.ca:
        return "it is a certificate authority"
    unknown = leaf.critical_extensions - _UNDERSTOOD
    if unknown:
        return f"it has the critical extension {min(unknown)}, unknown here"
    usage = leaf.key_usage_value.native if leaf.key_usage_value is not None else set()
    if not usage & {"digital_signature", "non_repudiation"}:
        return "its key usage does not allow signing"
    purposes = (
        set(leaf.extended_key_usage_value.native) if leaf.extended_key_usage_value is not None else None
    )
    if for_timestamps:
        return None if purposes == {"time_stamping"} else "it is not made for timestamps alone"
    if purposes is not None and not purposes & _SIGNING:
        return "its extended key usage does not allow signing documents"
    return None


def _paths(
    leaf: x509.Certificate, anchors: Sequence[x509.Certificate], others: Sequence[x509.Certificate]
) -> Iterator[tuple[x509.Certificate, ...]]:
    """Ways from the leaf to an anchor by name, the shortest first, as many as one may try. A way ends where it meets an
    anchor: what lies above one can make nothing better. Files carry certificates again that we have, each is one link."""
    ended = {anchor.sha256 for anchor in anchors}
    others = [each for known, each in {one.sha256: one for one in others}.items() if known not in ended]
    found, links = 0, 0
    waiting: list[tuple[x509.Certificate, ...]] = [(leaf,)]
    while waiting:
        path = waiting.pop(0)
        wanted = path[-1].issuer.hashable
        for anchor in anchors:
            if anchor.subject.hashable == wanted and found < MAX_PATHS:
                found += 1
                yield (*path, anchor)
        if len(path) + 1 >= MAX_CERTIFICATES:
            continue
        for other in others:
            links += 1
            if other.subject.hashable == wanted and other not in path and len(waiting) < MAX_LINKS:
                waiting.append((*path, other))


def _judged(
    path: tuple[x509.Certificate, ...],
    anchors: Sequence[x509.Certificate],
    material: Material,
    at: datetime,
) -> Standing:
    # First without revocation: an answer that is missing for a link above must not hide that the link below is forged.
    bare = _context(anchors, replace(material, answers=(), lists=()), at, with_revocation=False)
    if (why := _fault(async_validate_path(bare, _path(path)))) is not None:
        code = "CERT-TIME" if isinstance(why, ExpiredError | NotYetValidError) else "CERT-CHAIN"
        return Standing(at=at, code=code, detail=str(why)[:500])
    names = " < ".join(each.subject.human_friendly for each in path)
    revoked = list(_revocations(path, anchors, material, at))
    if revoked:
        return Standing(at=at, revocation="revoked", revoked_at=min(revoked), detail=names)
    why = _fault(async_validate_path(_context(anchors, material, at), _path(path)))
    if why is None:
        return Standing(at=at, revocation="good", detail=names)
    if isinstance(why, RevokedError):
        return Standing(at=at, revocation="revoked", revoked_at=why.revocation_dt, detail=names)
    return Standing(at=at, revocation="unknown", detail=names)


def _revocations(
    path: tuple[x509.Certificate, ...],
    anchors: Sequence[x509.Certificate],
    material: Material,
    at: datetime,
) -> Iterator[datetime]:
    """When any link was revoked, by any answer taken alone at the last moment for which it speaks: the library takes the
    first that says good, and an old good answer must not outweigh one that says revoked, however old that is."""
    for n, certificate in enumerate(path[:-1]):
        above = _path(path[n:])
        for check, only, until in _about(certificate, material):
            context = _context(anchors, only, min(at, until) if until else at)
            why = _fault(check(certificate, above, context))
            if isinstance(why, RevokedError):
                yield why.revocation_dt


def _about(certificate: x509.Certificate, material: Material) -> Iterator[_Answer]:
    """Every list of this certificate's issuer, and every answer about its number, each by itself."""
    only = replace(material, answers=(), lists=())
    for each in material.lists:
        if each.issuer.hashable == certificate.issuer.hashable:
            yield verify_crl, replace(only, lists=(each,)), each["tbs_cert_list"]["next_update"].native
    for answer in material.answers:
        if answer["response_status"].native != "successful":
            continue
        for told in answer.response_data["responses"]:
            if told["cert_id"]["serial_number"].native == certificate.serial_number:
                yield verify_ocsp_response, replace(only, answers=(answer,)), told["next_update"].native


def _path(path: Sequence[x509.Certificate]) -> ValidationPath:
    leaf, *between, anchor = path
    return ValidationPath(CertTrustAnchor(anchor), reversed(between), leaf)


def _context(
    anchors: Sequence[x509.Certificate], material: Material, at: datetime, *, with_revocation: bool = True
) -> ValidationContext:
    return ValidationContext(
        trust_roots=list(anchors),
        other_certs=list(material.certificates),
        moment=at,
        crls=list(material.lists),
        ocsps=list(material.answers),
        revocation_mode="require" if with_revocation else "soft-fail",
        # An answer made after the signature says more about it than one made before.
        retroactive_revinfo=True,
        time_tolerance=timedelta(0),
        algorithm_usage_policy=DisallowWeakAlgorithmsPolicy(),  # type: ignore[no-untyped-call]
    )


def _fault(work: Coroutine[object, object, object]) -> Exception | None:
    """What the library finds wrong; None when nothing is. It is written for an event loop, and with nothing to fetch it
    never waits for anything."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    except (ValidationError, CRLValidationError, OCSPValidationError, *_LIBRARY) as why:
        return why
    finally:
        loop.close()
    return None
