"""One call of a program as it is kept of an API key: what was asked and how it went, never what was in it. Frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

MOST_OF_A_KEY = 10_000
"""Older ones of the same key go, whatever their age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """`route` is the address with the names of its places, not what stood in them. `problem` is the kind of a refusal,
    empty for a call that went well."""

    id: str
    key_id: str
    at: datetime
    method: str
    route: str
    status: int
    took_ms: int
    problem: str
    address: str
    request_id: str

    @property
    def is_error(self) -> bool:
        return self.status >= 400


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCount:
    """Of one key since some moment."""

    calls: int = 0
    errors: int = 0
