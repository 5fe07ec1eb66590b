"""Finds a chain from a certificate to one of our anchors and tells whether it is valid (K3). In: certificates at hand
and a time. Out: the chain, with a code and a sentence where it is not valid. This module bounds the search; a library
checks the rules of RFC 5280 section 6 and is kept from fetching anything. Intermediate certificates come only from the
configuration. No decisions, no I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
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

from gateway.domain.algorithms import ALGORITHMS, Algorithm, Algorithms, Judge, name_of_curve
from gateway.trust.asn1 import make_ready

make_ready()

# K3 (chain to an anchor): a government chain has three certificates; five leaves room and bounds the work.
MAX_CERTIFICATES = 5
# Bounds the signature checks that a crafted set of intermediates with equal names can cost.
MAX_SIGNATURE_CHECKS = 64
# Valid chains to remember, one for each certificate of a sender.
MAX_REMEMBERED = 4096

# An exchange certificate that names purposes must name one of these, so one only for servers or OCSP is refused.
_SIGNING_PURPOSES = frozenset(
    {
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # document signing, RFC 9336
        x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.12"),  # document signing, as Windows names it
    }
)

# Errors that the library raises for extensions that violate the standard.
UNREADABLE = (x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError)

_E = TypeVar(
    "_E",
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.CRLDistributionPoints,
    x509.AuthorityInformationAccess,
)
T = TypeVar("T")
_NO_CHECK = RevocationCheckingRule.NO_CHECK
_NO_REVOCATION = CertRevTrustPolicy(RevocationCheckingPolicy(_NO_CHECK, _NO_CHECK))
_PREFIX = "The path could not be validated because "


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Certificates from the signer's to the anchor. `code` is None where the chain is valid; a broken one may be cut
    short. `algorithms` are those that a valid one rests on."""

    certificates: tuple[x509.Certificate, ...]
    algorithms: tuple[Algorithm, ...] = ()
    code: str | None = None
    detail: str = ""


class Chains:
    """Search for chains to one set of anchors, with a bounded memory of valid ones. Safe to share between threads."""

    def __init__(
        self,
        anchors: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate] = (),
        algorithms: Algorithms = ALGORITHMS,
    ) -> None:
        self.algorithms = algorithms
        self.anchors = tuple(anchors)
        self.intermediates = tuple(intermediates)
        self._good: OrderedDict[x509.Certificate, Chain] = OrderedDict()
        self._lock = Lock()

    def find(self, leaf: x509.Certificate, at: datetime) -> Chain:
        """Return a chain that is valid at that time; where there is none, the first one found, with its fault."""
        good_chain = self.remembered(leaf, at)
        if good_chain is not None:
            return good_chain
        broken: Chain | None = None
        for certificates in _paths(leaf, self.anchors, self.intermediates):
            chain = _judge(certificates, at, self.algorithms)
            if chain.code is None:
                if broken is None:  # only the first path tried: the order never changes
                    with self._lock:
                        self._good[leaf] = chain
                        while len(self._good) > MAX_REMEMBERED:
                            self._good.popitem(last=False)
                return chain
            broken = broken or chain
        issuer = _text(lambda: leaf.issuer)
        return broken or Chain(
            certificates=(leaf,),
            code="CERT-CHAIN",
            detail=f"no chain of at most {MAX_CERTIFICATES} certificates leads to an anchor; the issuer is {issuer!r}",
        )

    def remembered(self, leaf: x509.Certificate, at: datetime) -> Chain | None:
        """Return the remembered chain of this certificate if it is valid at that time, else None. Only the dates are
        checked again, because nothing else in a chain changes."""
        with self._lock:
            chain = self._good.get(leaf)
            if chain is not None:
                self._good.move_to_end(leaf)
        if chain is None or _validity(chain.certificates, at) is not None:
            return None
        return chain if all(algorithm.is_accepted(at) for algorithm in chain.algorithms) else None


def usage_holds(leaf: x509.Certificate) -> bool:
    """Tell whether the certificate may sign documents: its key usage allows signing, it is no authority, and its
    purposes, if it names any, include a signing purpose."""
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
    """Tell whether the certificate may sign others: the CA flag is set, and the key usage, if there is one, allows it."""
    try:
        basic = extension(certificate, x509.BasicConstraints)
        usage = extension(certificate, x509.KeyUsage)
    except UNREADABLE:
        return False
    return basic is not None and basic.ca and (usage is None or usage.key_cert_sign)


def _paths(
    leaf: x509.Certificate, anchors: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate]
) -> Iterator[tuple[x509.Certificate, ...]]:
    """Yield every path from the certificate to an anchor along which names and signatures fit, shortest first, until the
    limits of length and signature checks are reached."""
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
            (*path, intermediate)
            for intermediate in intermediates
            if intermediate not in path and intermediate not in anchors and _issued(top, intermediate, budget)
        ]


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, budget: list[int]) -> bool:
    """Tell whether `issuer` signed the certificate. A signature check costs one of `budget`; without budget, answer no."""
    try:
        if certificate.issuer != issuer.subject or budget[0] <= 0:
            return False
        budget[0] -= 1
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _judge(certificates: tuple[x509.Certificate, ...], at: datetime, table: Algorithms) -> Chain:
    for check in (_validity, _readable, _anchor, partial(_algorithms, table=table), _rules):
        breach = check(certificates, at)
        if breach is not None:
            return Chain(certificates=certificates, code=breach[0], detail=breach[1])
    return Chain(certificates=certificates, algorithms=tuple(_rows_of(certificates, table)))


def _validity(certificates: tuple[x509.Certificate, ...], at: datetime) -> tuple[str, str] | None:
    for certificate in certificates:
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            return "CERT-TIME", (
                f"the certificate {_label(certificate)} is valid from {certificate.not_valid_before_utc.isoformat()} "
                f"to {certificate.not_valid_after_utc.isoformat()}, not at {at.isoformat()}"
            )
    return None


def _readable(certificates: tuple[x509.Certificate, ...], at: datetime) -> tuple[str, str] | None:
    """Return a breach where our strict reader refuses the extensions: the path library overlooks one that occurs twice."""
    for certificate in certificates:
        try:
            _ = certificate.extensions
        except UNREADABLE as why:
            return "CERT-CHAIN", f"the extensions of {_label(certificate)} cannot be read: {why}"
    return None


def _algorithms(
    certificates: tuple[x509.Certificate, ...], at: datetime, table: Algorithms
) -> tuple[str, str] | None:
    for certificate in certificates[:-1]:  # the anchor's own signature proves nothing
        if not table.accepts(name_of_digest(certificate), Judge.CHAIN):
            return "CERT-CHAIN", f"{_label(certificate)} is not signed with SHA-256 or better"
    for certificate in certificates:
        if not key_is_strong(certificate):
            return "CERT-CHAIN", f"the key of {_label(certificate)} is too short or of an unknown kind"
    for row in _rows_of(certificates, table):
        if not row.is_accepted(at):
            return "CERT-CHAIN", f"the chain of {_label(certificates[0])}: {row.explain()}"
    return None


def _rows_of(certificates: tuple[x509.Certificate, ...], table: Algorithms) -> Iterator[Algorithm]:
    """Yield the rows of the table that a chain rests on, each once."""
    names = [*map(name_of_key, certificates), *map(name_of_digest, certificates[:-1])]
    yield from filter(None, map(table.find, dict.fromkeys(names)))


def _anchor(certificates: tuple[x509.Certificate, ...], at: datetime) -> tuple[str, str] | None:
    """Return a breach where the top certificate is no authority, even where it is itself the certificate in question."""
    if not is_authority(certificates[-1]):
        return "CERT-CHAIN", f"{_label(certificates[-1])} may not sign certificates"
    return None


def _rules(certificates: tuple[x509.Certificate, ...], at: datetime) -> tuple[str, str] | None:
    breach = path_breach(certificates, at)
    return None if breach is None else ("CERT-CHAIN", f"the chain of {_label(certificates[0])}: {breach}")


def key_is_strong(certificate: x509.Certificate) -> bool:
    """Tell whether the key is of a kind and length that the table has for chains, whenever it ends."""
    return ALGORITHMS.accepts(name_of_key(certificate), Judge.CHAIN)


def digest_is_strong(digest: hashes.HashAlgorithm | None) -> bool:
    """Tell whether the digest is one that the table has for chains, whenever it ends."""
    return digest is not None and ALGORITHMS.accepts(digest.name, Judge.CHAIN)


def name_of_key(certificate: x509.Certificate) -> str:
    """Return the name of a certificate's key as the table writes it; empty for another kind."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    if isinstance(key, rsa.RSAPublicKey):
        return ALGORITHMS.name_of_rsa(key.key_size)
    return name_of_curve(key.curve.name) if isinstance(key, ec.EllipticCurvePublicKey) else ""


def name_of_digest(certificate: x509.Certificate) -> str:
    """Return the name of the digest with which a certificate is signed; empty for none."""
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return digest.name if digest is not None else ""


def extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    """Return the extension of that kind, or None where there is none. Raise one of `UNREADABLE` where it cannot be read."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _label(certificate: x509.Certificate) -> str:
    return f"{_text(lambda: certificate.subject)!r} (serial {certificate.serial_number:x})"


def _text(name: Callable[[], x509.Name]) -> str:
    """Return a name as text, or a remark where it is malformed: the library parses it only when it is asked for."""
    try:
        return name().rfc4514_string()
    except (ValueError, TypeError):
        return "a name that cannot be read"


def path_breach(certificates: tuple[x509.Certificate, ...], at: datetime) -> str | None:
    """Return the reason why the path library finds this chain not valid at that time, or None. It checks every
    signature."""
    try:
        *below, top = [_to_asn1(c) for c in certificates]
        if unknown := top.critical_extensions - SUPPORTED_EXTENSIONS:
            return f"the anchor has the critical extension {', '.join(sorted(unknown))}, unknown here"
        path = ValidationPath(_validation_anchor(top), reversed(below[1:]), below[0] if below else None)
        context = ValidationContext(
            trust_roots=[top],
            moment=at,
            allow_fetching=False,
            revinfo_policy=_NO_REVOCATION,
            time_tolerance=timedelta(0),
        )
        _run_to_end(async_validate_path(context, path))
    except ValidationError as why:
        return str(why).removeprefix(_PREFIX).rstrip(".")[:300]
    # A constraint that cannot be checked must not count as fulfilled.
    except NotImplementedError as why:
        return f"a name constraint cannot be checked: {why}"
    except Exception as why:  # bytes from outside may raise any error; the chain is then not valid
        return f"the chain cannot be judged ({type(why).__name__})"
    return None


def _validation_anchor(top: asn1.Certificate) -> TrustAnchor:
    """Return the trust anchor with the limits (path length, names) that its certificate sets; the standard would ignore
    them."""
    own = derive_quals_from_cert(top)
    params = own.standard_parameters
    names = PKIXValidationParams(
        initial_permitted_subtrees=params.initial_permitted_subtrees if params else None,
        initial_excluded_subtrees=params.initial_excluded_subtrees if params else None,
    )
    limits: TrustQualifiers = replace(own, standard_parameters=names, max_aa_path_length=own.max_path_length)
    return TrustAnchor(AuthorityWithCert(top), limits)


def _to_asn1(certificate: x509.Certificate) -> asn1.Certificate:
    """Load the certificate with asn1crypto, as a new object: it parses its parts lazily, so threads must not share it."""
    return asn1.Certificate.load(certificate.public_bytes(Encoding.DER), strict=True)


def _run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never has to wait, because fetching is switched off. Raise
    NotImplementedError when it waits after all."""
    try:
        work.send(None)
    except StopIteration as end:
        outcome: T = end.value
        return outcome
    work.close()
    raise NotImplementedError("the judgement waits for something")
