"""One call of a person's browser: who it is, in which language, what the form brought; and the ways to answer. Made by the
door, handed to one handler, forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.errors import Denied, NotFound
from gateway.office.accounts.acting import Acting
from gateway.office.domain.right import Manner, Right
from gateway.office.domain.session import Origin, form_token
from gateway.office.web import render
from gateway.office.web.deps import WebDeps
from gateway.office.web.forms import Form
from gateway.office.web.routes import Route
from gateway.words import labels


@dataclass(frozen=True, kw_only=True)
class Visit:
    """`acting` and `agency` are None where the route lets strangers in and nobody is signed in, or none is chosen.
    `token` is what the browser holds. `posts` names the agencies that the person may choose."""

    request: web.Request
    route: Route
    deps: WebDeps
    lang: str
    id: str
    nonce: str
    token: str = field(default="", repr=False)
    acting: Acting | None = None
    agency: HostedAgency | None = None
    agencies: tuple[HostedAgency, ...] = ()
    form: Form = field(default_factory=Form, repr=False)

    def say(self, key: str, /, **params: object) -> str:
        return labels.say(key, self.lang, **params)

    def say_or(self, key: str, other: str) -> str:
        """The words of a key that is made of other people's codes, or what stands for it where there are none."""
        return self.say(key) if labels.has(key) else other

    @property
    def person(self) -> Acting:
        """Who acts. Only for routes that no stranger may use."""
        if self.acting is None:
            raise Denied("sign in first", code="GW-SESSION")
        return self.acting

    @property
    def here(self) -> HostedAgency:
        """The agency that is worked for. Only for routes of members."""
        if self.agency is None:
            raise Denied("choose the agency to work for first", code="GW-RIGHT")
        return self.agency

    def scope(self) -> AgencyScope:
        return AgencyScope(agency_id=self.here.id, principal_id=self.person.person.id)

    def may(self, right: Right, *manners: Manner) -> bool:
        """For what a page shows or leaves out; the flow behind a button asks again."""
        return self.acting is not None and self.acting.may(right, *manners)

    @property
    def origin(self) -> Origin:
        return Origin(
            address=self.deps.address(self.request), agent=self.request.headers.get("User-Agent", "")
        )

    @property
    def form_token(self) -> str:
        return form_token(self.token) if self.token else ""

    @property
    def is_piece(self) -> bool:
        """Whether a script asks for a region of the page alone; without scripts the page comes whole."""
        asked = self.request.headers
        return asked.get("HX-Request") == "true" and asked.get("HX-History-Restore-Request") != "true"

    def path(self, name: str) -> str:
        """What the address says in that place."""
        return self.request.match_info[name]

    def ask(self, name: str, default: str = "") -> str:
        """The first value of the query under that name, trimmed."""
        return self.request.query.get(name, default).strip()

    def number(self, name: str, default: int, among: tuple[int, ...]) -> int:
        """A number of the query; the default when it is none of those."""
        given = self.ask(name)
        return int(given) if given.isascii() and given.isdigit() and int(given) in among else default

    async def page(self, template: str, status: int = 200, /, **values: object) -> web.Response:
        """The page whole, in its frame. `title` is what its tab and heading say."""
        from gateway.office.web import frame

        return render.answer(self, template, status, **await frame.around(self), **values)

    def piece(self, template: str, /, **values: object) -> web.Response:
        """One region of a page, for a script that swaps it."""
        return render.answer(self, template, 200, **values)

    def go(self, path: str, /, **query: str) -> web.Response:
        """See other: after an act the page is asked for anew, so that a reload acts on nothing."""
        return web.Response(status=303, headers={"Location": where(path, **query)})

    def go_back(self, address: str) -> web.Response:
        """To an address that came from outside, if it is one of this node; else to the beginning."""
        return web.Response(status=303, headers={"Location": inside(address)})

    def said(self, path: str, key: str, /, **query: str) -> web.Response:
        """As `go`, and the page that follows says what was done: `key` is of the labels, `told.{key}`. Its words are not
        taken from the address, so that nobody can put others there."""
        if not labels.has(f"told.{key}"):
            raise NotFound(f"there are no words told.{key}")
        return self.go(path, **query, told=key)


def inside(address: str) -> str:
    """That address if it is one of this node alone, else the beginning."""
    parts = urlsplit(address)
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith("/") and "\\" not in address
    safe = is_ours and not address.startswith("//") and address.isprintable() and address.isascii()
    return address if safe else "/"


def where(path: str, /, **query: str) -> str:
    """An address of this node alone: whatever the parts are, it leads nowhere else."""
    safe = "/" + quote(path.lstrip("/\\"), safe="/~.,;=:@-_")
    return f"{safe}?{urlencode(query)}" if query else safe


def merged(query: Mapping[str, str], **other: str | None) -> dict[str, str]:
    """A query with some values in place of others; None takes one out."""
    made = {**query, **{name: value for name, value in other.items() if value is not None}}
    return {name: value for name, value in made.items() if value != "" and other.get(name, "") is not None}
