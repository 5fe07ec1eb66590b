"""One signature inside a PDF: its CMS object, and how the certificates in it stand. Is it whole, is it signed as it
says, with what, when, and which timestamps lie over it. In: parsed CMS and the digest of the bytes it covers. Out:
`CheckedSignature` and `SignatureStamp`, or `UnfitError` with the code of what breaks the form.

What chain and revocation data say of one certificate at one time. In: the certificate, what we trust, what the file
brought along. Out: `CertificateStanding`. Paths are found here, within bounds; each is judged by
pyhanko-certvalidator, which is handed every answer and fetches nothing. Runs in the reading process alone (`child`)."""

from __future__ import annotations

import asyncio
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

from gateway.domain.signatures import CertificateStanding
from gateway.trust.chain import CURVES, MIN_RSA_BITS

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
) -> CertificateStanding:
    """The best that any path says. Never raises for what certificates say."""
    if (unfit := _unfit(leaf, for_timestamps=for_timestamps)) is not None:
        return CertificateStanding(at=at, code="CERT-USAGE", detail=unfit)
    found = [_judged(path, anchors, material, at) for path in _paths(leaf, anchors, material.certificates)]
    if not found:
        issuer = leaf.issuer.human_friendly
        return CertificateStanding(
            at=at, code="CERT-CHAIN", detail=f"no chain leads to an anchor; the issuer is {issuer!r}"
        )
    return min(found, key=_rank)


def _rank(each: CertificateStanding) -> int:
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
    extended = leaf.extended_key_usage_value
    purposes = set(extended.native) if extended is not None else None
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
    found = 0
    waiting: list[tuple[x509.Certificate, ...]] = [(leaf,)]
    while waiting:
        path = waiting.pop(0)
        wanted = path[-1].issuer.hashable
        for anchor in anchors:
            if anchor.subject.hashable == wanted and found < MAX_PATHS:
                found += 1
                yield (*path, anchor)
        if len(path) + 1 >= LONGEST_PATH:
            continue
        for other in others:
            if other.subject.hashable == wanted and other not in path and len(waiting) < MAX_LINKS:
                waiting.append((*path, other))


def _judged(
    path: tuple[x509.Certificate, ...],
    anchors: Sequence[x509.Certificate],
    material: Material,
    at: datetime,
) -> CertificateStanding:
    # First without revocation: an answer that is missing for a link above must not hide that the link below is forged.
    bare = _validation_context(anchors, replace(material, answers=(), lists=()), at, with_revocation=False)
    if (why := _fault(async_validate_path(bare, _validation_path(path)))) is not None:
        code = "CERT-TIME" if isinstance(why, ExpiredError | NotYetValidError) else "CERT-CHAIN"
        return CertificateStanding(at=at, code=code, detail=str(why)[:500])
    names = " < ".join(each.subject.human_friendly for each in path)
    stands = partial(CertificateStanding, at=at, detail=names)
    if revoked := list(_revocations(path, anchors, material, at)):
        return stands(revocation="revoked", revoked_at=min(revoked))
    why = _fault(async_validate_path(_validation_context(anchors, material, at), _validation_path(path)))
    if isinstance(why, RevokedError):
        return stands(revocation="revoked", revoked_at=why.revocation_dt)
    return stands(revocation="good" if why is None else "unknown")


def _revocations(
    path: tuple[x509.Certificate, ...],
    anchors: Sequence[x509.Certificate],
    material: Material,
    at: datetime,
) -> Iterator[datetime]:
    """When any link was revoked, by any answer taken alone at the last moment for which it speaks: the library takes the
    first that says good, and an old good answer must not outweigh one that says revoked, however old that is."""
    for n, certificate in enumerate(path[:-1]):
        above = _validation_path(path[n:])
        for check, only, until in _about(certificate, material):
            context = _validation_context(anchors, only, min(at, until) if until else at)
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


MAX_TOKENS = 4
MAX_CARRIED = 20
MAX_ANSWERS = 20

_DIGESTS = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"})
_SIGNATURES = frozenset({"rsassa_pkcs1v15", "rsassa_pss", "ecdsa"})


class UnfitError(Exception):
    """What was found is no signature in a form that we take; `code` says of which kind."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSignature:
    """Digest right, signature right, by this certificate. `carried` is what came along with it."""

    intact: bool
    authentic: bool
    algorithm: str
    weak: bool
    claimed_at: datetime | None
    certificate: x509.Certificate
    carried: Material


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureStamp:
    """A timestamp token; `fault` says why it proves nothing, whoever made it."""

    at: datetime
    certificate: x509.Certificate
    carried: Material
    fault: str | None = None


def content(octets: bytes) -> cms.SignedData:
    """The signed data in a /Contents entry: one CMS value, and nothing after it but the zeros that fill the gap."""
    try:
        info = der.peek(octets)
    except ValueError as why:
        raise UnfitError("SIG-STRUCTURE", f"/Contents is not a CMS object: {why}") from why
    if octets[info:].strip(b"\0"):
        raise UnfitError("SIG-STRUCTURE", "/Contents holds more than one CMS object")
    found = cms.ContentInfo.load(octets[:info])
    if found["content_type"].native != "signed_data":
        raise UnfitError("SIG-STRUCTURE", "/Contents holds no signed data")
    return found["content"]


def digest_name(signed_data: cms.SignedData) -> str:
    """The digest over the covered bytes that this signature names."""
    info = extract_signer_info(signed_data)
    eci = signed_data["encap_content_info"]
    if eci["content_type"].native == "tst_info":
        return str(eci["content"].parsed["message_imprint"]["hash_algorithm"]["algorithm"].native)
    return str(info["digest_algorithm"]["algorithm"].native)


def signed(signed_data: cms.SignedData, digest: bytes) -> CheckedSignature:
    """A signature over bytes with that digest."""
    info = extract_signer_info(signed_data)
    eci = signed_data["encap_content_info"]
    if eci["content_type"].native != "data" or eci["content"] is not core.VOID:
        raise UnfitError("SIG-STRUCTURE", "the signature is not detached over plain data")
    if isinstance(info["signed_attrs"], core.Void) or not len(info["signed_attrs"]):
        raise UnfitError("SIG-STRUCTURE", "the signature has no signed attributes")
    certificates = extract_certificate_info(signed_data)
    leaf = certificates.signer_cert
    intact, authentic = validate_sig_integrity(info, leaf, "data", digest)
    algorithm, weak = _algorithm(info, leaf)
    return CheckedSignature(
        intact=intact,
        authentic=authentic,
        algorithm=algorithm,
        weak=weak,
        claimed_at=aware(extract_self_reported_ts(info)),
        certificate=leaf,
        carried=Material(certificates=tuple(islice(certificates.other_certs, MAX_CARRIED)))
        + _adobe_answers(info),
    )


def stamps(signed_data: cms.SignedData) -> Iterator[SignatureStamp]:
    """The timestamps over a signature's value."""
    info = extract_signer_info(signed_data)
    value = info["signature"].native
    if isinstance(info["unsigned_attrs"], core.Void):
        return
    for attribute in info["unsigned_attrs"]:
        if attribute["type"].native != "signature_time_stamp_token":
            continue
        for token in islice(attribute["values"], MAX_TOKENS):
            yield stamp(token["content"], lambda name: _hashed(name, value))


def stamp(signed_data: cms.SignedData, digest_by: Callable[[str], bytes]) -> SignatureStamp:
    """One token, held against the digest of what it should stamp."""
    eci = signed_data["encap_content_info"]
    told = eci["content"].parsed if eci["content_type"].native == "tst_info" else None
    if not isinstance(told, tsp.TSTInfo):
        raise UnfitError("SIG-STRUCTURE", "the timestamp token holds no time")
    info = extract_signer_info(signed_data)
    certificates = extract_certificate_info(signed_data)
    leaf = certificates.signer_cert
    imprint = told["message_imprint"]
    name = str(imprint["hash_algorithm"]["algorithm"].native)
    own = _hashed(str(info["digest_algorithm"]["algorithm"].native), bytes(eci["content"]))
    intact, authentic = validate_sig_integrity(info, leaf, "tst_info", own)
    fault = None
    if not (intact and authentic):
        fault = "SIG-VALUE"
    elif digest_by(name) != imprint["hashed_message"].native:
        fault = "SIG-DIGEST"
    elif _algorithm(info, leaf)[1] or name not in _DIGESTS:
        fault = "SIG-WEAK"
    return SignatureStamp(
        at=told["gen_time"].native,
        certificate=leaf,
        carried=Material(certificates=tuple(islice(certificates.other_certs, MAX_CARRIED))),
        fault=fault,
    )


def _hashed(name: str, octets: bytes) -> bytes:
    try:
        hasher = hashes.Hash(get_pyca_cryptography_hash(name))
    except (AttributeError, ValueError, NotImplementedError) as why:
        raise UnfitError("SIG-ALGORITHM", f"the digest {name} is unknown") from why
    hasher.update(octets)
    return hasher.finalize()


def _algorithm(info: cms.SignerInfo, leaf: x509.Certificate) -> tuple[str, bool]:
    """What was used, and whether it is too weak to prove anything."""
    digest, method = info["digest_algorithm"], info["signature_algorithm"]
    kind, digest_used = str(method.signature_algo), str(digest["algorithm"].native)
    policy = DEFAULT_ALGORITHM_USAGE_POLICY
    agrees = bool(policy.digest_combination_allowed(method, digest, None))
    strong = digest_used in _DIGESTS and kind in _SIGNATURES and agrees and _key_is_strong(leaf)
    return f"{kind} {digest_used}", not strong


def _key_is_strong(leaf: x509.Certificate) -> bool:
    key = leaf.public_key
    if key.algorithm == "rsa":
        return bool(key.bit_size >= MIN_RSA_BITS)
    return key.algorithm == "ec" and key.curve[1] in CURVES


def _adobe_answers(info: cms.SignerInfo) -> Material:
    """Revocation answers that the signer put under its signature."""
    values = [
        value
        for attribute in info["signed_attrs"]
        if attribute["type"].native == "adobe_revocation_info_archival"
        for value in attribute["values"]
    ]
    return Material(
        lists=tuple(one for value in values for one in _some(value["crl"])),
        answers=tuple(one for value in values for one in _some(value["ocsp"])),
    )


def _some(values: Sequence[Any]) -> list[Any]:  # Any: of the library
    return [] if isinstance(values, core.Void) else list(islice(values, MAX_ANSWERS))


def aware(at: datetime | None) -> datetime | None:
    """A time without a zone is no time."""
    return at if isinstance(at, datetime) and at.tzinfo is not None else None
