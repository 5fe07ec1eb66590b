"""Which of an agency's certificates may sign now, as a frozen value that is handed to whoever holds the keys. Made by
`policy.signing_key`; read by `trust.keys`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEnd:
    """A key of ours that signs nothing from `at` on. `stolen_since`: from then on others may have signed with it."""

    agency_code: str
    key_id: str
    fingerprint: str
    at: datetime
    by: str
    stolen_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """`bound` has the certificates that may sign by SHA-256, with when each began to speak for the agency; None where
    nothing of the agency is bound here, and its certificates' own validity decides. Those in `ended` never sign."""

    bound: Mapping[str, datetime | None] | None = None
    ended: Mapping[str, str] = field(default_factory=dict)

    def fault(self, fingerprint: str) -> str | None:
        """Why this certificate may not sign; None when it may."""
        if fingerprint in self.ended:
            return self.ended[fingerprint]
        if self.bound is not None and fingerprint not in self.bound:
            return "not bound to the agency's code here, as others are"
        return None

    def since(self, fingerprint: str) -> datetime | None:
        """Since when it speaks for the agency, where that is known."""
        return self.bound.get(fingerprint) if self.bound is not None else None


ANY = KeyUse()
"""For who only asks for what there is."""
