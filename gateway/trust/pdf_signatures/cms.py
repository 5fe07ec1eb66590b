"""Reads the CMS object inside a PDF signature: is it whole, is it signed as it says, with what, when, and which
timestamps lie over it. In: parsed CMS and the digest of the bytes it covers. Out: `Signed` and `Stamp`, or `Unfit` with
the code of what breaks the form. Judges no certificate. Runs in the reading process alone (`child`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from asn1crypto import cms, core, tsp, x509
from asn1crypto import parser as der
from cryptography.hazmat.primitives import hashes
from pyhanko.sign.general import extract_certificate_info, extract_signer_info
from pyhanko.sign.validation.generic_cms import extract_self_reported_ts, validate_sig_integrity
from pyhanko.sign.validation.utils import DEFAULT_ALGORITHM_USAGE_POLICY
from pyhanko_certvalidator.util import get_pyca_cryptography_hash

from gateway.trust.pdf_signatures.chain import Material

MAX_TOKENS = 4
MAX_CERTIFICATES = 20
MAX_ANSWERS = 20

_DIGESTS = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"})
_SIGNATURES = frozenset({"rsassa_pkcs1v15", "rsassa_pss", "ecdsa"})
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_MIN_RSA_BITS = 2048


class UnfitError(Exception):
    """What was found is no signature in a form that we take; `code` says of which kind."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Digest right, signature right, by this certificate. `carried` is what came along with it."""

    intact: bool
    authentic: bool
    algorithm: str
    weak: bool
    claimed_at: datetime | None
    certificate: x509.Certificate
    carried: Material


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
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


def signed(signed_data: cms.SignedData, digest: bytes) -> Signed:
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
    return Signed(
        intact=intact,
        authentic=authentic,
        algorithm=algorithm,
        weak=weak,
        claimed_at=_aware(extract_self_reported_ts(info)),
        certificate=leaf,
        carried=Material(certificates=tuple(islice(certificates.other_certs, MAX_CERTIFICATES)))
        + _adobe_answers(info),
    )


def stamps(signed_data: cms.SignedData) -> Iterator[Stamp]:
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


def stamp(signed_data: cms.SignedData, digest_by: Callable[[str], bytes]) -> Stamp:
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
    return Stamp(
        at=told["gen_time"].native,
        certificate=leaf,
        carried=Material(certificates=tuple(islice(certificates.other_certs, MAX_CERTIFICATES))),
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
        return bool(key.bit_size >= _MIN_RSA_BITS)
    return key.algorithm == "ec" and key.curve[1] in _CURVES


def _adobe_answers(info: cms.SignerInfo) -> Material:
    """Revocation answers that the signer put under its signature."""
    lists: list[object] = []
    answers: list[object] = []
    for attribute in info["signed_attrs"]:
        if attribute["type"].native == "adobe_revocation_info_archival":
            for value in attribute["values"]:
                lists += _some(value["crl"])
                answers += _some(value["ocsp"])
    return Material(lists=tuple(lists), answers=tuple(answers))


def _some(values: Sequence[object]) -> list[object]:
    return [] if isinstance(values, core.Void) else list(islice(values, MAX_ANSWERS))


def _aware(at: datetime | None) -> datetime | None:
    """A time without a zone is no time."""
    return at if isinstance(at, datetime) and at.tzinfo is not None else None
