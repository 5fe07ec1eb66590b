"""Which certificate of an agency may sign now (W9, K5): one inside its binding, of a key that was neither retired nor
reported stolen. In: the registry's bindings, the ends of keys, a time. Out: `KeyUse`. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from gateway.domain.key_use import KeyEnd, KeyUse
from gateway.domain.proof import Binding


def use(code: str, bindings: Sequence[Binding], ends: Sequence[KeyEnd], at: datetime) -> KeyUse:
    """Where any certificate of the code is bound, none that is not bound may sign: every receiver would refuse it."""
    known = [each for each in bindings if each.code == code]
    active = {fingerprint(each.certificate_der): each.valid_from for each in known if in_force(each, at)}
    return KeyUse(
        bound=active if known else None,
        ended={each.fingerprint: _why(each) for each in ends if each.at <= at},
    )


def in_force(binding: Binding, at: datetime) -> bool:
    """Whether the binding speaks for its code at that moment (K1)."""
    return (binding.valid_from is None or binding.valid_from <= at) and (
        binding.valid_to is None or at < binding.valid_to
    )


def fingerprint(certificate_der: bytes) -> str:
    return hashlib.sha256(certificate_der).hexdigest()


def _why(end: KeyEnd) -> str:
    if end.stolen_since is not None:
        return f"its key was reported stolen as of {end.stolen_since.isoformat(timespec='minutes')}"
    return f"its key was retired at {end.at.isoformat(timespec='minutes')}"
