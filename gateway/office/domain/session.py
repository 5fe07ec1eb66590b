"""A session of a person at the pages. In: what the browser holds. Out: the digest that is kept of it, and the token of its
forms. Whoever reads the database or a backup can neither take a session over nor make a form for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

TOKEN_BYTES = 32
_FORM = b"lienthong form 1"


class Factor(StrEnum):
    """What a person showed beside the password."""

    NONE = "none"
    TOTP = "totp"
    RECOVERY = "recovery"


class Ended(StrEnum):
    """Why a session is over."""

    SIGNED_OUT = "signed-out"
    REPLACED = "replaced"
    EVERYWHERE = "everywhere"
    RIGHTS = "rights"
    STANDING = "standing"
    PASSWORD = "password"  # noqa: S105 - a reason
    IDLE = "idle"
    OVER = "over"


class SignInDuty(StrEnum):
    """What a person must do before anything else."""

    CHANGE_PASSWORD = "change-password"  # noqa: S105 - a duty
    SET_UP_FACTOR = "set-up-factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrigin:
    """Where a call comes from: the address, and what the browser says that it is."""

    address: str
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTries:
    """Failures without a success between them."""

    failures: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session. `id` names it to people; only `digest` is kept of what the browser holds."""

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
    ended_why: Ended | None = None


def new_token() -> str:
    """256 random bits, for a cookie."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> str:
    """What is kept of a token. A plain hash is right for a random secret."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def form_token(token: str) -> str:
    """What each form of this session carries, so that no other site can make one (CSRF). A new session has another."""
    made = hmac.new(token.encode("utf-8", "surrogatepass"), _FORM, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def is_form_token(token: str, given: str) -> bool:
    return bool(token) and hmac.compare_digest(
        form_token(token).encode(), given.encode("utf-8", "surrogatepass")
    )
