"""Judges one chain of certificates by the rules of RFC 5280 section 6, through a library made for it. In: the chain,
signer first, and a time. Out: what breaks it in a sentence, or None. It looks nothing up."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
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

T = TypeVar("T")

_NOT_HERE = RevocationCheckingRule.NO_CHECK
_NO_REVOCATION = CertRevTrustPolicy(RevocationCheckingPolicy(_NOT_HERE, _NOT_HERE))
_OPENING = "The path could not be validated because "


def breach(certificates: tuple[x509.Certificate, ...], at: datetime) -> str | None:
    """What breaks this chain at that time, or None. Every signature is checked again on the way."""
    try:
        *below, top = [_again(each) for each in certificates]
        if odd := top.critical_extensions - SUPPORTED_EXTENSIONS:
            return f"the anchor has the critical extension {', '.join(sorted(odd))}, unknown here"
        path = ValidationPath(_anchor(top), reversed(below[1:]), below[0] if below else None)
        _driven(async_validate_path(_context(top, at), path))
    except ValidationError as why:
        return _plain(why)
    except NotImplementedError as why:  # a constraint that it cannot check must not pass
        return f"a name constraint cannot be checked: {why}"
    except Exception as why:  # the bytes are a stranger's: whatever it makes of them is no chain that holds
        return f"the chain cannot be judged ({type(why).__name__})"
    return None


def _context(top: asn1.Certificate, at: datetime) -> ValidationContext:
    return ValidationContext(
        trust_roots=[top],
        moment=at,
        allow_fetching=False,
        revinfo_policy=_NO_REVOCATION,
        time_tolerance=timedelta(0),
    )


def _anchor(top: asn1.Certificate) -> TrustAnchor:
    """With the limits on paths and names that the anchor sets itself, which the standard alone would not ask about."""
    own = derive_quals_from_cert(top)
    told = own.standard_parameters
    names = PKIXValidationParams(
        initial_permitted_subtrees=told.initial_permitted_subtrees if told else None,
        initial_excluded_subtrees=told.initial_excluded_subtrees if told else None,
    )
    limits: TrustQualifiers = replace(own, standard_parameters=names, max_aa_path_length=own.max_path_length)
    return TrustAnchor(AuthorityWithCert(top), limits)


@lru_cache(maxsize=256)
def _again(certificate: x509.Certificate) -> asn1.Certificate:
    """The same certificate as the other library reads it."""
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


def _plain(why: ValidationError) -> str:
    text = str(why).removeprefix(_OPENING).rstrip(".")
    return text[:300]
