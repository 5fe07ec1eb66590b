"""The registry as people read it: a list and a tree in the order of codes, search by any code or name an agency ever
had, one agency with its history, what a written code stands for, and the table of old codes. Reads only. The filters
over the list stand in the address; what cannot be read of them narrows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from aiohttp import web

from gateway.deciding import registry_changes
from gateway.domain.registry import AgencyEntry, AgencyFilter, CodeStanding, Resolution
from gateway.errors import NotFound
from gateway.office.domain.roles import Manner, Right
from gateway.office.node.exchange import SIX_MONTHS, certificate_facts
from gateway.office.web import dates
from gateway.office.web.pages.agencies import ground
from gateway.office.web.routes import Access, get
from gateway.office.web.visits import Visit, url_for
from gateway.outgoing.check import form_of
from gateway.store.repository import Page

_LEVELS = ("1", "2", "3", "4")
_STANDINGS = {"dang-hoat-dong": "active", "sap-hieu-luc": "upcoming", "da-giai-the": "ended"}
_CERTIFICATES = {"30": 30, "60": 60, "90": 90}
_UNBOUND, _NO_ALIAS, _SILENT = "chua-xac-nhan", "khong", "khong-6-thang"
_LONGEST_ROOT = 300
Choices = list[tuple[str, list[tuple[str, str]]]]


def read_filters(visit: Visit) -> dict[str, str]:
    """Return the filters of the list, by their names in the address."""
    names = ("cap", "goc", "trang-thai", "chung-thu-so", "ma-cu", "van-ban", "tu")
    parameters = {name: visit.ask(name) for name in names}
    is_valid = {
        "cap": parameters["cap"] in _LEVELS,
        "goc": 0 < len(parameters["goc"]) <= _LONGEST_ROOT,
        "trang-thai": parameters["trang-thai"] in _STANDINGS,
        "chung-thu-so": parameters["chung-thu-so"] in (*_CERTIFICATES, _UNBOUND),
        "ma-cu": parameters["ma-cu"] == _NO_ALIAS,
        "van-ban": parameters["van-ban"] == _SILENT and whose_mail(visit) is not None,
        "tu": dates.typed_day(parameters["tu"], visit.deps.out.today()) is not None,
    }
    return {name: parameters[name] for name, valid in is_valid.items() if valid}


def wanted_filter(visit: Visit) -> AgencyFilter:
    filters = read_filters(visit)
    return AgencyFilter(
        text=visit.ask("q"),
        level=int(filters["cap"]) if "cap" in filters else None,
        standing=_STANDINGS.get(filters.get("trang-thai", ""), ""),
        certificate_days=_CERTIFICATES.get(filters.get("chung-thu-so", "")),
        is_unbound=filters.get("chung-thu-so") == _UNBOUND,
        has_no_alias="ma-cu" in filters,
        changed_since=dates.typed_day(filters.get("tu", ""), visit.deps.out.today()),
    )


def whose_mail(visit: Visit) -> str | None:
    """Return the agency whose mail the visitor may see: the chosen one; the empty id, for all, for keepers of the node who
    chose none; None for others."""
    if visit.agency is not None:
        return visit.agency.id
    person = visit.person
    return "" if person.rights.is_of_node(person.at) else None


def filter_choices(visit: Visit) -> Choices:
    """List each choice of the form with its words; the first of them narrows nothing."""
    no_filter = ("", visit.say("agencies.filter.all"))
    days = {key: visit.say("agencies.filter.days", count=days) for key, days in _CERTIFICATES.items()}
    choices: dict[str, dict[str, str]] = {
        "cap": {level: visit.say("agencies.filter.level", n=level) for level in _LEVELS},
        "trang-thai": {key: visit.say(f"agencies.standing.{word}") for key, word in _STANDINGS.items()},
        "chung-thu-so": {**days, _UNBOUND: visit.say("agencies.filter.unbound")},
        "ma-cu": {_NO_ALIAS: visit.say("agencies.filter.no_alias")},
    }
    if whose_mail(visit) is not None:
        choices["van-ban"] = {_SILENT: visit.say("agencies.filter.silent")}
    return [(name, [no_filter, *words.items()]) for name, words in choices.items()]


_ROWS = 50
_MOST_RESULTS = 100
_CHANGES = 50
TABS = ("thong-tin", "ma-cu", "chung-thu-so", "lich-su", "van-ban", "lien-he")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAgency:
    """Agency in the list. `standing` is active, upcoming or ended; `days` are left of its certificate."""

    entry: AgencyEntry
    path: str
    level: int
    standing: str
    days: int | None = None
    is_bound: bool = False


async def list_agencies(visit: Visit) -> web.StreamResponse:
    text, parent_code = visit.ask("q"), visit.ask("thuoc").upper()
    registry = visit.deps.registry
    filters = read_filters(visit)
    next_cursor = ""
    root, fault = await ground.known_code(visit, filters["goc"]) if "goc" in filters else ("", "")
    if parent_code:
        entries = await registry.children(parent_code)
    elif text and not filters:
        entries = await registry.search(text, _MOST_RESULTS)
    else:
        page = await _filtered_page(visit, root)
        entries, next_cursor = page.items, page.next_cursor or ""
    parameters = {"q": text, **filters} if text else filters
    return await visit.page(
        "agencies/list.html",
        title=visit.say("menu.agencies"),
        rows=await _rows(visit, entries),
        heard=await _last_seen(visit, entries),
        changed=await registry.last_changed([entry.code for entry in entries]),
        text=text,
        asked=filters,
        problems=[("goc", fault)] if fault else [],
        choices=filter_choices(visit),
        above=await registry.entry(parent_code) if parent_code else None,
        following=url_for("/co-quan", **parameters, sau=next_cursor) if next_cursor else "",
        first=url_for("/co-quan", **parameters),
        is_first=not visit.ask("sau"),
        may_change=visit.may(Right.CODES),
    )


async def _filtered_page(visit: Visit, root: str) -> Page[AgencyEntry]:
    agency_filter, cursor = replace(wanted_filter(visit), root=root.strip().upper()), visit.ask("sau") or None
    # The filter keeps agencies without recent mail.
    if "van-ban" in read_filters(visit):
        return await visit.deps.contacts.silent(agency_filter, _ROWS, cursor, whose_mail(visit) or "")
    return await visit.deps.registry.filtered(agency_filter, _ROWS, cursor)


async def _last_seen(visit: Visit, entries: Sequence[AgencyEntry]) -> Mapping[str, datetime]:
    agency_id = whose_mail(visit)
    return {} if agency_id is None else await visit.deps.contacts.last_seen(entries, agency_id)


async def tree(visit: Visit) -> web.StreamResponse:
    """Show one branch: the agencies under a code; at the top those of the first level."""
    parent_code = visit.ask("thuoc").upper()
    entries = await (visit.deps.registry.children(parent_code) if parent_code else _top_level(visit))
    rows, heard_by_code = await _rows(visit, entries), await _last_seen(visit, entries)
    return await visit.page(
        "agencies/tree.html",
        title=visit.say("agencies.tree"),
        rows=rows,
        lights=_lights(visit, rows, heard_by_code),
        path=await _path_to(visit, parent_code),
        above=parent_code,
        may_change=visit.may(Right.CODES),
    )


def _lights(
    visit: Visit, rows: Sequence[ShownAgency], heard_by_code: Mapping[str, datetime]
) -> dict[str, str]:
    """Map codes to lights, where the visitor may see the mail; the own agency needs none."""
    if whose_mail(visit) is None:
        return {}
    own, now = visit.agency.code if visit.agency is not None else "", visit.deps.clock.now()
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


async def look_up(visit: Visit) -> web.StreamResponse:
    """Show the agency that a written code, old or new, or a name stands for on a day."""
    text = visit.ask("ma")
    today = visit.deps.out.today()
    on = dates.typed_day(visit.ask("ngay"), today) or today
    code = await ground.in_brackets(visit, text)
    resolution = await visit.deps.registry.resolve(code, on) if text else None
    is_open = resolution is not None and resolution.entry is None
    return await visit.page(
        "agencies/lookup.html",
        title=visit.say("agencies.lookup"),
        text=text,
        on=on,
        found=resolution,
        offers=await ground.offers(visit, text) if is_open else (),
        sentence=await _sentence(visit, resolution) if resolution is not None else "",
    )


async def list_old_codes(visit: Visit) -> web.StreamResponse:
    lines = await visit.deps.registry.legacy()
    names = {}
    for line in lines:
        for code in (line.code, line.heir):
            if code and code not in names:
                entry = await visit.deps.registry.entry(code)
                names[code] = entry.name if entry else ""
    return await visit.page(
        "agencies/legacy.html", title=visit.say("agencies.legacy"), lines=lines, names=names
    )


async def show_agency(visit: Visit) -> web.StreamResponse:
    code = visit.path("code").upper()
    registry = visit.deps.registry
    today = visit.deps.out.today()
    entry = await registry.entry(code)
    if entry is None:
        raise NotFound(f"the registry has no agency {code[:60]}")
    tab = visit.ask("muc") if visit.ask("muc") in TABS else TABS[0]
    on = dates.typed_day(visit.ask("ngay"), today)
    believed_on = dates.typed_day(visit.ask("biet"), today)
    earlier_entry = (
        await registry.belief(code, on or today, dates.midnight((believed_on or today) + timedelta(days=1)))
        if (on or believed_on)
        else None
    )
    return await visit.page(
        "agencies/one.html",
        title=entry.name,
        row=(await _rows(visit, [entry]))[0],
        tab=tab,
        tabs=TABS,
        above=await registry.entry(entry.parent) if entry.parent else None,
        below=await registry.children(code) if tab == TABS[0] else (),
        legacy=await registry.legacy(code) if tab == "ma-cu" else (),
        certificates=await _certificates(visit, code) if tab == "chung-thu-so" else (),
        changes=await registry_changes.list_reforms(visit.deps.deciding, _CHANGES, code)
        if tab == "lich-su"
        else (),
        asked={"ngay": visit.ask("ngay"), "biet": visit.ask("biet")},
        has_asked=bool(on or believed_on),
        then=earlier_entry,
        today=today,
        # The form by the route of the chosen agency's mail, or of any agency's.
        form=await form_of(visit.deps.out.axis, visit.agency.code if visit.agency else "", entry.code),
        may_change=visit.may(Right.CODES),
        may_examine=visit.may(Right.NOTICES, Manner.YES),
        sees_mail=visit.agency is not None and visit.may(Right.SEE_CONTENT),
    )


async def _certificates(visit: Visit, code: str) -> list[ground.TemplateValues]:
    """List the certificates that spoke, speak or will speak for the code."""
    now = visit.deps.clock.now()
    certificates: list[ground.TemplateValues] = []
    for binding in await visit.deps.registry.bindings(code):
        facts = certificate_facts(binding.certificate_der)
        standing = "present"
        if binding.valid_to is not None and binding.valid_to <= now:
            standing = "ended"
        elif binding.valid_from is not None and binding.valid_from > now:
            standing = "next"
        ends = min((at for at in (binding.valid_to, facts.ends) if at is not None), default=None)
        days = (ends - now).days if ends is not None and standing != "ended" else None
        since, end = binding.valid_from, binding.valid_to
        certificates.append(
            {"facts": facts, "since": since, "until": end, "standing": standing, "days": days}
        )
    return certificates


async def _rows(visit: Visit, entries: Sequence[AgencyEntry]) -> list[ShownAgency]:
    now, today = visit.deps.clock.now(), visit.deps.out.today()
    endings = {c.code: c.ends_at for c in await visit.deps.todo.certificates(now)}
    return [
        ShownAgency(
            entry=entry,
            path=url_for(f"/co-quan/{entry.code}"),
            level=entry.code.count(".") + 1,
            standing=_standing(entry, today),
            days=(endings[entry.code] - now).days if entry.code in endings else None,
            is_bound=entry.code in endings,
        )
        for entry in entries
    ]


def _standing(entry: AgencyEntry, today: date) -> str:
    if entry.valid_to is not None and entry.valid_to < today:
        return "ended"
    return "upcoming" if entry.valid_from is not None and entry.valid_from > today else "active"


async def _top_level(visit: Visit) -> list[AgencyEntry]:
    """List the agencies of the first level; their codes have no dot."""
    top_entries: list[AgencyEntry] = []
    cursor: str | None = None
    while True:
        page = await visit.deps.registry.entries(_ROWS, cursor)
        top_entries += [entry for entry in page.items if entry.parent is None]
        if page.next_cursor is None or len(top_entries) >= _MOST_RESULTS:
            return top_entries
        # Everything below a code of the first level sorts right behind it: the next of that level is asked for.
        last_root = page.items[-1].code.split(".")[0]
        cursor = max(page.next_cursor, f"{last_root}/")


async def _path_to(visit: Visit, code: str) -> list[AgencyEntry]:
    """List the agencies from the top down to this one."""
    path: list[AgencyEntry] = []
    visited: set[str] = set()
    while code and code not in visited:
        visited.add(code)
        entry = await visit.deps.registry.entry(code)
        if entry is None:
            break
        path.insert(0, entry)
        code = entry.parent or ""
    return path


async def _sentence(visit: Visit, resolution: Resolution) -> str:
    """Say what the code stands for, in the words of the contract."""
    entry = resolution.entry
    match resolution.standing:
        case CodeStanding.ACTIVE | CodeStanding.MAPPED if entry is not None:
            key = "agencies.is" if resolution.standing is CodeStanding.ACTIVE else "agencies.is_old"
            return visit.say(key, given=resolution.query, code=entry.code, name=entry.name)
        case CodeStanding.CLOSED if entry is not None:
            heir = await visit.deps.registry.entry(resolution.successor) if resolution.successor else None
            how = visit.say(
                f"agencies.ended.{resolution.ending.kind}" if resolution.ending else "agencies.ended"
            )
            return visit.say(
                "agencies.closed" if heir else "agencies.closed_alone",
                name=entry.name,
                how=how,
                date=dates.day_text(entry.valid_to),
                heir=f"{heir.name} ({heir.code})" if heir else "",
            )
        case CodeStanding.UNCERTAIN if entry is not None:
            return visit.say("agencies.uncertain", name=entry.name, code=entry.code)
    return ground.unknown(visit, resolution.query, resolution.nearest)


ROUTES = (
    get("/co-quan", "agencies", list_agencies, access=Access.READY, key="agencies"),
    get("/co-quan/cay", "agencies_tree", tree, access=Access.READY, key="agencies"),
    get("/co-quan/tra-cuu", "agency_lookup", look_up, access=Access.READY, key="agencies"),
    get("/co-quan/ma-cu", "agency_legacy", list_old_codes, access=Access.READY, key="agencies"),
    get("/co-quan/{code}", "agency", show_agency, access=Access.READY, key="agencies"),
)
