"""The registry as people read it: a list and a tree in the order of codes, search by any code or name an agency ever
had, one agency with its history, what a written code stands for, and the table of old codes. Reads only. The filters
over the list stand in the address; what cannot be read of them narrows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from aiohttp import web

from gateway.deciding import registry_changes
from gateway.domain.registry import DEFAULT_SCHEME, AgencyEntry, AgencyFilter, CodeStanding, Resolution
from gateway.errors import NotFound
from gateway.outgoing.check import form_of
from gateway.store.repository import Page
from gateway_office.domain.roles import Manner, Right
from gateway_office.node import exchange
from gateway_office.node.exchange import SIX_MONTHS, certificate_facts
from gateway_office.web import dates
from gateway_office.web.addresses import url_for
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.agencies import common, exchanged
from gateway_office.web.pages.agencies.common import get
from gateway_office.web.pages.agencies.headlines import names_of_codes
from gateway_office.web.pages.agencies.proposals import may_bind
from gateway_office.web.pages.agencies.seals import registered_seals


class AgencyTab(StrEnum):
    """Tabs of an agency's page, by the words of its address."""

    FACTS = "thong-tin"
    LEGACY = "ma-cu"
    CERTIFICATES = "chung-thu-so"
    HISTORY = "lich-su"


_LEVELS = ("1", "2", "3", "4")
_STANDINGS = {
    "dang-hoat-dong": "active",
    "sap-hieu-luc": "upcoming",
    "chua-co-ma": "pending",
    "da-giai-the": "ended",
}
_CERTIFICATES = {"30": 30, "60": 60, "90": 90}
_UNBOUND, _NO_ALIAS, _SILENT = "chua-xac-nhan", "khong", "khong-6-thang"
_LONGEST_ROOT = 300
Choices = list[tuple[str, list[tuple[str, str]]]]
_ROWS = 50
_OWN_ROWS = 12
_MOST_RESULTS = 100
_CHANGES = 50


def read_filters(request: PageRequest) -> dict[str, str]:
    """Return the filters of the list, by their names in the address."""
    names = ("cap", "goc", "trang-thai", "chung-thu-so", "ma-cu", "van-ban", "tu")
    parameters = {name: request.ask(name) for name in names}
    is_valid = {
        "cap": parameters["cap"] in _LEVELS,
        "goc": 0 < len(parameters["goc"]) <= _LONGEST_ROOT,
        "trang-thai": parameters["trang-thai"] in _STANDINGS,
        "chung-thu-so": parameters["chung-thu-so"] in (*_CERTIFICATES, _UNBOUND),
        "ma-cu": parameters["ma-cu"] == _NO_ALIAS,
        "van-ban": parameters["van-ban"] == _SILENT and whose_mail(request) is not None,
        "tu": dates.typed_day(parameters["tu"], request.deps.out.today()) is not None,
    }
    return {name: parameters[name] for name, valid in is_valid.items() if valid}


def wanted_filter(request: PageRequest) -> AgencyFilter:
    filters = read_filters(request)
    return AgencyFilter(
        text=request.ask("q"),
        level=int(filters["cap"]) if "cap" in filters else None,
        standing=_STANDINGS.get(filters.get("trang-thai", ""), ""),
        certificate_days=_CERTIFICATES.get(filters.get("chung-thu-so", "")),
        is_unbound=filters.get("chung-thu-so") == _UNBOUND,
        has_no_alias="ma-cu" in filters,
        changed_since=dates.typed_day(filters.get("tu", ""), request.deps.out.today()),
    )


def whose_mail(request: PageRequest) -> str | None:
    """Return the agency whose mail the visitor may see: the chosen one; the empty id, for all, for keepers of the node who
    chose none; None for others."""
    if request.agency is not None:
        return request.agency.id
    person = request.person
    return "" if person.rights.is_of_node(person.at) else None


def filter_choices(request: PageRequest) -> Choices:
    """List each choice of the form with its words; the first of them narrows nothing."""
    no_filter = ("", request.say("agencies.filter.all"))
    days = {key: request.say("agencies.filter.days", count=days) for key, days in _CERTIFICATES.items()}
    choices: dict[str, dict[str, str]] = {
        "cap": {level: request.say("agencies.filter.level", n=level) for level in _LEVELS},
        "trang-thai": {key: request.say(f"agencies.standing.{word}") for key, word in _STANDINGS.items()},
        "chung-thu-so": {**days, _UNBOUND: request.say("agencies.filter.unbound")},
        "ma-cu": {_NO_ALIAS: request.say("agencies.filter.no_alias")},
    }
    if whose_mail(request) is not None:
        choices["van-ban"] = {_SILENT: request.say("agencies.filter.silent")}
    return [(name, [no_filter, *words.items()]) for name, words in choices.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAgency:
    """Agency in the list. `standing` is active, upcoming, pending or ended; `days` are left of its certificate."""

    entry: AgencyEntry
    path: str
    standing: str
    days: int | None = None
    is_bound: bool = False

    @property
    def is_connected(self) -> bool:
        """Tell whether a letter to it could be sent: it is in force, and a certificate is confirmed."""
        return self.standing == "active" and self.is_bound


async def list_agencies(request: PageRequest) -> web.StreamResponse:
    text, parent_code = request.ask("q"), request.ask("thuoc").upper()
    registry = request.deps.registry
    filters = read_filters(request)
    next_cursor = ""
    root, fault = await common.known_code(request, filters["goc"]) if "goc" in filters else ("", "")
    if parent_code:
        entries = await registry.children(parent_code)
    elif text and not filters:
        entries = await registry.search(text, _MOST_RESULTS)
    else:
        page = await _filtered_page(request, root)
        entries, next_cursor = page.items, page.next_cursor or ""
    parameters = {"q": text, **filters} if text else filters
    is_whole = not (text or filters or parent_code or request.ask("sau"))
    own_entries, own_root = await _own_province(request) if is_whole else ([], "")
    own_codes = {entry.code for entry in own_entries}
    entries = [*own_entries, *(entry for entry in entries if entry.code not in own_codes)]
    rows = await _rows(request, entries)
    return await request.page(
        "agencies/list.html",
        title=request.say("menu.agencies"),
        own_rows=rows[: len(own_entries)],
        own_path=url_for("/co-quan", goc=own_root),
        rows=rows[len(own_entries) :],
        parents=await _parent_names(request, entries),
        heard=await _last_seen(request, entries),
        changed=await registry.last_changed([entry.code for entry in entries]),
        text=text,
        asked=filters,
        problems=[("goc", fault)] if fault else [],
        choices=filter_choices(request),
        above=await registry.entry(parent_code) if parent_code else None,
        following=url_for("/co-quan", **parameters, sau=next_cursor) if next_cursor else "",
        first=url_for("/co-quan", **parameters),
        is_first=not request.ask("sau"),
    )


async def _own_province(request: PageRequest) -> tuple[list[AgencyEntry], str]:
    """List the first agencies of the province, or ministry, of the chosen agency, and its code; none without an agency."""
    if request.agency is None:
        return [], ""
    root = request.agency.code.split(".")[0]
    page = await request.deps.registry.filtered(AgencyFilter(root=root, standing="active"), _OWN_ROWS, None)
    return list(page.items), root


async def _parent_names(request: PageRequest, entries: Sequence[AgencyEntry]) -> dict[str, str]:
    """Return the names of the agencies above these, by code."""
    names = {entry.code: entry.name for entry in entries}
    parents = {entry.parent for entry in entries if entry.parent}
    return names | await names_of_codes(request, parents - names.keys())


async def _filtered_page(request: PageRequest, root: str) -> Page[AgencyEntry]:
    agency_filter, cursor = (
        replace(wanted_filter(request), root=root.strip().upper()),
        request.ask("sau") or None,
    )
    # The filter keeps agencies without recent mail.
    if "van-ban" in read_filters(request):
        return await exchange.list_silent(
            request.deps, agency_filter, _ROWS, cursor, whose_mail(request) or ""
        )
    return await request.deps.registry.filtered(agency_filter, _ROWS, cursor)


async def _last_seen(request: PageRequest, entries: Sequence[AgencyEntry]) -> Mapping[str, datetime]:
    agency_id = whose_mail(request)
    return {} if agency_id is None else await exchange.last_seen(request.deps, entries, agency_id)


async def tree(request: PageRequest) -> web.StreamResponse:
    """Show one branch: the agencies under a code; at the top those of the first level."""
    parent_code = request.ask("thuoc").upper()
    entries = await (request.deps.registry.children(parent_code) if parent_code else _top_level(request))
    rows, heard_by_code = await _rows(request, entries), await _last_seen(request, entries)
    return await request.page(
        "agencies/tree.html",
        title=request.say("agencies.tree"),
        rows=rows,
        lights=_lights(request, rows, heard_by_code),
        path=await _path_to(request, parent_code),
        above=parent_code,
    )


def _lights(
    request: PageRequest, rows: Sequence[ShownAgency], heard_by_code: Mapping[str, datetime]
) -> dict[str, str]:
    """Map codes to lights, where the visitor may see the mail; the own agency needs none."""
    if whose_mail(request) is None:
        return {}
    own, now = request.agency.code if request.agency is not None else "", request.deps.clock.now()
    return {row.entry.code: light_of(row, heard_by_code, now) for row in rows if row.entry.code != own}


def light_of(row: ShownAgency, heard_by_code: Mapping[str, datetime], now: datetime) -> str:
    """Return whether mail reaches the agency: `reachable` where it was heard in half a year, `silent` where not,
    `no_certificate` where nothing of it could be believed; empty for an agency that is not in force."""
    if row.standing != "active":
        return ""
    if not row.is_bound:
        return "no_certificate"
    heard_at = heard_by_code.get(row.entry.code)
    return "reachable" if heard_at is not None and now - heard_at <= SIX_MONTHS else "silent"


async def look_up(request: PageRequest) -> web.StreamResponse:
    """Show the agency that a written code, old or new, or a name stands for on a day."""
    text = request.ask("ma")
    today = request.deps.out.today()
    on = dates.typed_day(request.ask("ngay"), today) or today
    code = await common.in_brackets(request, text)
    resolution = await request.deps.registry.resolve(code, on) if text else None
    is_open = resolution is not None and resolution.entry is None
    return await request.page(
        "agencies/lookup.html",
        title=request.say("agencies.lookup"),
        text=text,
        on=on,
        found=resolution,
        offers=await common.offers(request, text) if is_open else (),
        sentence=await _sentence(request, resolution) if resolution is not None else "",
    )


async def list_old_codes(request: PageRequest) -> web.StreamResponse:
    lines = await request.deps.registry.legacy()
    codes = [code for line in lines for code in (line.code, line.heir) if code]
    names = dict.fromkeys(codes, "") | await names_of_codes(request, codes)
    return await request.page(
        "agencies/legacy.html", title=request.say("agencies.legacy"), lines=lines, names=names
    )


async def show_agency(request: PageRequest) -> web.StreamResponse:
    code = request.path("code").upper()
    registry = request.deps.registry
    today = request.deps.out.today()
    entry = await registry.entry(code)
    if entry is None:
        raise NotFound(f"the registry has no agency {code[:60]}")
    tab = AgencyTab(request.ask("muc")) if request.ask("muc") in {*AgencyTab} else AgencyTab.FACTS
    on = dates.typed_day(request.ask("ngay"), today)
    believed_on = dates.typed_day(request.ask("biet"), today)
    earlier_entry = (
        await registry.belief(code, on or today, dates.midnight((believed_on or today) + timedelta(days=1)))
        if (on or believed_on)
        else None
    )
    row = (await _rows(request, [entry]))[0]
    heard_at = (await _last_seen(request, [entry])).get(entry.code)
    is_first = tab is AgencyTab.FACTS
    return await request.page(
        "agencies/one.html",
        title=entry.name,
        row=row,
        lights=exchanged.lights_of(
            is_bound=row.is_bound,
            days=row.days,
            heard_at=heard_at,
            now=request.deps.clock.now(),
            sees_mail=whose_mail(request) is not None,
        )
        if row.standing == "active"
        else (),
        letters=await exchanged.last_letters(request, entry.code) if is_first else (),
        tags_of={},
        may_write=row.is_connected and exchanged.may_write(request, entry.code),
        may_take=request.may(Right.TAKE_IN, Manner.YES),
        may_issue=request.may(Right.ISSUE, Manner.YES),
        marked=lambda text: [(text, False)],
        tab=tab,
        tabs=tuple(AgencyTab),
        above=await registry.entry(entry.parent) if entry.parent else None,
        below=await registry.children(code) if is_first else (),
        successor=await registry.entry(entry.successor) if entry.successor else None,
        legacy=await registry.legacy(code) if tab is AgencyTab.LEGACY else (),
        certificates=await _certificates(request, code) if tab is AgencyTab.CERTIFICATES else (),
        seals=await registered_seals(request, code) if tab is AgencyTab.CERTIFICATES else None,
        changes=await registry_changes.list_reforms(request.deps.deciding, _CHANGES, code)
        if tab is AgencyTab.HISTORY
        else (),
        asked={"ngay": request.ask("ngay"), "biet": request.ask("biet")},
        has_asked=bool(on or believed_on),
        then=earlier_entry,
        today=today,
        # The form by the route of the chosen agency's mail, or of any agency's.
        form=await form_of(request.deps.out.axis, request.agency.code if request.agency else "", entry.code),
        may_bind=may_bind(request, entry.code),
        may_examine=request.may(Right.NOTICES, Manner.YES),
        may_trust=request.can("seal_end_page"),
        sees_mail=request.agency is not None and request.may(Right.SEE_CONTENT),
    )


async def _certificates(request: PageRequest, code: str) -> list[common.TemplateValues]:
    """List the certificates that spoke, speak or will speak for the code."""
    now = request.deps.clock.now()
    origins = {origin.fingerprint: origin for origin in await request.deps.registry.origins([code])}
    people = {p for origin in origins.values() for p in (origin.proposed_by, origin.approved_by)}
    names = await common.names_of_people(request, people)
    certificates: list[common.TemplateValues] = []
    for binding in await request.deps.registry.bindings(code):
        facts = certificate_facts(binding.certificate_der)
        standing = "present"
        if binding.valid_to is not None and binding.valid_to <= now:
            standing = "ended"
        elif binding.valid_from is not None and binding.valid_from > now:
            standing = "next"
        ends = min((at for at in (binding.valid_to, facts.ends) if at is not None), default=None)
        days = (ends - now).days if ends is not None and standing != "ended" else None
        since, end, origin = binding.valid_from, binding.valid_to, origins.get(facts.fingerprint)
        certificates.append(
            {
                "facts": facts,
                "since": since,
                "until": end,
                "standing": standing,
                "days": days,
                "origin": origin and common.origin_text(request, origin, names),
                "bound_at": origin and origin.since,
            }
        )
    return certificates


async def _rows(request: PageRequest, entries: Sequence[AgencyEntry]) -> list[ShownAgency]:
    now, today = request.deps.clock.now(), request.deps.out.today()
    endings = {c.code: c.ends_at for c in await request.deps.todo.certificates(now)}
    return [
        ShownAgency(
            entry=entry,
            path=url_for(f"/co-quan/{entry.code}"),
            standing=_standing(entry, today),
            days=(endings[entry.code] - now).days if entry.code in endings else None,
            is_bound=entry.code in endings,
        )
        for entry in entries
    ]


def _standing(entry: AgencyEntry, today: date) -> str:
    if entry.valid_to is not None and entry.valid_to < today:
        return "ended"
    if entry.has_no_code:
        return "pending"
    return "upcoming" if entry.valid_from is not None and entry.valid_from > today else "active"


async def _top_level(request: PageRequest) -> list[AgencyEntry]:
    """List the agencies of the first level; their codes have no dot. Codes of other schemes are none of the tree's."""
    top_entries: list[AgencyEntry] = []
    of_state = AgencyFilter(scheme=DEFAULT_SCHEME)
    cursor: str | None = None
    while True:
        page = await request.deps.registry.filtered(of_state, _ROWS, cursor)
        top_entries += [entry for entry in page.items if entry.parent is None]
        if page.next_cursor is None or len(top_entries) >= _MOST_RESULTS:
            return top_entries
        # Everything below a code of the first level sorts right behind it: the next of that level is asked for.
        last_root = page.items[-1].code.split(".")[0]
        cursor = max(page.next_cursor, f"{last_root}/")


async def _path_to(request: PageRequest, code: str) -> list[AgencyEntry]:
    """List the agencies from the top down to this one."""
    path: list[AgencyEntry] = []
    visited: set[str] = set()
    while code and code not in visited:
        visited.add(code)
        entry = await request.deps.registry.entry(code)
        if entry is None:
            break
        path.insert(0, entry)
        code = entry.parent or ""
    return path


async def _sentence(request: PageRequest, resolution: Resolution) -> str:
    """Say what the code stands for, in the words of the contract."""
    entry = resolution.entry
    match resolution.standing:
        case CodeStanding.ACTIVE | CodeStanding.MAPPED if entry is not None:
            key = "agencies.is" if resolution.standing is CodeStanding.ACTIVE else "agencies.is_old"
            return request.say(key, given=resolution.query, code=entry.code, name=entry.name)
        case CodeStanding.CLOSED if entry is not None:
            heir = await request.deps.registry.entry(resolution.successor) if resolution.successor else None
            how = request.say(
                f"agencies.ended.{resolution.ending.kind}" if resolution.ending else "agencies.ended"
            )
            return request.say(
                "agencies.closed" if heir else "agencies.closed_alone",
                name=entry.name,
                how=how,
                date=dates.day_text(entry.valid_to),
                heir=f"{heir.name} ({heir.code})" if heir else "",
            )
        case CodeStanding.UNCERTAIN if entry is not None:
            key = "agencies.without_code" if entry.has_no_code else "agencies.uncertain"
            return request.say(key, name=entry.name, code=entry.code)
    return common.unknown(request, resolution.query, resolution.nearest)


ROUTES = (
    get("/co-quan", "agencies", list_agencies),
    get("/co-quan/cay", "agencies_tree", tree),
    get("/co-quan/tra-cuu", "agency_lookup", look_up),
    get("/co-quan/ma-cu", "agency_legacy", list_old_codes),
    get("/co-quan/{code}", "agency", show_agency),
)
