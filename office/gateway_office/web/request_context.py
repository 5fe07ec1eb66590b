"""What is known about one request of a person's browser. In: what the door found out about a call. Out: the person and
the rights, the agency, the language, the form, the query, and words in that language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.handling import Share
from gateway.domain.person import Role
from gateway.domain.wall_clock import local
from gateway.errors import Denied, GatewayError
from gateway.words import labels
from gateway_office.accounts.acting import Acting
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.session import CallOrigin, form_token
from gateway_office.web import answers, dates
from gateway_office.web.deps import WebDeps
from gateway_office.web.forms import SHORTEST_REASON, Form, Problems
from gateway_office.web.routes import Needs, PageRoute, guard_of

if TYPE_CHECKING:
    from gateway_office.services import OfficeIncomingServices, OfficeOutgoingServices, TodoServices

_NOTHING: Mapping[str, str] = MappingProxyType({})
PIECE = "X-Piece"
"""A request header for one region of a page; the answer has it too."""


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """`acting` and `agency` are None where the route admits strangers and the person is not signed in, or chose none.
    `token` is the browser's. `agencies` are those that the person may choose."""

    http: web.Request
    route: PageRoute
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

    def say_or(self, key: str, other: str, /, **params: object) -> str:
        """Return the words of a key that is made of other people's codes, or `other` where there are none."""
        return self.say(key, **params) if labels.has(key) else other

    def why(self, error: GatewayError) -> str:
        """Describe the error in a sentence beside a field."""
        return answers.failure_of(error, self.lang).title

    def problems_of(
        self, error: GatewayError, fields: Mapping[str, str] = _NOTHING, other: str = ""
    ) -> Problems:
        """Describe the error beside its fields: each broken rule at its own, any other error at the one that `fields` names
        by its code, else at `other`."""
        rules = answers.reasons_of(error, self.lang)
        return [(pointer.strip("/").partition("/")[0], text) for pointer, text in rules] or [
            (fields.get(error.code, other), self.why(error))
        ]

    def missing(self, field: str, words: str) -> tuple[str, str]:
        """Report an empty field; `words` is the key of the page's name for it."""
        return field, self.say("form.missing", field=self.say(words))

    def short_reason(self, field: str = "reason") -> Problems:
        """Report the form's reason where it is too short."""
        return (
            [] if len(self.form.text(field)) >= SHORTEST_REASON else [(field, self.say("form.reason.short"))]
        )

    @property
    def today(self) -> date:
        return local(self.deps.clock.now()).date()

    @property
    def person(self) -> Acting:
        """Return the acting person. Only for routes that no stranger may use."""
        if self.acting is None:
            raise Denied("sign in first", code="GW-SESSION")
        return self.acting

    @property
    def own_agency(self) -> HostedAgency:
        """Return the agency that the person works for. Only for routes of members."""
        if self.agency is None:
            raise Denied("choose the agency to work for first", code="GW-RIGHT")
        return self.agency

    def scope(self) -> AgencyScope:
        return AgencyScope(agency_id=self.own_agency.id, principal_id=self.person.person.id)

    @property
    def outgoing(self) -> tuple[OfficeOutgoingServices, AgencyScope]:
        """The use cases of the way out, and the scope: what each of them asks for first."""
        return self.deps.out, self.scope()

    @property
    def incoming(self) -> tuple[OfficeIncomingServices, AgencyScope]:
        """The same of the way in."""
        return self.deps.inn, self.scope()

    @property
    def filing(self) -> tuple[TodoServices, AgencyScope]:
        """The same of files of records."""
        return self.deps.todo, self.scope()

    @property
    def share(self) -> Share | None:
        """Return the share of the tasks that the person has; None for a person who sees all of the agency."""
        return None if self.may(Right.SEE_CONTENT, Manner.YES) else self.share_of(Right.PROGRESS)

    def share_of(self, right: Right) -> Share:
        """Return the extent of the person's right over the documents of own units."""
        return self.person.rights.share(right, self.own_agency.id, self.deps.clock.now())

    def may(self, right: Right, *manners: Manner) -> bool:
        """Tell whether the person has a right, for parts of a page; the flow behind a button checks again."""
        return self.acting is not None and self.acting.may(right, *manners)

    def meets(self, needs: Sequence[Needs]) -> bool:
        """Tell whether the person has one of these rights, and the role of deciders where it takes one."""
        return not needs or any(
            self.may(need.right, *need.manners) and (not need.trusts or self._decides) for need in needs
        )

    def can(self, name: str) -> bool:
        """Tell whether the person may open the page of that route: only then a link to it is drawn."""
        return self.meets(guard_of(name))

    @property
    def _decides(self) -> bool:
        return self.acting is not None and Role.TRUST in self.acting.person.roles

    @property
    def origin(self) -> CallOrigin:
        return CallOrigin(
            address=self.deps.entry.address(self.http), agent=self.http.headers.get("User-Agent", "")
        )

    @property
    def form_token(self) -> str:
        return form_token(self.token) if self.token else ""

    @property
    def is_piece(self) -> bool:
        """Tell whether a script asks for a region of the page alone; without scripts the page comes whole."""
        return self.http.headers.get(PIECE) == "1"

    @property
    def is_act(self) -> bool:
        """Tell whether a form was sent."""
        return self.http.method == "POST"

    def path(self, name: str) -> str:
        """Return the part of the address under that name."""
        return self.http.match_info[name]

    def ask(self, name: str, default: str = "") -> str:
        """Return the first value of the query under that name, trimmed."""
        return self.http.query.get(name, default).strip()

    def number(self, name: str, default: int, among: tuple[int, ...]) -> int:
        """Return a number of the query; the default when it is none of those."""
        text = self.ask(name)
        return int(text) if text.isascii() and text.isdigit() and int(text) in among else default

    def query_year(self) -> int:
        """Return the year of the query under `nam`; else this one."""
        text = self.ask("nam")
        return int(text) if text.isascii() and text.isdigit() and len(text) == 4 else self.today.year

    def query_days(self, *names: str) -> tuple[list[date | None], Problems]:
        """Return the days of the query under those names, None for a missing one; and the problems of unreadable ones,
        which must not pass for missing: the page would show too much."""
        days = [dates.typed_day(self.ask(name), self.today) for name in names]
        unreadable = [name for name, day in zip(names, days, strict=True) if day is None and self.ask(name)]
        return days, [(name, self.say("listing.day.unreadable")) for name in unreadable]

    @property
    def confirmation(self) -> str:
        """Return the sentence that confirms the last act, in words of our own."""
        return self.say_or(f"told.{self.ask('told')}", "")
