"""One call of a person's browser: who it is, in which language, what the form brought, the ways to answer, and what
stands around every page: the menu by rights, the agency, the light of the axis, the bell, what was just done. Made by
the door, handed to one handler, forgotten. The frame is cheap: one look at the database for the count of tasks,
everything else from memory. The bell tells what concerns the person's post, was not put off and is no act of the
person, the newest first; whoever sees no content is told nothing. Persons are told by their names; what is no person
is a program or the node itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.queues import InboxPacket
from gateway.domain.wall_clock import local
from gateway.errors import Denied, GatewayError, NotFound
from gateway.office.accounts.acting import Acting
from gateway.office.domain.notice import About, OwnDesk, Ring, RingKind
from gateway.office.domain.roles import Manner, Right
from gateway.office.domain.session import CallOrigin, form_token
from gateway.office.web import answers, dates
from gateway.office.web.deps import WebDeps
from gateway.office.web.forms import SHORTEST_REASON, Form, Problems
from gateway.office.web.routes import Needs, PageRoute
from gateway.words import labels

_NOTHING: Mapping[str, str] = MappingProxyType({})
DENSITY, COMPACT, COMFORTABLE = "gw_density", "compact", "comfortable"
PIECE = "X-Piece"
"""Asked with it, a page answers with a region alone, and says so by the same."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """`acting` and `agency` are None where the route lets strangers in and nobody is signed in, or none is chosen.
    `token` is what the browser holds. `posts` names the agencies that the person may choose."""

    request: web.Request
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
        """The words of a key that is made of other people's codes, or what stands for it where there are none."""
        return self.say(key, **params) if labels.has(key) else other

    def why(self, error: GatewayError) -> str:
        """What went wrong, as a sentence beside a field."""
        return answers.failure_of(error, self.lang).title

    def missing(self, field: str, words: str) -> tuple[str, str]:
        """That a field is empty; `words` is the key of what the page calls it."""
        return field, self.say("form.missing", field=self.say(words))

    def short_reason(self, field: str = "reason") -> Problems:
        """What stands against the reason that the form gives; nothing where it says enough."""
        return (
            [] if len(self.form.text(field)) >= SHORTEST_REASON else [(field, self.say("form.reason.short"))]
        )

    @property
    def today(self) -> date:
        return local(self.deps.clock.now()).date()

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

    @property
    def units(self) -> frozenset[str] | None:
        """Whose tasks the person has: those of the own units; None who sees all of the agency."""
        if self.may(Right.SEE_CONTENT, Manner.YES):
            return None
        grants = self.person.rights.grants(Right.PROGRESS, self.here.id, self.deps.clock.now(), Manner.OWN)
        return frozenset(each.unit for each in grants)

    def may(self, right: Right, *manners: Manner) -> bool:
        """For what a page shows or leaves out; the flow behind a button asks again."""
        return self.acting is not None and self.acting.may(right, *manners)

    @property
    def origin(self) -> CallOrigin:
        return CallOrigin(
            address=self.deps.entry.address(self.request), agent=self.request.headers.get("User-Agent", "")
        )

    @property
    def form_token(self) -> str:
        return form_token(self.token) if self.token else ""

    @property
    def is_piece(self) -> bool:
        """Whether a script asks for a region of the page alone; without scripts the page comes whole."""
        return self.request.headers.get(PIECE) == "1"

    @property
    def is_act(self) -> bool:
        """Whether a form was sent."""
        return self.request.method == "POST"

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

    def year_asked(self) -> int:
        """The year of the query under `nam`; else this one."""
        given = self.ask("nam")
        return int(given) if given.isascii() and given.isdigit() and len(given) == 4 else self.today.year

    def days_asked(self, *names: str) -> tuple[list[date | None], Problems]:
        """The days of the query under those names, None where none is said; and what stands against those that are no
        days. Who goes on as if nothing had been said shows more than was asked for."""
        days = [dates.typed_day(self.ask(name), self.today) for name in names]
        said = [name for name, day in zip(names, days, strict=True) if day is None and self.ask(name)]
        return days, [(name, self.say("listing.day.unreadable")) for name in said]

    async def page(self, template: str, status: int = 200, /, **values: object) -> web.Response:
        """The page whole, in its frame; for a script that shows it inside another page, what is in the frame alone. `title`
        is what its tab and heading say."""
        if self.is_piece:
            return self.piece(template, status, told=self.told, **values)
        return _render(self, template, status, **await frame_values(self), **values)

    async def form_page(
        self, template: str, problems: Problems | None = None, /, **values: object
    ) -> web.Response:
        """A page with a form, as it was typed and with what stands against it where it was not taken."""
        told = {"problems": problems or [], "given": self.form.flat(), **values}
        return await self.page(template, 422 if problems else 200, **told)

    async def question(
        self,
        problems: Problems | None,
        title: str,
        text: str,
        do: str,
        /,
        *,
        back: str,
        query: Mapping[str, str] = _NOTHING,
        hidden: Mapping[str, str] = _NOTHING,
        **values: object,
    ) -> web.Response:
        """The page that asks one question and carries out one act: one handler serves both, one template shows all of them.
        Its title, what will happen, and what stands on the button are keys of words, which take of `values` what they name;
        a button elsewhere may end in dots, as there is a page to come. `back` is where who does not do it goes, with
        `query`, which the form's address keeps too. `closed` is why it cannot be done now: the page then has no form;
        `more` are further sentences, a `grave` act has a red button. `part` is a template that shows, by `place`, what
        stands "above" the form, its "fields", and what "below"; `which` tells it what is asked. `look` is a class of the
        style sheet: the form as a `card`, or the narrow page of `enter`. What stands against a form is told once there is
        one."""
        usual = {"more": (), "closed": "", "part": "", "which": "", "look": "", "grave": False, "tabs": ()}
        return await self.form_page(
            "question.html",
            problems if self.is_act else None,
            title=self.say(title, **values).removesuffix("…"),
            text=self.say(text, **values) if text else "",
            do=self.say(do, **values).removesuffix("…"),
            hidden=hidden,
            action=where(self.request.path, **query),
            cancel=where(back, **query),
            **(usual | values),
        )

    def piece(self, template: str, status: int = 200, /, **values: object) -> web.Response:
        """One region of a page, for a script that swaps it."""
        answer = _render(self, template, status, **values)
        answer.headers[PIECE] = "1"
        return answer

    @property
    def told(self) -> str:
        """What was just done, in words of our own."""
        return self.say_or(f"told.{self.ask('told')}", "")

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


def _render(visit: Visit, template: str, status: int, /, **values: object) -> web.Response:
    text = (
        answers.templates()
        .get_template(template)
        .render(
            v=visit, say=visit.say, lang=visit.lang, nonce=visit.nonce, now=visit.deps.clock.now(), **values
        )
    )
    response = web.Response(status=status, text=text, content_type="text/html", charset="utf-8")
    response.headers.update(answers.page_headers(visit.nonce, visit.lang))
    return response


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """One entry of the menu: its key in the labels, its address, the letter after `g`, and who sees it."""

    key: str
    path: str
    letter: str = ""
    needs: tuple[Needs, ...] = ()
    of_agency: bool = True
    """Only where an agency is worked for, or by who has one of the rights of `beyond`."""
    beyond: tuple[Needs, ...] = ()


_SEES = (Needs(right=Right.SEE_CONTENT),)
_SEES_OR_OWN = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
_SEES_ALL = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES,)),)
OPERATES = (Needs(right=Right.NOTICES, manners=(Manner.YES,)),)
AUDITS = (Needs(right=Right.AUDIT),)
ADMINISTERS = (Needs(right=Right.ACCOUNTS, manners=(Manner.YES,)),)
# The books say what every document is about.
BOOKS = _SEES_ALL
MENU = (
    MenuEntry(key="dashboard", path="/tong-quan", letter="h", needs=_SEES, beyond=OPERATES),
    MenuEntry(key="outgoing", path="/van-ban-di", letter="o", needs=_SEES),
    MenuEntry(key="incoming", path="/van-ban-den", letter="i", needs=_SEES),
    MenuEntry(key="todo", path="/can-xu-ly", letter="t", needs=_SEES_OR_OWN),
    MenuEntry(key="books", path="/so-van-ban", letter="", needs=BOOKS),
    MenuEntry(key="agencies", path="/co-quan", letter="a", of_agency=False),
    MenuEntry(key="operations", path="/van-hanh", letter="v", needs=OPERATES, of_agency=False),
    MenuEntry(key="audit", path="/nhat-ky", letter="", needs=AUDITS, of_agency=False),
    MenuEntry(key="administration", path="/quan-tri", letter="", needs=ADMINISTERS, of_agency=False),
    MenuEntry(key="help", path="/tro-giup", letter="", of_agency=False),
)


async def frame_values(visit: Visit) -> Mapping[str, object]:
    """The values of the frame."""
    cookies = visit.request.cookies
    here = visit.agency.id if visit.agency is not None else ""
    other = "en" if visit.lang == "vi" else "vi"
    query = merged(dict(visit.request.query), told=None, lang=None)
    has_tasks = visit.agency is not None and visit.may(Right.SEE_CONTENT, Manner.YES, Manner.OWN)
    return {
        "menu": menu(visit),
        "light": visit.deps.light(),
        "told": visit.told,
        # This page's address in the other language.
        "other_lang": (other, where("/ngon-ngu", lang=other, next=where(visit.request.path, **query))),
        "is_narrow": cookies.get("gw_menu") == "small",
        "is_compact": cookies.get(DENSITY) == COMPACT,
        "has_keys": cookies.get("gw_keys") != "off",
        # The tasks of the agency, or of the own units, for the menu.
        "waiting": await visit.deps.bell.count(visit.scope(), visit.units) if has_tasks else 0,
        "bell": await bell_of(visit),
        "notice": await visit.deps.notices.current(visit.deps.clock.now(), here) if visit.acting else None,
    }


def menu(visit: Visit) -> tuple[MenuEntry, ...]:
    """What the person may open."""
    if visit.acting is None or visit.acting.duties:
        return ()
    return tuple(
        each
        for each in MENU
        if (visit.agency is not None or not each.of_agency or _may_one(visit, each.beyond))
        and (not each.needs or _may_one(visit, each.needs))
    )


def _may_one(visit: Visit, needs: tuple[Needs, ...]) -> bool:
    return any(visit.may(need.right, *need.manners) for need in needs)


BELL_PATH = "/thong-bao"
RINGS_IN_FRAME = 6
SUBJECT_PATHS: Mapping[About, str] = {
    About.INCOMING: "/van-ban-den/{id}",
    About.OUTGOING: "/van-ban-di/{id}",
    About.AGENCY: "/co-quan/{id}",
    About.PACKET: "/van-hanh/cach-ly/{id}",
}
_OWN_KINDS = (RingKind.GIVEN, RingKind.RECALL, RingKind.DUE, RingKind.RETURNED, RingKind.FAILED)
_ALL_KINDS = (
    *(RingKind.URGENT, RingKind.DUE, RingKind.RECALL),
    *(RingKind.RETURNED, RingKind.FAILED, RingKind.SILENT),
)
# What is the clerk's to do reaches others when they ask for it.
_MUTED_AT_FIRST = frozenset({RingKind.RETURNED, RingKind.FAILED, RingKind.RECALL, RingKind.SILENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRing:
    ring: Ring
    words: str
    path: str
    is_unread: bool

    @property
    def what(self) -> str:
        return " · ".join(filter(None, (self.ring.document, self.ring.party)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bell:
    """`rings` are all, `unread` counts those that were not read; `aloud` is the newest unread one to be heard."""

    rings: tuple[ShownRing, ...]
    kinds: tuple[RingKind, ...]
    muted: frozenset[RingKind]

    @property
    def unread(self) -> int:
        return sum(each.is_unread for each in self.rings)

    @property
    def aloud(self) -> ShownRing | None:
        return next((each for each in self.rings if each.is_unread and each.ring.is_express), None)


def bell_kinds(visit: Visit) -> tuple[RingKind, ...]:
    """Of what this person may be told here; nothing for who has no bell."""
    if visit.acting is None or visit.agency is None or visit.acting.duties:
        return ()
    if visit.may(Right.SEE_CONTENT, Manner.OWN):
        return _OWN_KINDS
    if not visit.may(Right.SEE_CONTENT, Manner.YES):
        return ()
    leads = (RingKind.APPROVAL,) if visit.may(Right.INSTRUCT, Manner.YES) else ()
    return (*leads, *_ALL_KINDS, *((RingKind.ASIDE,) if _takes(visit) else ()))


async def bell_of(visit: Visit, *, anew: bool = False) -> Bell | None:
    """What this person is told of here; None for who has no bell."""
    kinds = bell_kinds(visit)
    if not kinds:
        return None
    board, scope = visit.deps.rings, visit.scope()
    desk = await board.desk(scope, fresh=anew)
    if visit.may(Right.SEE_CONTENT, Manner.OWN):
        found = await board.of_unit(scope, visit.person.require(Right.SEE_CONTENT).unit)
    else:
        found = await board.of_agency(scope)
    muted = _muted_by(visit, desk)
    told = [
        ring
        for ring in found
        if ring.kind in kinds and ring.kind not in muted and ring.by != scope.principal_id
    ]
    return Bell(rings=_shown_rings(visit, desk, told), kinds=kinds, muted=muted)


def _muted_by(visit: Visit, desk: OwnDesk) -> frozenset[RingKind]:
    if desk.muted is not None:
        return desk.muted
    return frozenset() if _takes(visit) or visit.may(Right.SEE_CONTENT, Manner.OWN) else _MUTED_AT_FIRST


def bell_news(visit: Visit, bell: Bell) -> dict[str, object]:
    """What an open page is told: how many, and what is to be said aloud; which letter, and nothing of what it is about."""
    aloud = bell.aloud
    if aloud is None:
        return {"count": bell.unread}
    said = visit.say("bell.aloud", document=aloud.ring.document, party=aloud.ring.party)
    return {"count": bell.unread, "aloud": {"id": aloud.ring.id, "says": said, "path": aloud.path}}


async def bell_choice(visit: Visit) -> dict[RingKind, bool]:
    """Of each kind whether this person is told; empty for who has no bell."""
    kinds = bell_kinds(visit)
    if not kinds:
        return {}
    muted = _muted_by(visit, await visit.deps.rings.desk(visit.scope(), fresh=True))
    return {each: each not in muted for each in kinds}


def _takes(visit: Visit) -> bool:
    return visit.may(Right.TAKE_IN, Manner.YES)


def _shown_rings(visit: Visit, desk: OwnDesk, told: Sequence[Ring]) -> tuple[ShownRing, ...]:
    return tuple(
        ShownRing(
            ring=each,
            words=visit.say(each.says),
            path=SUBJECT_PATHS[each.about].format(id=each.subject_id),
            is_unread=desk.is_unread(each),
        )
        for each in told
    )


NODE_ITSELF = "node"


async def names_of(visit: Visit, principals: Iterable[str], other: str) -> Mapping[str, str]:
    """`other` begins the labels of what is no person: `{other}.node` and `{other}.program`."""
    found: dict[str, str] = {}
    async with visit.deps.accounts.accounts.read() as view:
        for each in sorted(set(principals)):
            try:
                found[each] = (await view.people.get(each)).name
            except NotFound:
                found[each] = visit.say(f"{other}.{'node' if each == NODE_ITSELF else 'program'}")
    return found


async def claimed_sender(visit: Visit, item: InboxPacket) -> str:
    """Return the name of the agency that a packet says it comes from, or its code where the registry has no name."""
    code = item.sender_code or item.transport_sender
    entry = await visit.deps.inn.directory.find(code, visit.today)
    return entry.name if entry is not None else code
