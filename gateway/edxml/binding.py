"""Step 6: which bound certificate may speak for the claimed sender (K1, F10). In: the code as the model has it, the
registry's bindings, the certificate that the signature names, a time. Out: the one binding, or the refusal. The
certificate in the file is only a hint: what verifies is the registry's own copy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from gateway.edxml.key import bound_key_fault
from gateway.errors import BadSignature, SignerMismatch, UnknownSender

if TYPE_CHECKING:
    from gateway.domain.proof import Binding
    from gateway.edxml.policy import XmlPolicy

MOST_CANDIDATES: Final = 4
"""K1: a roll-over needs two; more would let one code collect keys."""


def active(code: str, bindings: Sequence[Binding], at: datetime) -> tuple[Binding, ...]:
    """The bindings of exactly this code in force at that time, at most four."""
    return tuple(
        one
        for one in bindings
        if one.code == code
        and (one.valid_from is None or one.valid_from <= at)
        and (one.valid_to is None or at < one.valid_to)
    )[:MOST_CANDIDATES]


def choose(
    code: str, certificate_der: bytes, candidates: Sequence[Binding], policy: XmlPolicy, at: datetime
) -> Binding:
    """The candidate whose certificate the signature names, DER for DER."""
    where = "From/OrganId"
    if not candidates:
        raise UnknownSender(
            "SIG-NO-BINDING",
            f"no certificate is bound to the sender code {code[:80]!r} at {at.isoformat()}",
            step=6,
            where=where,
        )
    for one in candidates:
        if compare_digest(one.certificate_der, certificate_der):
            weakness = bound_key_fault(one.certificate_der, policy)
            if weakness is not None:
                detail = f"the key bound to {code[:80]!r} is too short or of a kind that is not taken"
                raise BadSignature(weakness, detail, step=6, where=where)
            return one
    raise SignerMismatch(
        "SIG-PIN",
        f"signed under a certificate that is not among the {len(candidates)} bound to {code[:80]!r}",
        step=6,
        where=where,
    )
