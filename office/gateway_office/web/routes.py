"""Route of the pages: its address, the people who may go there, the body of its form. The table of all routes is
`gateway_office.web.pages`; the door reads it, and a test holds it against the table of roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from aiohttp import web

from gateway_office.domain.roles import Manner, Right

# Any: a `PageRequest`, which knows its route.
Handler = Callable[[Any], Awaitable[web.StreamResponse]]


class Access(StrEnum):
    """People that a route admits at all; its `needs` narrow them further."""

    ANYBODY = "anybody"
    """Also people who are not signed in."""
    PERSON = "person"
    """Signed in, whatever is still owed: a new password, a second factor, an agency to choose."""
    READY = "ready"
    """Signed in, and nothing owed; an agency need not be chosen."""
    MEMBER = "member"
    """At work for one agency."""


class FormBody(StrEnum):
    """Encoding of a form. Of `PARTS` the handler reads the files itself, behind the form's token."""

    NONE = "none"
    FORM = "form"
    PARTS = "parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """One row of the table of roles, in any of these manners; without manners in whichever."""

    right: Right
    manners: tuple[Manner, ...] = ()
    trusts: bool = False
    """With the role of persons who decide what the node trusts, as the decision itself asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRoute:
    """One page or act. `needs` are alternatives: one is enough. `key` is the menu entry that it stands under. `quiet`: a
    script asks it by itself, which keeps no session alive."""

    method: str
    path: str
    name: str
    handler: Handler
    access: Access = Access.MEMBER
    needs: tuple[Needs, ...] = ()
    body: FormBody = FormBody.NONE
    key: str = ""
    quiet: bool = False


_GUARDS: dict[str, tuple[Needs, ...]] = {}


def guard_of(name: str) -> tuple[Needs, ...]:
    """Return what the route of that name needs: who may not open it is not offered it."""
    return _GUARDS[name]


def get(path: str, name: str, handler: Handler, **more: object) -> PageRoute:
    route = PageRoute(method="GET", path=path, name=name, handler=handler, **more)  # type: ignore[arg-type]
    _GUARDS[name] = route.needs
    return route


def post(path: str, name: str, handler: Handler, **more: object) -> PageRoute:
    """Make the route of an act: its form is read, and its token proved, before the handler."""
    route = PageRoute(method="POST", path=path, name=name, handler=handler, **{"body": FormBody.FORM, **more})  # type: ignore[arg-type]
    _GUARDS[name] = route.needs
    return route


def both(path: str, page: str, act: str, handler: Handler, **more: object) -> tuple[PageRoute, PageRoute]:
    """Make the routes of a page that asks one question, and of the act that its form does: one handler serves both."""
    return get(path, page, handler, **more), post(path, act, handler, **more)


def sharing(
    **shared: Any,
) -> tuple[Callable[..., PageRoute], Callable[..., PageRoute], Callable[..., tuple[PageRoute, PageRoute]]]:
    """Return `get`, `post` and `both` for routes that share these fields. Any: fields of `PageRoute`, which knows their
    types."""
    return partial(get, **shared), partial(post, **shared), partial(both, **shared)
