"""One call of a person's browser: the person, the language, the form, the ways to answer, and the frame of every page: the
menu by rights, the agency, the light of the axis, the bell, the confirmation of the last act. Made by the door, handed to
one handler, forgotten. The frame is cheap: one query for the count of tasks, everything else from memory. The bell shows
news that concern the person's post, are not muted and are no act of the person, the newest first; people who see no content
get none. People are shown by their names; other principals are a program or the node itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.handling import Share
from gateway.domain.person import Role
from gateway.domain.queues import InboxPacket
from gateway.domain.wall_clock import local
from gateway.errors import Denied, GatewayError, NotFound
from gateway.words import labels
from gateway_office.accounts.acting import Acting
from gateway_office.domain.notice import NotificationSettings, Ring, RingKind, SubjectKind
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.session import CallOrigin, form_token
from gateway_office.web import answers, dates, duty_table
from gateway_office.web.deps import WebDeps
from gateway_office.web.forms import SHORTEST_REASON, Form, Problems
from gateway_office.web.routes import Handler, Needs, PageRoute, guard_of

if TYPE_CHECKING:
    from gateway_office.services import OfficeIncomingServices, OfficeOutgoingServices

_NOTHING: Mapping[str, str] = MappingProxyType({})
DENSITY, COMPACT, COMFORTABLE = "gw_density", "compact", "comfortable"
PIECE = "X-Piece"
"""A request header for one region of a page; the answer has it too."""


@dataclass(frozen=True, kw_only=True)
class PageRequest:
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

    async def page(self, template: str, status: int = 200, /, **values: object) -> web.Response:
        """Answer with the whole page, in its frame; for a script that shows it inside another page, without the frame.
        `title` is for its tab and heading."""
        if self.is_piece:
            return self.piece(template, status, told=self.confirmation, **values)
        return _render(self, template, status, **await frame_values(self), **values)

    async def form_page(
        self, template: str, problems: Problems | None = None, /, **values: object
    ) -> web.Response:
        """Answer with a page that has a form, as it was typed and with the problems for which it was refused."""
        page_values = {"problems": problems or [], "given": self.form.flat(), **values}
        return await self.page(template, 422 if problems else 200, **page_values)

    async def question(
        self,
        problems: Problems | None,
        /,
        *words: str,
        back: str,
        query: Mapping[str, str] = _NOTHING,
        hidden: Mapping[str, str] = _NOTHING,
        **values: object,
    ) -> web.Response:
        """Answer with a page that asks one question and carries out one act: one handler serves both, one template shows
        all. Its title, its text and the button's words are keys of labels, with parameters from `values`: these three, or
        the one from which they follow. The words of a button elsewhere may end in dots, as there is a page to come. `back`
        is the address for a person who does not act, with `query`, which the form's address keeps too. `closed` is why it
        cannot be done now: the page then has no form; `more` are further sentences, `about` names what it is about, a
        `grave` act has a red button. `part` is a template that shows, by `place`, the content "above" the form, its
        "fields", and the content "below"; `which` tells it the question. `look` is a class of the style sheet: the form as
        a `card`, or the narrow page of `enter`. `has_file`: the form brings a file.
        Problems are shown once there is a form."""
        title, text, do = words if len(words) == 3 else _words_of_question(*words)
        usual = {
            "more": (),
            "closed": "",
            "part": "",
            "which": "",
            "about": (),
            "look": "",
            "grave": False,
            "tabs": (),
            "has_file": False,
        }
        return await self.form_page(
            "question.html",
            problems if self.is_act else None,
            title=self.say(title, **values).removesuffix("…"),
            text=self.say(text, **values) if text else "",
            do=self.say(do, **values).removesuffix("…"),
            hidden=hidden,
            action=url_for(self.http.path, **query),
            cancel=url_for(back, **query),
            **(usual | values),
        )

    def piece(self, template: str, status: int = 200, /, **values: object) -> web.Response:
        """Answer with one region of a page, for a script that swaps it."""
        answer = _render(self, template, status, **values)
        answer.headers[PIECE] = "1"
        return answer

    async def send_scratch_file(self, file: BinaryIO, name: str, found_type: str) -> web.StreamResponse:
        """Answer with a file that was made in a scratch file, from its beginning."""
        content = await answers.file_content(self.deps.pool, file, name, found_type)
        return await answers.give_file(self.http, content)

    @property
    def confirmation(self) -> str:
        """Return the sentence that confirms the last act, in words of our own."""
        return self.say_or(f"told.{self.ask('told')}", "")

    def go(self, path: str, /, **query: str) -> web.Response:
        """Redirect (see other): after an act the page is requested anew, so that a reload acts on nothing."""
        return web.Response(status=303, headers={"Location": url_for(path, **query)})

    def go_back(self, address: str) -> web.Response:
        """Redirect to an address that came from outside, if it is one of this node; else to the beginning."""
        return web.Response(status=303, headers={"Location": inside(address)})

    def confirm(self, path: str, key: str, /, **query: str) -> web.Response:
        """Redirect as `go`, to a page that confirms the act: `key` is of the labels, `told.{key}`. Its words are not taken
        from the address, so that no other words can be put there."""
        if not labels.has(f"told.{key}"):
            raise NotFound(f"there are no words told.{key}")
        return self.go(path, **query, told=key)


def faults_on(
    page: Callable[..., Awaitable[web.StreamResponse]],
    *errors: type[GatewayError],
    fields: Mapping[str, str] = _NOTHING,
    other: str = "",
) -> Callable[[Handler], Handler]:
    """Let these errors of an act stand on the page that has its form, beside its fields as in `problems_of`; the page is
    also shown where no form was sent."""

    def decorate(act: Handler) -> Handler:
        async def answer(request: PageRequest) -> web.StreamResponse:
            if not request.is_act:
                return await page(request)
            try:
                return await act(request)
            except errors as error:
                return await page(request, request.problems_of(error, fields, other))

        return answer

    return decorate


def _words_of_question(key: str) -> tuple[str, str, str]:
    """Return the keys of a question's title, text and button: those below `key`, else the key itself, else no text."""
    texts = (f"{key}.{part}" for part in ("means", "will", "says"))
    title, button = (f"{key}.{part}" if labels.has(f"{key}.{part}") else key for part in ("title", "do"))
    return title, next(filter(labels.has, texts), ""), button


def _render(request: PageRequest, template: str, status: int, /, **values: object) -> web.Response:
    text = (
        answers.templates()
        .get_template(template)
        .render(
            v=request,
            say=request.say,
            lang=request.lang,
            nonce=request.nonce,
            now=request.deps.clock.now(),
            **values,
        )
    )
    response = web.Response(status=status, text=text, content_type="text/html", charset="utf-8")
    response.headers.update(answers.page_headers(request.nonce, request.lang))
    return response


def inside(address: str) -> str:
    """Return the address if it is one of this node alone, else the beginning."""
    parts = urlsplit(address)
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith("/") and "\\" not in address
    safe = is_ours and not address.startswith("//") and address.isprintable() and address.isascii()
    return address if safe else "/"


def url_for(path: str, /, **query: str) -> str:
    """Make an address of this node alone: whatever the parts are, it leads nowhere else."""
    safe = "/" + quote(path.lstrip("/\\"), safe="/~.,;=:@-_")
    return f"{safe}?{urlencode(query)}" if query else safe


def merged(query: Mapping[str, str], **other: str | None) -> dict[str, str]:
    """Return a query with some values in place of others; None takes one out."""
    full = {**query, **{name: value for name, value in other.items() if value is not None}}
    return {name: value for name, value in full.items() if value != "" and other.get(name, "") is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """One entry of the menu: its key in the labels, its address, the letter after `g`, and who sees it."""

    key: str
    path: str
    letter: str = ""
    needs: tuple[Needs, ...] = ()
    of_agency: bool = True
    """Shown only where the person works for an agency, or has one of the rights of `beyond`."""
    beyond: tuple[Needs, ...] = ()


_SEES = (Needs(right=Right.SEE_CONTENT),)
_SEES_OR_OWN = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
_SEES_ALL = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES,)),)
OPERATES = (Needs(right=Right.NOTICES, manners=(Manner.YES,)),)
AUDITS = (Needs(right=Right.AUDIT),)
ADMINISTERS = (Needs(right=Right.ACCOUNTS, manners=(Manner.YES,)),)
REPORT_READERS = (
    Needs(right=Right.REPORTS, manners=(Manner.YES, Manner.OWN, Manner.TOTALS, Manner.ACCOUNTS)),
)
# The books say what every document is about.
BOOKS = _SEES_ALL
MENU = (
    MenuEntry(key="dashboard", path="/tong-quan", letter="h", needs=(*_SEES, *ADMINISTERS), beyond=OPERATES),
    MenuEntry(key="outgoing", path="/van-ban-di", letter="o", needs=_SEES),
    MenuEntry(key="incoming", path="/van-ban-den", letter="i", needs=_SEES),
    MenuEntry(key="todo", path="/can-xu-ly", letter="t", needs=_SEES_OR_OWN),
    MenuEntry(key="books", path="/so-van-ban", letter="", needs=BOOKS),
    MenuEntry(key="reports", path="/bao-cao", needs=REPORT_READERS, beyond=REPORT_READERS),
    MenuEntry(key="agencies", path="/co-quan", letter="a", of_agency=False),
    MenuEntry(key="operations", path="/van-hanh", letter="v", needs=OPERATES, of_agency=False),
    MenuEntry(key="audit", path="/nhat-ky", letter="", needs=AUDITS, of_agency=False),
    MenuEntry(key="administration", path="/quan-tri", letter="", needs=ADMINISTERS, of_agency=False),
    MenuEntry(key="help", path="/tro-giup", letter="", of_agency=False),
)


async def frame_values(request: PageRequest) -> Mapping[str, object]:
    """Make the values of the frame."""
    cookies = request.http.cookies
    id = request.agency.id if request.agency is not None else ""
    other = "en" if request.lang == "vi" else "vi"
    query = merged(dict(request.http.query), told=None, lang=None)
    duties = await duty_table.of_person(request)
    return {
        "menu": menu(request),
        "light": request.deps.light(),
        "told": request.confirmation,
        # This page's address in the other language.
        "other_lang": (other, url_for("/ngon-ngu", lang=other, next=url_for(request.http.path, **query))),
        "is_narrow": cookies.get("gw_menu") == "small",
        "is_compact": cookies.get(DENSITY) == COMPACT,
        "has_keys": cookies.get("gw_keys") != "off",
        # For the badges of the menu, and the bell.
        "frame_duties": duties,
        "bell": await bell_of(request),
        "notice": await request.deps.notices.current(request.deps.clock.now(), id)
        if request.acting
        else None,
    }


def menu(request: PageRequest) -> tuple[MenuEntry, ...]:
    """List the entries that the person may open."""
    if request.acting is None or request.acting.duties:
        return ()
    return tuple(
        entry
        for entry in MENU
        if (
            request.agency is not None
            or not entry.of_agency
            or (entry.beyond and request.meets(entry.beyond))
        )
        and request.meets(entry.needs)
    )


BELL_PATH = "/thong-bao"
RINGS_IN_FRAME = 6
SUBJECT_PATHS: Mapping[SubjectKind, str] = {
    SubjectKind.INCOMING: "/van-ban-den/{id}",
    SubjectKind.OUTGOING: "/van-ban-di/{id}",
    SubjectKind.AGENCY: "/co-quan/{id}",
    SubjectKind.PACKET: "/van-hanh/cach-ly/{id}",
}
_OWN_KINDS = (
    *(RingKind.ASSIGNED, RingKind.COMMENT, RingKind.RECALL),
    *(RingKind.DUE, RingKind.RETURNED, RingKind.FAILED),
)
_ALL_KINDS = (
    *(RingKind.URGENT, RingKind.DUE, RingKind.RECALL),
    *(RingKind.RETURNED, RingKind.FAILED, RingKind.SILENT, RingKind.COMMENT),
)
# News about the clerk's tasks reach others when they turn them on.
_MUTED_AT_FIRST = frozenset({RingKind.RETURNED, RingKind.FAILED, RingKind.RECALL, RingKind.SILENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRing:
    ring: Ring
    words: str
    path: str
    is_unread: bool

    @property
    def title(self) -> str:
        """Return what it is about, else what has happened."""
        return self.ring.title or self.words

    @property
    def subject(self) -> str:
        words = self.words if self.ring.title else ""
        return " · ".join(filter(None, (words, self.ring.document, self.ring.party)))


@dataclass(frozen=True, slots=True, kw_only=True)
class BellMenu:
    """`rings` are all, `unread` counts those that were not read; `aloud` is the newest unread one to be heard."""

    rings: tuple[ShownRing, ...]
    kinds: tuple[RingKind, ...]
    muted: frozenset[RingKind]

    @property
    def unread(self) -> int:
        return sum(ring.is_unread for ring in self.rings)

    @property
    def aloud(self) -> ShownRing | None:
        return next((r for r in self.rings if r.is_unread and r.ring.is_express), None)


def bell_kinds(request: PageRequest) -> tuple[RingKind, ...]:
    """List the kinds of news that this person may get here; none for a person without a bell."""
    if request.acting is None or request.agency is None or request.acting.duties:
        return ()
    if request.may(Right.SEE_CONTENT, Manner.OWN):
        return _OWN_KINDS
    if not request.may(Right.SEE_CONTENT, Manner.YES):
        return ()
    leads = (RingKind.APPROVAL,) if request.may(Right.INSTRUCT, Manner.YES) else ()
    return (*leads, *_ALL_KINDS, *((RingKind.SET_ASIDE,) if _takes(request) else ()))


async def bell_of(request: PageRequest, *, fresh: bool = False) -> BellMenu | None:
    """Make this person's bell; None for a person who has none. With `fresh` the settings are read from the database."""
    kinds = bell_kinds(request)
    if not kinds:
        return None
    board, scope = request.deps.rings, request.scope()
    services = await board.services(scope, fresh=fresh)
    if request.may(Right.SEE_CONTENT, Manner.OWN):
        share = request.share_of(Right.SEE_CONTENT)
        all_rings = [*await board.of_share(scope, share), *await board.of_comments(scope, share)]
    else:
        all_rings = [*await board.of_agency(scope), *await board.of_comments(scope, None)]
    muted = _muted_by(request, services)
    rings = [
        ring
        for ring in all_rings
        if ring.kind in kinds and ring.kind not in muted and ring.by != scope.principal_id
    ]
    return BellMenu(rings=_shown_rings(request, services, rings), kinds=kinds, muted=muted)


def _muted_by(request: PageRequest, settings: NotificationSettings) -> frozenset[RingKind]:
    if settings.muted is not None:
        return settings.muted
    return frozenset() if _takes(request) or request.may(Right.SEE_CONTENT, Manner.OWN) else _MUTED_AT_FIRST


def bell_news(request: PageRequest, bell: BellMenu) -> dict[str, object]:
    """Make the news for an open page: how many, and a sentence to say aloud; which letter, and nothing of its subject."""
    aloud = bell.aloud
    if aloud is None:
        return {"count": bell.unread}
    sentence = request.say("bell.aloud", document=aloud.ring.document, party=aloud.ring.party)
    return {"count": bell.unread, "aloud": {"id": aloud.ring.id, "says": sentence, "path": aloud.path}}


async def bell_choice(request: PageRequest) -> dict[RingKind, bool]:
    """Return for each kind whether this person gets it; empty for a person without a bell."""
    kinds = bell_kinds(request)
    if not kinds:
        return {}
    muted = _muted_by(request, await request.deps.rings.services(request.scope(), fresh=True))
    return {kind: kind not in muted for kind in kinds}


def _takes(request: PageRequest) -> bool:
    return request.may(Right.TAKE_IN, Manner.YES)


def _shown_rings(
    request: PageRequest, settings: NotificationSettings, rings: Sequence[Ring]
) -> tuple[ShownRing, ...]:
    return tuple(
        ShownRing(
            ring=ring,
            words=request.say(ring.says),
            path=SUBJECT_PATHS[ring.subject_kind].format(id=ring.subject_id),
            is_unread=settings.is_unread(ring),
        )
        for ring in rings
    )


NODE_ITSELF = "node"


async def names_of(request: PageRequest, principals: Iterable[str], other: str) -> Mapping[str, str]:
    """Return names; `other` begins the labels of principals that are no persons: `{other}.node` and `{other}.program`."""
    names: dict[str, str] = {}
    async with request.deps.accounts.accounts.read() as view:
        for principal in sorted(set(principals)):
            try:
                names[principal] = (await view.people.get(principal)).name
            except NotFound:
                names[principal] = request.say(f"{other}.{'node' if principal == NODE_ITSELF else 'program'}")
    return names


async def agency_names(request: PageRequest, codes: Iterable[str]) -> dict[str, str]:
    """Return the names that the registry has today, by code; a code without an entry is left out."""
    directory, today = request.deps.inn.directory, request.today
    entries = {code: await directory.find(code, today) for code in sorted(set(codes) - {""})}
    return {code: entry.name for code, entry in entries.items() if entry is not None}


async def claimed_sender(request: PageRequest, item: InboxPacket) -> str:
    """Return the name of the agency that a packet says it comes from, or its code where the registry has no name."""
    code = item.sender_code or item.transport_sender
    entry = await request.deps.inn.directory.find(code, request.today)
    return entry.name if entry is not None else code
