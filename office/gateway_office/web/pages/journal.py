"""The sealed log: actor, act, place and outcome of each line, as far as each role may see it. In: filters. Out: lines,
newest first, under the state of the seal; the same as text, an export that is logged itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

from gateway.document_view.event_sentence import EventNames, NamedDocument, agencies_in, people_in, say_event
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.errors import Denied
from gateway.store.log_reading import EventFilter
from gateway.words import labels
from gateway_office.book import table_files
from gateway_office.domain.listing import ListLine, Side
from gateway_office.domain.roles import Manner, Right
from gateway_office.node.journal import JournalEntry, JournalQuery
from gateway_office.web import answers, dates, routes
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.answers import FileContent
from gateway_office.web.display_names import agency_names
from gateway_office.web.forms import Problems, whole_number
from gateway_office.web.menu import AUDITS
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.routes import Access, Needs

KEY, PATH = "audit", "/nhat-ky"
MOST_EXPORTED = 50_000
_ROWS = 30
_DAY = timedelta(days=1)
# A reader of the log of an agency or of the node may have it checked and export it.
_EXPORTS = (Needs(right=Right.AUDIT, manners=(Manner.YES, Manner.TECHNICAL)),)
_ACCOUNTS = ("person.*", "session.*", "account.*", "post.*", "delegation.*", "mailbox.*")
_TECHNICAL = (
    "key.*",
    "binding.*",
    "anchor.*",
    "reform.*",
    "proposal.*",
    "node.*",
    "log.*",
    "alert.*",
    "notice.*",
    "parcel.*",
    "backup.*",
    "hold.sealed",
    "message.retry",
    "message.failed",
    "message.hurried",
    "message.resigned",
    "inbox.landed",
    "inbox.waiting",
    "inbox.held",
    "inbox.invalid",
    "inbox.repeated",
    "inbox.dropped",
    "inbox.revocation",
    "evidence.made",
)
# Chips over the list, before all kinds by name in the filter.
_GROUPS = ("message.*", "inbox.*", "account.*", "post.*", "session.*")
_OLD_KEYS, _NEW_KEYS = ("before", "old"), ("after", "new", "state", "status", "standing", "outcome")
_BAD = ("failed", "invalid", "refused", "rejected", "returned", "blocked", "locked", "dropped", "malware")
_WAITS = ("held", "waiting", "retry")
get, post, _ = routes.sharing(access=Access.READY, key=KEY)


async def show_journal(request: PageRequest) -> web.StreamResponse:
    journal = request.deps.journal
    ask, problems = await _read_query(request)
    position = whole_number(request.ask("sau"), 18)
    entries = [] if problems else await journal.page(ask, end=position, limit=_ROWS + 1)
    names = await _names(request, entries[:_ROWS])
    query = dict(request.http.query)
    last = str(entries[_ROWS - 1].position) if len(entries) > _ROWS else ""
    values = {
        "problems": problems,
        "rows": [_row(request, entry, names) for entry in entries[:_ROWS]],
        "following": url_for(PATH, **merged(query, sau=last, told=None)) if last else "",
        "first": url_for(PATH, **merged(query, sau=None, told=None)) if position is not None else "",
    }
    if request.is_piece:
        return request.piece("journal/_list.html", **values)
    return await request.page(
        "journal/page.html",
        422 if problems else 200,
        title=request.say("menu.audit"),
        seal=await journal.state(),
        says=lambda code, params: request.say_or(f"audit.{code}", code, **params),
        scope=_manner(request),
        given={name: request.ask(name) for name in ("nguoi", "object", "loai", "tu", "den")},
        kinds=_kinds(request, ask),
        groups=_groups(request, ask, query),
        filtered=sum(bool(request.ask(name)) for name in ("nguoi", "object", "tu", "den")),
        takes=request.may(Right.AUDIT, *_EXPORTS[0].manners) and not problems,
        export=url_for(f"{PATH}/tai", **merged(query, sau=None, told=None)),
        **values,
    )


async def check(request: PageRequest) -> web.StreamResponse:
    await request.deps.journal.check()
    return request.confirm(PATH, "journal.checked")


async def export(request: PageRequest) -> web.StreamResponse:
    """Send CSV with the mark of UTF-8 for spreadsheets. The export is a line of the log itself."""
    ask, problems = await _read_query(request)
    if problems:
        return await show_journal(request)
    lines = await request.deps.journal.export(
        request.person.person.id, ask.event_filter.agency_id or "", ask, MOST_EXPORTED
    )
    name = f"nhat-ky-{local(request.deps.clock.now()):%Y%m%d-%H%M}.csv"
    content = FileContent(name=name, found_type="csv", pieces=_csv(request, lines))
    return await answers.give_file(request.http, content)


async def _csv(request: PageRequest, lines: AsyncIterator[JournalEntry]) -> AsyncIterator[bytes]:
    names = ("at", "who", "place", "what", "object", "before", "after", "outcome", "call", "line")
    yield table_files.csv_heading([request.say(f"journal.{name}") for name in names])
    async for entry in lines:
        row = _row(request, entry, EventNames()) | {
            "at": f"{local(entry.event.at):%d/%m/%Y %H:%M:%S}",
            "object": entry.event.subject_id,
            "line": "" if entry.leaf is None else str(entry.leaf),
        }
        row["outcome"] = request.say(f"journal.outcome.{row['outcome']}")
        yield table_files.csv_line([row[name] for name in names])


async def _read_query(request: PageRequest) -> tuple[JournalQuery, Problems]:
    """Read the query, within the person's rights, and its problems."""
    (since, end), problems = request.query_days("tu", "den")
    kind, principal = request.ask("loai"), request.ask("nguoi")
    manner = _manner(request)
    if manner is Manner.OWN:
        principal = request.person.person.id
    elif principal:
        # An id, or the person of that name; an unknown name finds no lines.
        principal = next(iter(await request.deps.journal.find_people(principal)), principal[:200])
    events_filter = EventFilter(
        agency_id=None if _is_everywhere(request, manner) else request.own_agency.id,
        principal_id=principal or None,
        kind=kind if labels.has(f"event.{kind.removesuffix('.*')}") else None,
        subject_id=request.ask("object")[:200] or None,
        since=dates.midnight(since) if since else None,
        ends_before=dates.midnight(end + _DAY) if end else None,
    )
    within = {Manner.TECHNICAL: _TECHNICAL, Manner.ACCOUNTS: _ACCOUNTS}.get(manner, ())
    return JournalQuery(event_filter=events_filter, within=within, people=manner is Manner.ACCOUNTS), problems


def _manner(request: PageRequest) -> Manner:
    return request.person.require(Right.AUDIT).manner


def _is_everywhere(request: PageRequest, manner: Manner) -> bool:
    """Tell whether all agencies are read: by a post of the node, and for a person's own acts; others read the own
    agency."""
    acting = request.person
    if manner in (Manner.TECHNICAL, Manner.OWN):
        return True
    node_grant = acting.rights.best_grant(Right.AUDIT, "", acting.at)
    if node_grant is not None and node_grant.manner is manner:
        return True
    if request.agency is None:
        raise Denied("choose the agency whose log it is", code="GW-RIGHT")
    return False


def _kinds(request: PageRequest, ask: JournalQuery) -> list[tuple[str, str]]:
    """List the kinds to choose from: groups, then each kind, as far as the role sees them."""
    visible_kinds = [
        k
        for k in sorted(EventKind)
        if not ask.within or any(fnmatchcase(k, pattern) for pattern in ask.within)
    ]
    groups = sorted({k.partition(".")[0] for k in visible_kinds})
    return [
        ("", request.say("journal.kind.all")),
        *((f"{k}.*", request.say(f"event.{k}")) for k in groups if labels.has(f"event.{k}")),
        *((k, request.say(f"event.{k}")) for k in visible_kinds if labels.has(f"event.{k}")),
    ]


def _groups(request: PageRequest, ask: JournalQuery, query: dict[str, str]) -> list[tuple[str, str, bool]]:
    """List the groups of kinds that people look for most, with their addresses, as far as the role sees them."""
    visible = {key for key, _ in _kinds(request, ask)}
    current = request.ask("loai")
    keys = ["", *(key for key in _GROUPS if key in visible)]
    if current not in keys and current in visible:
        keys.append(current)
    return [
        (
            request.say(f"journal.group.{key.removesuffix('.*')}" if key in _GROUPS else f"event.{key}")
            if key
            else request.say("journal.kind.all"),
            url_for(PATH, **merged(query, loai=key or None, sau=None, told=None)),
            key == current,
        )
        for key in keys
    ]


async def _names(request: PageRequest, entries: Sequence[JournalEntry]) -> EventNames:
    """Load the names of what these lines speak of; of documents only those that the person may open."""
    events = [entry.event for entry in entries]
    async with request.deps.accounts.accounts.read() as view:
        people = await view.people.names({id for event in events for id in people_in(event)})
    hosted = {a.id: a.name for a in await request.deps.store.hosted()}
    codes = {code for event in events for code in agencies_in(event)} - hosted.keys() - people.keys()
    agencies = hosted | await agency_names(request, codes)
    ids = [
        e.event.subject_id
        for e in entries
        if e.event.subject_id[:4] in ("msg_", "inb_") and _path(request, e.agency, e.event.subject_id)
    ]
    if not ids:
        return EventNames(people=people, agencies=agencies)
    async with request.deps.store.read(request.scope()) as work:
        lines = await work.office.lists.lines(ids)
    documents = {id: _name_document(request, line) for id, line in lines.items()}
    return EventNames(people=people, agencies=agencies, documents=documents)


def _name_document(request: PageRequest, line: ListLine) -> NamedDocument:
    card = line.card
    number = "/".join(filter(None, (card.number, card.symbol)))
    missing = request.say("incoming.no_number" if line.side is Side.IN else "outgoing.no_number")
    return NamedDocument(side=line.side, number=number or missing, party=card.party or card.party_code)


def _row(
    request: PageRequest, entry: JournalEntry, names: EventNames
) -> dict[str, Any]:  # Any: values of a template
    """Describe one line: its sentence, and its technical columns. `rest` holds the values of no column."""
    event = entry.event
    data, principal = dict(event.data), event.principal_id
    call, place = str(data.pop("call", "")), entry.place or str(data.get("session", ""))
    old_value, new_value = _first(data, _OLD_KEYS), _first(data, _NEW_KEYS)
    verb = event.kind.rpartition(".")[2]
    is_bad = verb in _BAD or new_value in _BAD
    actor = entry.actor or request.say_or(f"journal.principal.{principal}", principal)
    return {
        "entry": entry,
        "who": actor,
        "sentence": say_event(event, _actor(request, entry), names, request.lang),
        "place": place,
        "what": request.say_or(f"event.{event.kind}", event.kind),
        "path": _path(request, entry.agency, event.subject_id),
        "before": old_value,
        "after": new_value,
        "outcome": "bad" if is_bad else "waits" if verb in _WAITS else "good",
        "call": call,
        "rest": [(name, _text(value)) for name, value in data.items() if value not in (None, "", [], {})],
    }


def _actor(request: PageRequest, entry: JournalEntry) -> str:
    """Name the actor; an id that is no person's is a program or the node."""
    return entry.actor or request.say_or(
        f"journal.principal.{entry.event.principal_id}", request.say("journal.principal.program")
    )


def _first(data: dict[str, object], names: tuple[str, ...]) -> str:
    name_present = next((name for name in names if data.get(name) not in (None, "")), None)
    return _text(data.pop(name_present)) if name_present is not None else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _path(request: PageRequest, agency: str | None, subject: str) -> str:
    """Return the page of the object that this person may open in that agency; empty without one."""
    places: dict[str, str] = {}
    own_agency = request.agency
    if own_agency is None or agency not in (own_agency.id, own_agency.code):
        return ""
    if request.may(Right.SEE_CONTENT, Manner.YES, Manner.METADATA, Manner.ORDER):
        places |= {"msg_": "/van-ban-di/", "inb_": "/van-ban-den/"}
    if request.may(Right.TAKE_IN, Manner.YES) or request.may(Right.NOTICES, Manner.YES):
        places["inx_"] = "/van-hanh/cach-ly/"
    return f"{places[subject[:4]]}{subject}" if subject[:4] in places and subject.isascii() else ""


ROUTES = (
    get(PATH, "journal", show_journal, needs=AUDITS),
    post(f"{PATH}/kiem-tra", "journal_checked", check, needs=_EXPORTS),
    get(f"{PATH}/tai", "journal_file", export, needs=_EXPORTS),
)
