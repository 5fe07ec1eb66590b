"""Checks one signature inside a PDF: whether its CMS object is sound, its digest and value are right, who signed when,
and with which timestamps. In: parsed CMS and the digest of the covered bytes. Out: `CheckedSignature` and
`SignatureStamp`, or `UnfitError` with the code of the formal fault.

Also judges one certificate at one time by chain and revocation data. In: the certificate, our trusted data, the data in
the file. Out: `CertificateStanding`. This module finds the paths, within limits; pyhanko-certvalidator judges each with
the answers that it is given and fetches nothing. Runs in the reading process (`child`)."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from asn1crypto import cms, core, crl, ocsp, tsp, x509
from asn1crypto import parser as der
from cryptography.hazmat.primitives import hashes
from pyhanko.sign.general import extract_certificate_info, extract_signer_info
from pyhanko.sign.validation.generic_cms import extract_self_reported_ts, validate_sig_integrity
from pyhanko.sign.validation.utils import DEFAULT_ALGORITHM_USAGE_POLICY
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
from pyhanko_certvalidator.util import get_pyca_cryptography_hash
from pyhanko_certvalidator.validate import async_validate_path

from gateway.domain.algorithms import ALGORITHMS, Algorithms, Judge, name_of_curve
from gateway.domain.signatures import CertificateStanding, Unanswered

LONGEST_PATH = 5
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
# Best first: one path with a good result suffices, whatever other paths give.
_ORDER = ("good", "revoked", "unknown", "CERT-TIME", "CERT-CHAIN")
MAX_TOKENS = 4
MAX_EMBEDDED = 20
MAX_ANSWERS = 20
_SIGNATURES = frozenset({"rsassa_pkcs1v15", "rsassa_pss", "ecdsa"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Certificates and revocation answers, ours from files or those in a PDF."""

    certificates: tuple[x509.Certificate, ...] = ()
    answers: tuple[ocsp.OCSPResponse, ...] = ()
    lists: tuple[crl.CertificateList, ...] = ()

    def __add__(self, other: Material) -> Material:
        return Material(
            certificates=self.certificates + other.certificates,
            answers=self.answers + other.answers,
            lists=self.lists + other.lists,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """Outcome of one answer used alone for one link of a path: it says good at the time, or revoked at `revoked_at`.
    `digest` is that of an answer of ours, None for one inside the file."""

    revoked_at: datetime | None = None
    digest: str | None = None


def standing(
    leaf: x509.Certificate,
    anchors: Sequence[x509.Certificate],
    ours: Material,
    at: datetime,
    *,
    inside: Material | None = None,
    for_timestamps: bool = False,
    algorithms: Algorithms = ALGORITHMS,
) -> CertificateStanding:
    """Return the best standing that any path gives, by our data and by those `inside` the file. Malformed certificates of
    a path are no error."""
    if (unfit := _unfit(leaf, for_timestamps=for_timestamps)) is not None:
        return CertificateStanding(at=at, code="CERT-USAGE", detail=unfit)
    inside = inside or Material()
    certificates = (*ours.certificates, *inside.certificates)
    standings = [
        _ended(path, algorithms, at) or _judge(path, anchors, ours, inside, at)
        for path in _paths(leaf, anchors, certificates)
    ]
    if not standings:
        issuer = leaf.issuer.human_friendly
        return CertificateStanding(
            at=at, code="CERT-CHAIN", detail=f"no chain leads to an anchor; the issuer is {issuer!r}"
        )
    return min(standings, key=_rank)


def _rank(candidate: CertificateStanding) -> int:
    return _ORDER.index(candidate.code or candidate.revocation)


def _unfit(leaf: x509.Certificate, *, for_timestamps: bool) -> str | None:
    """Return the reason why this certificate may not sign, judged by its own content, or None."""
    if leaf.ca:
        return "it is a certificate authority"
    unknown = leaf.critical_extensions - _UNDERSTOOD
    if unknown:
        return f"it has the critical extension {min(unknown)}, unknown here"
    usage = leaf.key_usage_value.native if leaf.key_usage_value is not None else set()
    if not usage & {"digital_signature", "non_repudiation"}:
        return "its key usage does not allow signing"
    extended = leaf.extended_key_usage_value
    purposes = set(extended.native) if extended is not None else None
    if for_timestamps:
        return None if purposes == {"time_stamping"} else "it is not made for timestamps alone"
    if purposes is not None and not purposes & _SIGNING:
        return "its extended key usage does not allow signing documents"
    return None


def _paths(
    leaf: x509.Certificate, anchors: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate]
) -> Iterator[tuple[x509.Certificate, ...]]:
    """Yield paths by name from the leaf to an anchor, shortest first, up to a limit. A path ends at the first anchor,
    because nothing above an anchor matters. Copies of one certificate count once."""
    ended = {anchor.sha256 for anchor in anchors}
    intermediates = [x for digest, x in {c.sha256: c for c in intermediates}.items() if digest not in ended]
    count = 0
    pending: list[tuple[x509.Certificate, ...]] = [(leaf,)]
    while pending:
        path = pending.pop(0)
        issuer = path[-1].issuer.hashable
        for anchor in anchors:
            if anchor.subject.hashable == issuer and count < MAX_PATHS:
                count += 1
                yield (*path, anchor)
        if len(path) + 1 >= LONGEST_PATH:
            continue
        for above in intermediates:
            if above.subject.hashable == issuer and above not in path and len(pending) < MAX_LINKS:
                pending.append((*path, above))


def _ended(
    path: tuple[x509.Certificate, ...], algorithms: Algorithms, at: datetime
) -> CertificateStanding | None:
    """Return the standing of a path with an algorithm that was accepted until an earlier day; None for others."""
    if not algorithms.days:
        return None
    names = [*map(_key_name, path), *(str(certificate.hash_algo) for certificate in path[:-1])]
    for row in filter(None, map(algorithms.find, dict.fromkeys(names))):
        if not row.is_accepted(at):
            return CertificateStanding(at=at, code="CERT-CHAIN", detail=row.explain())
    return None


def _judge(
    path: tuple[x509.Certificate, ...],
    anchors: Sequence[x509.Certificate],
    ours: Material,
    inside: Material,
    at: datetime,
) -> CertificateStanding:
    # First without revocation: a missing answer for a link higher up must not hide that a link below is forged.
    material = ours + inside
    bare = _validation_context(anchors, replace(material, answers=(), lists=()), at, with_revocation=False)
    if (why := _fault(async_validate_path(bare, _validation_path(path)))) is not None:
        code = "CERT-TIME" if isinstance(why, ExpiredError | NotYetValidError) else "CERT-CHAIN"
        return CertificateStanding(at=at, code=code, detail=str(why)[:500])
    names = " < ".join(c.subject.human_friendly for c in path)
    stands = partial(CertificateStanding, at=at, detail=names)
    by_link = [list(_statements(path[n:], anchors, ours, inside, at)) for n in range(len(path) - 1)]
    statements = [statement for link in by_link for statement in link]
    if revoked := sorted(s.revoked_at for s in statements if s.revoked_at is not None):
        reasons = (s.digest for s in statements if s.revoked_at == revoked[0] and s.digest)
        return stands(revocation="revoked", revoked_at=revoked[0], answers=tuple(sorted(set(reasons))))
    why = _fault(
        async_validate_path(_validation_context(anchors, _timely(path, material), at), _validation_path(path))
    )
    if isinstance(why, RevokedError):
        return stands(revocation="revoked", revoked_at=why.revocation_dt)
    unanswered = tuple(
        Unanswered(
            certificate=_base64(certificate),
            issuer=_base64(issuer),
            serial=f"{certificate.serial_number:x}",
            issuer_sha256=issuer.sha256.hex(),
        )
        for certificate, issuer, link in zip(path, path[1:], by_link, strict=False)
        if not link and certificate.ocsp_no_check_value is None
    )
    if why is not None and unanswered:
        return stands(revocation="unknown", unanswered=unanswered)
    return stands(revocation="good", answers=tuple(sorted({s.digest for s in statements if s.digest})))


def _statements(
    path: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    ours: Material,
    inside: Material,
    at: datetime,
) -> Iterator[_Statement]:
    """Yield the outcome of each answer about the path's first link, used alone. One that says revoked counts at the last
    moment it covers: the library would take the first answer that says good, but an old good answer must not outweigh
    one that says revoked, however old."""
    certificate, above = path[0], _validation_path(path)
    certificates = replace(ours + inside, answers=(), lists=())
    for own, material in ((True, ours), (False, inside)):
        for answer in _answers_about(certificate, material):
            only = replace(certificates, lists=answer.lists, answers=answer.answers)
            has_ended = answer.ends_at is not None and answer.ends_at < at
            moment = answer.ends_at if has_ended and answer.ends_at else at
            # The library takes an answer about a later revocation for no answer: asked later, it confirms it.
            moment = max(moment, answer.revoked_at or moment)
            why = _fault(answer.check(certificate, above, _validation_context(anchors, only, moment)))
            digest = answer.digest() if own else None
            if isinstance(why, RevokedError):
                yield _Statement(
                    revoked_at=why.revocation_dt if why.revocation_dt <= at else None, digest=digest
                )
            elif why is None and not has_ended and not _is_late(answer.made_at, certificate):
                yield _Statement(digest=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One list or OCSP answer about a certificate, with the function that checks it, and its times."""

    check: Callable[..., Coroutine[object, object, object]]
    lists: tuple[crl.CertificateList, ...] = ()
    answers: tuple[ocsp.OCSPResponse, ...] = ()
    made_at: datetime
    ends_at: datetime | None
    revoked_at: datetime | None = None

    def digest(self) -> str:
        (content,) = (*self.lists, *self.answers)
        return hashlib.sha256(content.dump()).hexdigest()


def _answers_about(certificate: x509.Certificate, material: Material) -> Iterator[_Answer]:
    """Yield each list of this certificate's issuer, and each OCSP answer about its serial number."""
    for own in material.lists:
        if own.issuer.hashable == certificate.issuer.hashable:
            times = own["tbs_cert_list"]["this_update"].native, own["tbs_cert_list"]["next_update"].native
            yield _Answer(check=verify_crl, lists=(own,), made_at=times[0], ends_at=times[1])
    for answer in material.answers:
        if answer["response_status"].native != "successful":
            continue
        for response in answer.response_data["responses"]:
            if response["cert_id"]["serial_number"].native == certificate.serial_number:
                times = response["this_update"].native, response["next_update"].native
                status = response["cert_status"]
                revoked_at = status.chosen["revocation_time"].native if status.name == "revoked" else None
                yield _Answer(
                    check=verify_ocsp_response,
                    answers=(answer,),
                    made_at=times[0],
                    ends_at=times[1],
                    revoked_at=revoked_at,
                )


def _timely(path: Sequence[x509.Certificate], material: Material) -> Material:
    """Return the material without answers that were made after their certificate expired: an authority may forget an
    expired certificate, so that it does not tell good from revoked."""
    late = {
        id(content)
        for certificate in path[:-1]
        for answer in _answers_about(certificate, material)
        if _is_late(answer.made_at, certificate)
        for content in (*answer.lists, *answer.answers)
    }
    return replace(
        material,
        lists=tuple(x for x in material.lists if id(x) not in late),
        answers=tuple(x for x in material.answers if id(x) not in late),
    )


def _is_late(made_at: datetime, certificate: x509.Certificate) -> bool:
    return bool(made_at > certificate.not_valid_after)


def _base64(certificate: x509.Certificate) -> str:
    return b64encode(certificate.dump()).decode("ascii")


def _validation_path(path: Sequence[x509.Certificate]) -> ValidationPath:
    leaf, *between, anchor = path
    return ValidationPath(CertTrustAnchor(anchor), reversed(between), leaf)


def _validation_context(
    anchors: Sequence[x509.Certificate], material: Material, at: datetime, *, with_revocation: bool = True
) -> ValidationContext:
    return ValidationContext(
        trust_roots=list(anchors),
        other_certs=list(material.certificates),
        moment=at,
        crls=list(material.lists),
        ocsps=list(material.answers),
        revocation_mode="require" if with_revocation else "soft-fail",
        # Answers made after the signature count too: they say more about it than earlier ones.
        retroactive_revinfo=True,
        time_tolerance=timedelta(0),
        algorithm_usage_policy=DisallowWeakAlgorithmsPolicy(),  # type: ignore[no-untyped-call]
    )


def _fault(work: Coroutine[object, object, object]) -> Exception | None:
    """Return the library's error, or None. The library needs an event loop, but with nothing to fetch it never waits."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    except (ValidationError, CRLValidationError, OCSPValidationError, *_LIBRARY) as why:
        return why
    finally:
        loop.close()
    return None


class UnfitError(Exception):
    """Error for content that is no signature in an accepted form; `code` names the fault."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSignature:
    """Result of checking one signature: `intact` digest, `authentic` value, by this certificate. `embedded` came in the
    same CMS object. `names` are those of its key and digest in the table of algorithms."""

    intact: bool
    authentic: bool
    algorithm: str
    weak: bool
    claimed_at: datetime | None
    certificate: x509.Certificate
    embedded: Material
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureStamp:
    """Timestamp token; `fault` is the reason why it proves nothing, whichever authority made it."""

    at: datetime
    certificate: x509.Certificate
    embedded: Material
    fault: str | None = None


def parse_content(octets: bytes) -> cms.SignedData:
    """Return the signed data in a /Contents entry, which must be one CMS object, filled up with zeros only."""
    try:
        length = der.peek(octets)
    except ValueError as why:
        raise UnfitError("SIG-STRUCTURE", f"/Contents is not a CMS object: {why}") from why
    if octets[length:].strip(b"\0"):
        raise UnfitError("SIG-STRUCTURE", "/Contents holds more than one CMS object")
    content_info = cms.ContentInfo.load(octets[:length])
    if content_info["content_type"].native != "signed_data":
        raise UnfitError("SIG-STRUCTURE", "/Contents holds no signed data")
    return content_info["content"]


def digest_name(signed_data: cms.SignedData) -> str:
    """Return the name of the digest over the covered bytes that this signature uses."""
    signer = extract_signer_info(signed_data)
    eci = signed_data["encap_content_info"]
    if eci["content_type"].native == "tst_info":
        return str(eci["content"].parsed["message_imprint"]["hash_algorithm"]["algorithm"].native)
    return str(signer["digest_algorithm"]["algorithm"].native)


def check_signature(signed_data: cms.SignedData, digest: bytes) -> CheckedSignature:
    """Return the result of checking a signature over bytes with that digest."""
    signer = extract_signer_info(signed_data)
    eci = signed_data["encap_content_info"]
    if eci["content_type"].native != "data" or eci["content"] is not core.VOID:
        raise UnfitError("SIG-STRUCTURE", "the signature is not detached over plain data")
    if isinstance(signer["signed_attrs"], core.Void) or not len(signer["signed_attrs"]):
        raise UnfitError("SIG-STRUCTURE", "the signature has no signed attributes")
    certificates = extract_certificate_info(signed_data)
    leaf = certificates.signer_cert
    intact, authentic = validate_sig_integrity(signer, leaf, "data", digest)
    algorithm, weak = _algorithm(signer, leaf)
    return CheckedSignature(
        intact=intact,
        authentic=authentic,
        algorithm=algorithm,
        weak=weak,
        claimed_at=aware(extract_self_reported_ts(signer)),
        certificate=leaf,
        embedded=Material(certificates=tuple(islice(certificates.other_certs, MAX_EMBEDDED)))
        + _adobe_answers(signer),
        names=(_key_name(leaf), _digest_name(signer["digest_algorithm"]["algorithm"].native)),
    )


def check_stamps(signed_data: cms.SignedData) -> Iterator[SignatureStamp]:
    """Yield the checked timestamps over a signature's value."""
    signer = extract_signer_info(signed_data)
    signature = signer["signature"].native
    if isinstance(signer["unsigned_attrs"], core.Void):
        return
    for attribute in signer["unsigned_attrs"]:
        if attribute["type"].native != "signature_time_stamp_token":
            continue
        for token in islice(attribute["values"], MAX_TOKENS):
            yield check_stamp(token["content"], lambda name: _hash(name, signature))


def check_stamp(signed_data: cms.SignedData, digest_by: Callable[[str], bytes]) -> SignatureStamp:
    """Return one checked token; `digest_by` returns the digest of the bytes that it should stamp."""
    eci = signed_data["encap_content_info"]
    tst_info = eci["content"].parsed if eci["content_type"].native == "tst_info" else None
    if not isinstance(tst_info, tsp.TSTInfo):
        raise UnfitError("SIG-STRUCTURE", "the timestamp token holds no time")
    signer = extract_signer_info(signed_data)
    certificates = extract_certificate_info(signed_data)
    leaf = certificates.signer_cert
    imprint = tst_info["message_imprint"]
    name = str(imprint["hash_algorithm"]["algorithm"].native)
    own = _hash(str(signer["digest_algorithm"]["algorithm"].native), bytes(eci["content"]))
    intact, authentic = validate_sig_integrity(signer, leaf, "tst_info", own)
    fault = None
    if not (intact and authentic):
        fault = "SIG-VALUE"
    elif digest_by(name) != imprint["hashed_message"].native:
        fault = "SIG-DIGEST"
    elif _algorithm(signer, leaf)[1] or not _is_strong(_digest_name(name)):
        fault = "SIG-WEAK"
    return SignatureStamp(
        at=tst_info["gen_time"].native,
        certificate=leaf,
        embedded=Material(certificates=tuple(islice(certificates.other_certs, MAX_EMBEDDED))),
        fault=fault,
    )


def _hash(name: str, octets: bytes) -> bytes:
    try:
        hasher = hashes.Hash(get_pyca_cryptography_hash(name))
    except (AttributeError, ValueError, NotImplementedError) as why:
        raise UnfitError("SIG-ALGORITHM", f"the digest {name} is unknown") from why
    hasher.update(octets)
    return hasher.finalize()


def _algorithm(signer: cms.SignerInfo, leaf: x509.Certificate) -> tuple[str, bool]:
    """Return the names of the algorithms, and whether they are too weak to prove anything."""
    digest, method = signer["digest_algorithm"], signer["signature_algorithm"]
    kind, digest_used = str(method.signature_algo), str(digest["algorithm"].native)
    policy = DEFAULT_ALGORITHM_USAGE_POLICY
    agrees = bool(policy.digest_combination_allowed(method, digest, None))
    strong = _is_strong(_digest_name(digest_used)) and kind in _SIGNATURES and agrees
    return f"{kind} {digest_used}", not (strong and _is_strong(_key_name(leaf)))


def _is_strong(name: str) -> bool:
    return ALGORITHMS.accepts(name, Judge.PDF)


def _digest_name(name: str) -> str:
    """Return the name of a digest as the table of algorithms writes it."""
    return name.replace("_", "-")


def _key_name(leaf: x509.Certificate) -> str:
    """Return the name of a key as the table of algorithms writes it; empty for another kind."""
    key = leaf.public_key
    if key.algorithm == "rsa":
        return ALGORITHMS.name_of_rsa(key.bit_size)
    return name_of_curve(str(key.curve[1])) if key.algorithm == "ec" else ""


def _adobe_answers(signer: cms.SignerInfo) -> Material:
    """Return the revocation answers that the signer included under its signature."""
    archives = [
        archive
        for attribute in signer["signed_attrs"]
        if attribute["type"].native == "adobe_revocation_info_archival"
        for archive in attribute["values"]
    ]
    return Material(
        lists=tuple(x for archive in archives for x in _first_few(archive["crl"])),
        answers=tuple(x for archive in archives for x in _first_few(archive["ocsp"])),
    )


def _first_few(values: Sequence[Any]) -> list[Any]:  # Any: of the library
    return [] if isinstance(values, core.Void) else list(islice(values, MAX_ANSWERS))


def aware(at: datetime | None) -> datetime | None:
    """Return the time; None for one without a time zone, which is ambiguous."""
    return at if isinstance(at, datetime) and at.tzinfo is not None else None
