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
from gateway.office.web.routes import Who, get
from gateway.office.web.visits import Visit, where
from gateway.outgoing.check import form_of
from gateway.store.repository import Page

_LEVELS = ("1", "2", "3", "4")
_STANDINGS = {"dang-hoat-dong": "active", "sap-hieu-luc": "upcoming", "da-giai-the": "ended"}
_CERTIFICATES = {"30": 30, "60": 60, "90": 90}
_UNBOUND, _NO_ALIAS, _SILENT = "chua-xac-nhan", "khong", "khong-6-thang"
_LONGEST_ROOT = 300
Choices = list[tuple[str, list[tuple[str, str]]]]


def filters_asked(visit: Visit) -> dict[str, str]:
    """What narrows the list, by the names in the address."""
    names = ("cap", "goc", "trang-thai", "chung-thu-so", "ma-cu", "van-ban", "tu")
    given = {name: visit.ask(name) for name in names}
    known = {
        "cap": given["cap"] in _LEVELS,
        "goc": 0 < len(given["goc"]) <= _LONGEST_ROOT,
        "trang-thai": given["trang-thai"] in _STANDINGS,
        "chung-thu-so": given["chung-thu-so"] in (*_CERTIFICATES, _UNBOUND),
        "ma-cu": given["ma-cu"] == _NO_ALIAS,
        "van-ban": given["van-ban"] == _SILENT and whose_mail(visit) is not None,
        "tu": dates.typed_day(given["tu"], visit.deps.out.today()) is not None,
    }
    return {name: given[name] for name, is_known in known.items() if is_known}


def wanted_filter(visit: Visit) -> AgencyFilter:
    given = filters_asked(visit)
    return AgencyFilter(
        text=visit.ask("q"),
        level=int(given["cap"]) if "cap" in given else None,
        standing=_STANDINGS.get(given.get("trang-thai", ""), ""),
        certificate_days=_CERTIFICATES.get(given.get("chung-thu-so", "")),
        is_unbound=given.get("chung-thu-so") == _UNBOUND,
        has_no_alias="ma-cu" in given,
        changed_since=dates.typed_day(given.get("tu", ""), visit.deps.out.today()),
    )


def whose_mail(visit: Visit) -> str | None:
    """The agency whose mail the visitor may be told of: the chosen one. All, the empty id, for who looks after the node and
    chose none; None for whoever else chose none."""
    if visit.agency is not None:
        return visit.agency.id
    person = visit.person
    return "" if person.rights.is_of_node(person.at) else None


def filter_choices(visit: Visit) -> Choices:
    """Each choice of the form with its words; the first of them narrows nothing."""
    every = ("", visit.say("agencies.filter.all"))
    days = {key: visit.say("agencies.filter.days", count=days) for key, days in _CERTIFICATES.items()}
    choices: dict[str, dict[str, str]] = {
        "cap": {each: visit.say("agencies.filter.level", n=each) for each in _LEVELS},
        "trang-thai": {key: visit.say(f"agencies.standing.{word}") for key, word in _STANDINGS.items()},
        "chung-thu-so": {**days, _UNBOUND: visit.say("agencies.filter.unbound")},
        "ma-cu": {_NO_ALIAS: visit.say("agencies.filter.no_alias")},
    }
    if whose_mail(visit) is not None:
        choices["van-ban"] = {_SILENT: visit.say("agencies.filter.silent")}
    return [(name, [every, *words.items()]) for name, words in choices.items()]


_ROWS = 50
_FOUND = 100
_CHANGES = 50
TABS = ("thong-tin", "ma-cu", "chung-thu-so", "lich-su", "van-ban", "lien-he")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAgency:
    """One agency in the list. `standing` is active, upcoming or ended; `days` are left of its certificate."""

    entry: AgencyEntry
    path: str
    level: int
    standing: str
    days: int | None = None
    is_bound: bool = False


async def listed(visit: Visit) -> web.StreamResponse:
    text, above = visit.ask("q"), visit.ask("thuoc").upper()
    registry = visit.deps.registry
    asked = filters_asked(visit)
    following = ""
    root, fault = await ground.known_code(visit, asked["goc"]) if "goc" in asked else ("", "")
    if above:
        found = await registry.children(above)
    elif text and not asked:
        found = await registry.search(text, _FOUND)
    else:
        page = await _narrowed(visit, root)
        found, following = page.items, page.next_cursor or ""
    carried = {"q": text, **asked} if text else asked
    return await visit.page(
        "agencies/list.html",
        title=visit.say("menu.agencies"),
        rows=await _rows(visit, found),
        heard=await _heard(visit, found),
        changed=await registry.last_changed([each.code for each in found]),
        text=text,
        asked=asked,
        problems=[("goc", fault)] if fault else [],
        choices=filter_choices(visit),
        above=await registry.entry(above) if above else None,
        following=where("/co-quan", **carried, sau=following) if following else "",
        first=where("/co-quan", **carried),
        is_first=not visit.ask("sau"),
        may_change=visit.may(Right.CODES),
    )


async def _narrowed(visit: Visit, root: str) -> Page[AgencyEntry]:
    wanted, cursor = replace(wanted_filter(visit), root=root.strip().upper()), visit.ask("sau") or None
    # Only those with which no mail goes on are wanted.
    if "van-ban" in filters_asked(visit):
        return await visit.deps.contacts.silent(wanted, _ROWS, cursor, whose_mail(visit) or "")
    return await visit.deps.registry.filtered(wanted, _ROWS, cursor)


async def _heard(visit: Visit, found: Sequence[AgencyEntry]) -> Mapping[str, datetime]:
    whose = whose_mail(visit)
    return {} if whose is None else await visit.deps.contacts.last_heard(found, whose)


async def tree(visit: Visit) -> web.StreamResponse:
    """One branch at a time: the agencies under a code; at the top those of the first level."""
    above = visit.ask("thuoc").upper()
    found = await (visit.deps.registry.children(above) if above else _top(visit))
    rows, heard = await _rows(visit, found), await _heard(visit, found)
    return await visit.page(
        "agencies/tree.html",
        title=visit.say("agencies.tree"),
        rows=rows,
        lights=_lights(visit, rows, heard),
        path=await _above(visit, above),
        above=above,
        may_change=visit.may(Right.CODES),
    )


def _lights(visit: Visit, rows: Sequence[ShownAgency], heard: Mapping[str, datetime]) -> dict[str, str]:
    """By code, for who may know whose mail goes where; the own agency needs none."""
    if whose_mail(visit) is None:
        return {}
    own, now = visit.agency.code if visit.agency is not None else "", visit.deps.clock.now()
    return {each.entry.code: light_of(each, heard, now) for each in rows if each.entry.code != own}


def light_of(row: ShownAgency, heard: Mapping[str, datetime], now: datetime) -> str:
    """Whether mail goes there: `reachable` where it was heard in half a year, `silent` where not, `no_certificate` where
    nothing of it could be believed; nothing for one that is not in force."""
    if row.standing != "active":
        return ""
    if not row.is_bound:
        return "no_certificate"
    at = heard.get(row.entry.code)
    return "reachable" if at is not None and now - at <= SIX_MONTHS else "silent"


async def looked_up(visit: Visit) -> web.StreamResponse:
    """What a written code, old or new, or a name stands for on a day."""
    text = visit.ask("ma")
    today = visit.deps.out.today()
    on = dates.typed_day(visit.ask("ngay"), today) or today
    bare = await ground.in_brackets(visit, text)
    found = await visit.deps.registry.resolve(bare, on) if text else None
    is_open = found is not None and found.entry is None
    return await visit.page(
        "agencies/lookup.html",
        title=visit.say("agencies.lookup"),
        text=text,
        on=on,
        found=found,
        offers=await ground.offers(visit, text) if is_open else (),
        sentence=await _sentence(visit, found) if found is not None else "",
    )


async def old_codes_listed(visit: Visit) -> web.StreamResponse:
    lines = await visit.deps.registry.legacy()
    names = {}
    for each in lines:
        for code in (each.code, each.heir):
            if code and code not in names:
                entry = await visit.deps.registry.entry(code)
                names[code] = entry.name if entry else ""
    return await visit.page(
        "agencies/legacy.html", title=visit.say("agencies.legacy"), lines=lines, names=names
    )


async def agency_shown(visit: Visit) -> web.StreamResponse:
    code = visit.path("code").upper()
    registry = visit.deps.registry
    today = visit.deps.out.today()
    entry = await registry.entry(code)
    if entry is None:
        raise NotFound(f"the registry has no agency {code[:60]}")
    tab = visit.ask("muc") if visit.ask("muc") in TABS else TABS[0]
    on = dates.typed_day(visit.ask("ngay"), today)
    known = dates.typed_day(visit.ask("biet"), today)
    then = (
        await registry.believed(code, on or today, dates.midnight((known or today) + timedelta(days=1)))
        if (on or known)
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
        has_asked=bool(on or known),
        then=then,
        today=today,
        # As the route says for the chosen agency's mail, or for anybody's.
        form=await form_of(visit.deps.out.axis, visit.agency.code if visit.agency else "", entry.code),
        may_change=visit.may(Right.CODES),
        may_examine=visit.may(Right.NOTICES, Manner.YES),
        sees_mail=visit.agency is not None and visit.may(Right.SEE_CONTENT),
    )


async def _certificates(visit: Visit, code: str) -> list[ground.Shown]:
    """Those that spoke, speak or will speak for the code."""
    now = visit.deps.clock.now()
    made: list[ground.Shown] = []
    for each in await visit.deps.registry.bindings(code):
        facts = certificate_facts(each.certificate_der)
        standing = "present"
        if each.valid_to is not None and each.valid_to <= now:
            standing = "ended"
        elif each.valid_from is not None and each.valid_from > now:
            standing = "next"
        ends = min((at for at in (each.valid_to, facts.ends) if at is not None), default=None)
        days = (ends - now).days if ends is not None and standing != "ended" else None
        since, until = each.valid_from, each.valid_to
        made.append({"facts": facts, "since": since, "until": until, "standing": standing, "days": days})
    return made


async def _rows(visit: Visit, entries: Sequence[AgencyEntry]) -> list[ShownAgency]:
    now, today = visit.deps.clock.now(), visit.deps.out.today()
    endings = {each.code: each.until for each in await visit.deps.todo.certificates(now)}
    return [
        ShownAgency(
            entry=each,
            path=where(f"/co-quan/{each.code}"),
            level=each.code.count(".") + 1,
            standing=_standing(each, today),
            days=(endings[each.code] - now).days if each.code in endings else None,
            is_bound=each.code in endings,
        )
        for each in entries
    ]


def _standing(entry: AgencyEntry, today: date) -> str:
    if entry.valid_to is not None and entry.valid_to < today:
        return "ended"
    return "upcoming" if entry.valid_from is not None and entry.valid_from > today else "active"


async def _top(visit: Visit) -> list[AgencyEntry]:
    """Those of the first level; codes of it have no dot."""
    found: list[AgencyEntry] = []
    cursor: str | None = None
    while True:
        page = await visit.deps.registry.entries(_ROWS, cursor)
        found += [each for each in page.items if each.parent is None]
        if page.next_cursor is None or len(found) >= _FOUND:
            return found
        # Everything below a code of the first level sorts right behind it: the next of that level is asked for.
        last = page.items[-1].code.split(".")[0]
        cursor = max(page.next_cursor, f"{last}/")


async def _above(visit: Visit, code: str) -> list[AgencyEntry]:
    """The agencies above, from the top down to this one."""
    path: list[AgencyEntry] = []
    seen: set[str] = set()
    while code and code not in seen:
        seen.add(code)
        entry = await visit.deps.registry.entry(code)
        if entry is None:
            break
        path.insert(0, entry)
        code = entry.parent or ""
    return path


async def _sentence(visit: Visit, found: Resolution) -> str:
    """What the code stands for, in the words of the contract."""
    entry = found.entry
    match found.standing:
        case CodeStanding.ACTIVE | CodeStanding.MAPPED if entry is not None:
            key = "agencies.is" if found.standing is CodeStanding.ACTIVE else "agencies.is_old"
            return visit.say(key, given=found.given, code=entry.code, name=entry.name)
        case CodeStanding.CLOSED if entry is not None:
            heir = await visit.deps.registry.entry(found.successor) if found.successor else None
            how = visit.say(f"agencies.ended.{found.ending.kind}" if found.ending else "agencies.ended")
            return visit.say(
                "agencies.closed" if heir else "agencies.closed_alone",
                name=entry.name,
                how=how,
                date=dates.day_text(entry.valid_to),
                heir=f"{heir.name} ({heir.code})" if heir else "",
            )
        case CodeStanding.UNCERTAIN if entry is not None:
            return visit.say("agencies.uncertain", name=entry.name, code=entry.code)
    return ground.unknown(visit, found.given, found.nearest)


ROUTES = (
    get("/co-quan", "agencies", listed, who=Who.READY, key="agencies"),
    get("/co-quan/cay", "agencies_tree", tree, who=Who.READY, key="agencies"),
    get("/co-quan/tra-cuu", "agency_lookup", looked_up, who=Who.READY, key="agencies"),
    get("/co-quan/ma-cu", "agency_legacy", old_codes_listed, who=Who.READY, key="agencies"),
    get("/co-quan/{code}", "agency", agency_shown, who=Who.READY, key="agencies"),
)
