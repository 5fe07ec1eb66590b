"""A session of a person at the pages. In: the browser's secret. Out: its stored digest, and the token of its forms. A
reader of the database or a backup can neither take a session over nor make a form for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway import random_source

TOKEN_BYTES = 32
_FORM = b"lienthong form 1"


class Factor(StrEnum):
    """Second factor of a sign-in."""

    NONE = "none"
    TOTP = "totp"
    RECOVERY = "recovery"


class SessionEnd(StrEnum):
    """Reason why a session is over."""

    SIGNED_OUT = "signed-out"
    REPLACED = "replaced"
    EVERYWHERE = "everywhere"
    RIGHTS = "rights"
    STANDING = "standing"
    PASSWORD = "password"  # noqa: S105 - a reason
    IDLE = "idle"
    EXPIRED = "over"


class SignInDuty(StrEnum):
    """A duty of a person before anything else."""

    CHANGE_PASSWORD = "change-password"  # noqa: S105 - a duty
    SET_UP_FACTOR = "set-up-factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrigin:
    """Origin of a call: the address, and the browser's own name."""

    address: str
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTries:
    """Failures without a success between them."""

    failures: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session. `id` names it to people; only `digest` is kept of the browser's secret."""

    id: str
    digest: str = field(repr=False)
    person_id: str
    agency_id: str | None
    factor: Factor
    began_at: datetime
    seen_at: datetime
    ends_at: datetime
    address: str
    agent: str
    ended_at: datetime | None = None
    ended_why: SessionEnd | None = None


def new_token() -> str:
    """Make 256 random bits, for a cookie."""
    return random_source.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> str:
    """Return the stored digest of a token. A plain hash is right for a random secret."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def form_token(token: str) -> str:
    """Make the token of each form of this session, so that no other site can make one (CSRF). A new session has another."""
    digest = hmac.new(token.encode("utf-8", "surrogatepass"), _FORM, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_form_token(token: str, candidate: str) -> bool:
    return bool(token) and hmac.compare_digest(
        form_token(token).encode(), candidate.encode("utf-8", "surrogatepass")
    )
