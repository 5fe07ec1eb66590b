"""What browsers are asked to keep: the session, which no script may read, and choices about how pages look."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web

from gateway.office.web.door import COOKIE

_YEAR_S = 31_536_000
R = TypeVar("R", bound=web.StreamResponse)


def keep_session(answer: R, request: web.Request, token: str) -> R:
    """For this browser alone, until it is closed or the session is over; never to another site's forms or scripts."""
    answer.set_cookie(COOKIE, token, path="/", httponly=True, samesite="Lax", secure=_is_secure(request))
    return answer


def forget_session(answer: R, request: web.Request) -> R:
    answer.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax", secure=_is_secure(request))
    return answer


def keep(answer: R, request: web.Request, name: str, value: str) -> R:
    """A choice that is no secret, for a year."""
    answer.set_cookie(name, value, path="/", max_age=_YEAR_S, samesite="Lax", secure=_is_secure(request))
    return answer


def _is_secure(request: web.Request) -> bool:
    """Behind a proxy the last one says it; a lie there only makes the cookie stricter."""
    return (
        request.secure or request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip() == "https"
    )
