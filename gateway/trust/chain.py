"""Finds a chain from a certificate to one of our anchors and says whether it holds (K3). In: certificates we already
have and a time. Out: the chain, or the code and sentence of what breaks it. The search is bounded here; the rules of
a path, RFC 5280 section 6, are a library's, which looks nothing up. Extra certificates come from configuration alone.
Decides nothing; no I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, TypeVar

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import (
    AuthorityWithCert,
    TrustAnchor,
    TrustQualifiers,
    derive_quals_from_cert,
)
from pyhanko_certvalidator.errors import ValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    PKIXValidationParams,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.validate import SUPPORTED_EXTENSIONS, async_validate_path

from gateway.trust.asn1 import make_ready

make_ready()

# K3. A government chain has three; five leaves room and bounds the work.
MAX_CERTIFICATES = 5
# A crafted set of intermediates with equal names must not cost more than this many signature checks.
MAX_SIGNATURE_CHECKS = 64
# Good chains that are remembered: one per certificate of those one hears from.
MAX_REMEMBERED = 4096

STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
MIN_RSA_BITS = 2048

# What an exchange certificate may be for, when it says so at all; one made only for servers or OCSP is refused.
_SIGNING_PURPOSES = frozenset(
    {
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # document signing, RFC 9336
        x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.12"),  # document signing, as Windows names it
    }
)

# What extensions that are not as the standard has them make the library raise.
UNREADABLE = (x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError)

_E = TypeVar("_E", x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.CRLDistributionPoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Signer first, anchor last; `code` None when every link holds. A broken chain may be incomplete."""

    certificates: tuple[x509.Certificate, ...]
    code: str | None = None
    detail: str = ""


class Chains:
    """Finds chains to one set of anchors and remembers those that hold, a bounded number. Safe to share between threads."""

    def __init__(
        self, anchors: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate] = ()
    ) -> None:
        self.anchors = tuple(anchors)
        self.intermediates = tuple(intermediates)
        self._good: OrderedDict[x509.Certificate, Chain] = OrderedDict()
        self._lock = Lock()

    def find(self, leaf: x509.Certificate, at: datetime) -> Chain:
        """The first chain that holds at that time; otherwise the first found with what breaks it."""
        known = self.remembered(leaf, at)
        if known is not None:
            return known
        broken: Chain | None = None
        for certificates in _paths(leaf, self.anchors, self.intermediates):
            found = _judged(certificates, at)
            if found.code is None:
                if broken is None:  # the first that was tried: at every time the same, then
                    with self._lock:
                        self._good[leaf] = found
                        while len(self._good) > MAX_REMEMBERED:
                            self._good.popitem(last=False)
                return found
            broken = broken or found
        issuer = _text(lambda: leaf.issuer)
        return broken or Chain(
            certificates=(leaf,),
            code="CERT-CHAIN",
            detail=f"no chain of at most {MAX_CERTIFICATES} certificates leads to an anchor; the issuer is {issuer!r}",
        )

    def remembered(self, leaf: x509.Certificate, at: datetime) -> Chain | None:
        """A chain that was found before and holds at that time: nothing but time makes it a different answer."""
        with self._lock:
            known = self._good.get(leaf)
            if known is not None:
                self._good.move_to_end(leaf)
        return known if known is not None and _validity(known.certificates, at) is None else None


def usage_holds(leaf: x509.Certificate) -> bool:
    """The certificate is made for signing: key usage says so, it is no authority, and no purpose forbids it."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        if not (usage.digital_signature or usage.content_commitment):
            return False
        basic = extension(leaf, x509.BasicConstraints)
        if basic is not None and basic.ca:
            return False
        purposes = extension(leaf, x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return False
    return purposes is None or not _SIGNING_PURPOSES.isdisjoint(purposes)


def is_authority(certificate: x509.Certificate) -> bool:
    """It may sign certificates: the CA flag, and key usage where that is given."""
    try:
        basic = extension(certificate, x509.BasicConstraints)
        usage = extension(certificate, x509.KeyUsage)
    except UNREADABLE:
        return False
    return basic is not None and basic.ca and (usage is None or usage.key_cert_sign)


def _paths(
    leaf: x509.Certificate, anchors: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate]
) -> Iterator[tuple[x509.Certificate, ...]]:
    """Every way up whose names and signatures fit, shortest tried first at each link, within one budget."""
    budget = [MAX_SIGNATURE_CHECKS]
    pending: list[tuple[x509.Certificate, ...]] = [(leaf,)]
    while pending:
        path = pending.pop(0)
        top = path[-1]
        for anchor in anchors:
            if anchor == top or _issued(top, anchor, budget):
                yield path if anchor == top else (*path, anchor)
        if len(path) + 1 >= MAX_CERTIFICATES:
            continue
        pending += [
            (*path, each)
            for each in intermediates
            if each not in path and each not in anchors and _issued(top, each, budget)
        ]


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, budget: list[int]) -> bool:
    try:
        if certificate.issuer != issuer.subject or budget[0] <= 0:
            return False
        budget[0] -= 1
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _judged(certificates: tuple[x509.Certificate, ...], at: datetime) -> Chain:
    for check in _CHECKS:
        found = check(certificates, at)
        if found is not None:
            return Chain(certificates=certificates, code=found[0], detail=found[1])
    return Chain(certificates=certificates)


def _validity(certificates: tuple[x509.Certificate, ...], at: datetime) -> tuple[str, str] | None:
    for each in certificates:
        if not each.not_valid_before_utc <= at <= each.not_valid_after_utc:
            return "CERT-TIME", (
                f"the certificate {_label(each)} is valid from {each.not_valid_before_utc.isoformat()} "
                f"to {each.not_valid_after_utc.isoformat()}, not at {at.isoformat()}"
            )
    return None


def _readable(certificates: tuple[x509.Certificate, ...], at: datetime) -> tuple[str, str] | None:
    """The strict reader refuses what the judging one passes over, such as an extension that stands twice."""
    for each in certificates:
        try:
            _ = each.extensions
        except UNREADABLE as why:
            return "CERT-CHAIN", f"the extensions of {_label(each)} cannot be read: {why}"
    return None


def _algorithms(certificates: tuple[x509.Certificate, ...], at: datetime) -> tuple[str, str] | None:
    for each in certificates[:-1]:  # nothing rests on an anchor's own signature
        try:
            digest = each.signature_hash_algorithm
        except UnsupportedAlgorithm:
            digest = None
        if not isinstance(digest, STRONG):
            return "CERT-CHAIN", f"{_label(each)} is not signed with SHA-256 or better"
    for each in certificates:
        if not key_is_strong(each):
            return "CERT-CHAIN", f"the key of {_label(each)} is too short or of an unknown kind"
    return None


def _anchor(certificates: tuple[x509.Certificate, ...], at: datetime) -> tuple[str, str] | None:
    """A certificate that is itself the anchor is judged as an anchor."""
    if not is_authority(certificates[-1]):
        return "CERT-CHAIN", f"{_label(certificates[-1])} may not sign certificates"
    return None


def _rules(certificates: tuple[x509.Certificate, ...], at: datetime) -> tuple[str, str] | None:
    found = path_breach(certificates, at)
    return None if found is None else ("CERT-CHAIN", f"the chain of {_label(certificates[0])}: {found}")


_CHECKS: tuple[Callable[[tuple[x509.Certificate, ...], datetime], tuple[str, str] | None], ...] = (
    _validity,
    _readable,
    _anchor,
    _algorithms,
    _rules,
)


def key_is_strong(certificate: x509.Certificate) -> bool:
    """RSA of 2048 bits or more, or one of the curves that are taken."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= MIN_RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES


def extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    """None where the certificate has none of that kind; one of `UNREADABLE` where it cannot be told."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _label(certificate: x509.Certificate) -> str:
    return f"{_text(lambda: certificate.subject)!r} (serial {certificate.serial_number:x})"


def _text(name: Callable[[], x509.Name]) -> str:
    """A name is read only when it is asked for, and then with errors of its own."""
    try:
        return name().rfc4514_string()
    except (ValueError, TypeError):
        return "a name that cannot be read"


T = TypeVar("T")

_NOT_HERE = RevocationCheckingRule.NO_CHECK
_NO_REVOCATION = CertRevTrustPolicy(RevocationCheckingPolicy(_NOT_HERE, _NOT_HERE))
_OPENING = "The path could not be validated because "


def path_breach(certificates: tuple[x509.Certificate, ...], at: datetime) -> str | None:
    """What breaks this chain at that time, or None. Every signature is checked again on the way."""
    try:
        *below, top = [_again(each) for each in certificates]
        if odd := top.critical_extensions - SUPPORTED_EXTENSIONS:
            return f"the anchor has the critical extension {', '.join(sorted(odd))}, unknown here"
        path = ValidationPath(_validation_anchor(top), reversed(below[1:]), below[0] if below else None)
        context = ValidationContext(
            trust_roots=[top],
            moment=at,
            allow_fetching=False,
            revinfo_policy=_NO_REVOCATION,
            time_tolerance=timedelta(0),
        )
        _driven(async_validate_path(context, path))
    except ValidationError as why:
        return str(why).removeprefix(_OPENING).rstrip(".")[:300]
    except NotImplementedError as why:  # a constraint that it cannot check must not pass
        return f"a name constraint cannot be checked: {why}"
    except Exception as why:  # the bytes are a stranger's: whatever it makes of them is no chain that holds
        return f"the chain cannot be judged ({type(why).__name__})"
    return None


def _validation_anchor(top: asn1.Certificate) -> TrustAnchor:
    """With the limits on paths and names that the anchor sets itself, which the standard alone would not ask about."""
    own = derive_quals_from_cert(top)
    told = own.standard_parameters
    names = PKIXValidationParams(
        initial_permitted_subtrees=told.initial_permitted_subtrees if told else None,
        initial_excluded_subtrees=told.initial_excluded_subtrees if told else None,
    )
    limits: TrustQualifiers = replace(own, standard_parameters=names, max_aa_path_length=own.max_path_length)
    return TrustAnchor(AuthorityWithCert(top), limits)


def _again(certificate: x509.Certificate) -> asn1.Certificate:
    """The same certificate as the other library reads it, for this thread alone: it reads its parts when asked for them."""
    return asn1.Certificate.load(certificate.public_bytes(Encoding.DER), strict=True)


def _driven(work: Coroutine[Any, Any, T]) -> T:
    """Runs what is written to wait for a network and never does here: nothing may be fetched."""
    try:
        work.send(None)
    except StopIteration as end:
        found: T = end.value
        return found
    work.close()
    raise NotImplementedError("the judgement waits for something")
