"""Turns the recipients in a pasted text, or in a signed PDF that a clerk is about to send, into agency codes. Each name
is looked up in the directory and among the agency's saved groups; for an unclear one candidates are offered, and a guess
is a question with its likely answer first. In: text, or the request's file. Out: `Offer`s; or a `ReadDocument`, which is
not stored: its file is inspected like one that is sent, and parsed in the sandbox process. Groups are saved here too."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from gateway.domain.account import AgencyScope
from gateway.domain.pdf import Ink, PdfFields
from gateway.domain.registry import (
    MOST_MEMBERS,
    AgencyEntry,
    CodeStanding,
    GroupMember,
    Item,
    ItemKind,
    Offer,
    OfferKind,
    RecipientGroup,
    Resolution,
)
from gateway.domain.signatures import FileVerdict
from gateway.domain.text import fold
from gateway.errors import Clash, NotFound
from gateway.outgoing.check import hosted_agency
from gateway.outgoing.intake import Received, RequestFiles
from gateway.outgoing.services import OutgoingServices
from gateway.policy import admission
from gateway.policy.page_lines import page_text
from gateway.policy.pdf_fields import read_fields
from gateway.policy.recipients_block import is_bare_post, is_code, items_of, written_out
from gateway.policy.texts import stamps_on
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.registry.directory import SqlDirectory
from gateway.store.store import SqlStore
from gateway.words.reading import OWN_LINE

MOST_OFFERS = 8
_MOST_SEARCHED = 50
_MOST_ABOVE = 6
_GENERIC_NAMES = frozenset(fold(written_out(name)) for name in OWN_LINE)
LONGEST_NAME = 100
_CERTAIN = (CodeStanding.ACTIVE, CodeStanding.MAPPED, CodeStanding.CLOSED)
_STATED = {
    ItemKind.POINTER: OfferKind.POINTER,
    ItemKind.FILED: OfferKind.FILED,
}
_MAY_BE_GUESSED = (OfferKind.UNCLEAR, OfferKind.UNKNOWN, OfferKind.PERSON)
PDF = "pdf"


async def list_offers(
    book: SqlDirectory,
    groups: Sequence[RecipientGroup],
    texts: Sequence[str],
    on: date,
    near: str | None = None,
    units: Collection[str] = (),
) -> tuple[tuple[Offer, ...], ...]:
    """Return the offers for each recipient in each text, as of that day; all texts are looked up together. `near` is the
    code of the agency that asks: names without a parent are searched beside, below and above it. `units` are names of its
    own units, which are no other agencies."""
    parsed = [items_of(text) for text in texts]
    by_name = {fold(g.name): g for g in groups}
    all_items = [i for items in parsed for i in items]
    line = await _load_line(book, near)
    own = {i for i in all_items if line and fold(i.name) not in by_name and _is_inside(i, units)}
    plain = [i for i in all_items if i.kind not in _STATED and i not in own]
    single = [i for i in plain if fold(i.name) not in by_name and i.kind is not ItemKind.MANY]
    in_line = {i: agency for i in single if (agency := _find_in_line(i, line)) is not None}
    single = [i for i in single if i not in in_line]
    answers = await _resolve(book, single, on, tuple(a.code for a in reversed(line[:2])))
    unclear = [i for i in single if not _is_clear(i, answers[i])]
    many = [i for i in plain if i.kind is ItemKind.MANY and fold(i.name) not in by_name]
    matches = await _search(book, [i.name for i in (*unclear, *many)], on, line)
    offers = {i: Offer(item=i, kind=_STATED[i.kind]) for i in all_items if i.kind in _STATED}
    offers |= {i: Offer(item=i, kind=OfferKind.OWN) for i in all_items if i in own}
    for item in plain:
        group = by_name.get(fold(item.name))
        if item in in_line:
            offers[item] = _offer_in_line(item, in_line[item], line)
        elif group is not None:
            offers[item] = await _offer_group(book, group, item, on)
        elif item.kind is ItemKind.MANY:
            offers[item] = Offer(item=item, kind=OfferKind.MANY, agencies=matches[item.name])
        else:
            offer = await _offer_agency(book, item, answers[item], matches.get(item.name, ()))
            offers[item] = _prefer_own_province(offer, line)
    return tuple(tuple(offers[i] for i in items) for items in parsed)


async def _load_line(book: SqlDirectory, code: str | None) -> tuple[AgencyEntry, ...]:
    """Load the agency with this code, and the agencies above it, the nearest first."""
    line: dict[str, AgencyEntry] = {}
    while code and code not in line and len(line) < _MOST_ABOVE and (agency := await book.entry(code)):
        line[agency.code] = agency
        code = agency.parent
    return tuple(line.values())


def _find_in_line(item: Item, line: Sequence[AgencyEntry]) -> AgencyEntry | None:
    """Find the agency behind a generic name: "the People's Committee of the province" means that of the asking agency's
    province, so the nearest agency of its line whose name begins with these words. No name with a parent is generic."""
    if item.parent is not None or item.kind is ItemKind.MANY:
        return None
    name = fold(written_out(item.name))
    return next((a for a in line if name in _GENERIC_NAMES and fold(a.name).startswith(f"{name} ")), None)


def _offer_in_line(item: Item, agency: AgencyEntry, line: Sequence[AgencyEntry]) -> Offer:
    if agency is line[0]:
        return Offer(item=item, kind=OfferKind.OWN)
    return Offer(item=item, kind=OfferKind.GUESSED, agencies=(agency,))


def _is_inside(item: Item, units: Collection[str]) -> bool:
    """Tell whether the item is a unit of the asking agency, or a post named without any agency."""
    if item.parent is not None or item.kind not in (ItemKind.AGENCY, ItemKind.PERSON):
        return False
    return is_bare_post(item) or fold(written_out(item.name)) in {fold(written_out(unit)) for unit in units}


def _prefer_own_province(offer: Offer, line: Sequence[AgencyEntry]) -> Offer:
    """Put the only candidate of the asking agency's province first, as a guess; for a code there is no guess."""
    if not line:
        return offer
    root = f"{line[-1].code}."
    ours = [a for a in offer.agencies if f"{a.code}.".startswith(root) and a.code != line[0].code]
    if offer.kind not in _MAY_BE_GUESSED or len(ours) != 1 or is_code(offer.item.name):
        return offer
    agencies = (*ours, *(a for a in offer.agencies if a not in ours))
    return replace(offer, kind=OfferKind.GUESSED, agencies=agencies)


async def _resolve(
    book: SqlDirectory, items: Sequence[Item], on: date, parents: Sequence[str]
) -> dict[Item, Resolution]:
    """Resolve each item as written, then written out in full, then under each of `parents`; the first certain answer
    wins. Where several parents have such an agency, the item stays open, with the directory's candidates."""
    names = [(name, i.parent) for i in items for name in _spellings(i)]
    first = dict(zip(names, await book.resolve_all(names, on, offer=False), strict=True))
    answers = {i: _first_certain(first[name, i.parent] for name in _spellings(i)) for i in items}
    unanswered = [i for i in items if answers[i] is None and i.parent is None]
    nearby = [(name, parent) for i in unanswered for parent in parents for name in _spellings(i)]
    second = dict(zip(nearby, await book.resolve_all(nearby, on, offer=False), strict=True)) if nearby else {}
    for item in unanswered:
        places: dict[str, Resolution] = {}
        for parent in parents:
            answer = _first_certain(second[name, parent] for name in _spellings(item))
            if answer is not None and answer.entry is not None:
                places[answer.entry.code] = answer
        answers[item] = next(iter(places.values())) if len(places) == 1 else None
    uncertain = [(i.name, i.parent) for i in items if answers[i] is None]
    offered = dict(zip(uncertain, await book.resolve_all(uncertain, on), strict=True)) if uncertain else {}
    return {i: answers[i] or offered[i.name, i.parent] for i in items}


def _spellings(item: Item) -> tuple[str, ...]:
    return tuple(dict.fromkeys((item.name, written_out(item.name))))


def _first_certain(answers: Iterable[Resolution]) -> Resolution | None:
    return next((a for a in answers if a.standing in _CERTAIN), None)


def _is_clear(item: Item, answer: Resolution) -> bool:
    is_certain = answer.entry is not None and answer.standing in (CodeStanding.ACTIVE, CodeStanding.MAPPED)
    return is_certain and item.kind is not ItemKind.PERSON


async def _offer_agency(
    book: SqlDirectory, item: Item, answer: Resolution, searched: Sequence[AgencyEntry]
) -> Offer:
    """Offer the agency of a clear answer; else the candidates, with the kind of doubt."""
    agency = answer.entry
    if agency is not None and _is_clear(item, answer):
        is_old = answer.standing is CodeStanding.MAPPED and answer.mapped_by != "name"
        return Offer(item=item, kind=OfferKind.OLD if is_old else OfferKind.EXACT, agencies=(agency,))
    candidates = await _list_candidates(book, answer, searched)
    if item.kind is ItemKind.PERSON:
        return Offer(item=item, kind=OfferKind.PERSON, agencies=candidates)
    kind = {CodeStanding.CLOSED: OfferKind.CLOSED, CodeStanding.UNKNOWN: OfferKind.UNKNOWN}.get(
        answer.standing, OfferKind.UNCLEAR
    )
    if kind is OfferKind.UNKNOWN and candidates:
        kind = OfferKind.UNCLEAR
    return Offer(item=item, kind=kind, agencies=candidates)


async def _list_candidates(
    book: SqlDirectory, answer: Resolution, searched: Sequence[AgencyEntry]
) -> tuple[AgencyEntry, ...]:
    """List candidates for an unclear item: those of the directory's answer (entry, successor, nearest), then those
    searched."""
    candidates: dict[str, AgencyEntry] = {}
    if answer.entry is not None and answer.standing is not CodeStanding.CLOSED:
        candidates[answer.entry.code] = answer.entry
    for code in (answer.successor, answer.nearest):
        agency = await book.entry(code) if code else None
        if agency is not None:
            candidates[agency.code] = agency
    for agency in searched:
        candidates.setdefault(agency.code, agency)
    return tuple(candidates.values())[:MOST_OFFERS]


async def _search(
    book: SqlDirectory, names: Sequence[str], on: date, line: Sequence[AgencyEntry]
) -> dict[str, tuple[AgencyEntry, ...]]:
    """Search agencies by the names as written, and by the names written out in full where those have no matches. Agencies
    of the asking agency's own province or ministry come first."""
    root = line[-1].code if line else ""
    matches: dict[str, tuple[AgencyEntry, ...]] = {}
    for write in (str, written_out):
        texts = {name: write(name) for name in names if not matches.get(name)}
        answers = await book.search_all(set(texts.values()), _MOST_SEARCHED) if texts else {}
        for name, text in texts.items():
            alive = [a for a in answers[text] if _is_alive(a, on)]
            ours = [a for a in alive if root and f"{a.code}.".startswith(f"{root}.")]
            matches[name] = tuple(dict.fromkeys((*ours, *alive)))[:MOST_OFFERS]
    return matches


def _is_alive(agency: AgencyEntry, on: date) -> bool:
    return agency.valid_to is None or on <= agency.valid_to


async def _offer_group(book: SqlDirectory, group: RecipientGroup, item: Item, on: date) -> Offer:
    """Offer the group's members as of today. It is marked as closed where a member has ended."""
    answers = await book.resolve_all([(m.code, None) for m in group.members], on)
    agencies = [
        answer.entry
        for answer in answers
        if answer.entry is not None and answer.standing in (CodeStanding.ACTIVE, CodeStanding.MAPPED)
    ]
    kind = OfferKind.GROUP if len(agencies) == len(answers) else OfferKind.CLOSED
    return Offer(item=item, kind=kind, agencies=tuple(agencies), group=group.name)


# --- saved groups ---------------------------------------------------------------------------------------------


async def groups(store: SqlStore, scope: AgencyScope) -> Sequence[RecipientGroup]:
    async with store.read(scope) as work:
        return await work.groups.all()


async def save_group(
    store: SqlStore,
    scope: AgencyScope,
    name: str,
    members: Sequence[GroupMember],
    at: datetime,
    version: int | None = None,
) -> RecipientGroup:
    """Save a group of recipients. `version` is the version that was edited, None for a new group. Raises Clash for an
    invalid group, and where it was changed meanwhile."""
    distinct = tuple({m.code: m for m in members}.values())
    title = " ".join(name.split())
    if not fold(title) or len(title) > LONGEST_NAME:
        raise Clash(f"a group needs a name of at most {LONGEST_NAME} letters")
    if not distinct or len(distinct) > MOST_MEMBERS:
        raise Clash(f"a group has 1 to {MOST_MEMBERS} recipients, not {len(distinct)}")
    group = RecipientGroup(name=title, members=distinct, saved_by=scope.principal_id, saved_at=at)
    if version is not None:
        group = replace(group, version=version + 1)
    async with store.changing(scope) as work:
        await work.groups.save(group)
    return group


async def remove_group(store: SqlStore, scope: AgencyScope, name: str) -> None:
    """Remove a group; NotFound when there is none of that name."""
    async with store.changing(scope) as work:
        if not await work.groups.remove(name):
            raise NotFound(f"there is no group named {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDocument:
    """Fields that were read from a PDF, the verdict on its signatures, and offers for its recipients. `recognised`: a
    machine read its first page in a picture; `stamps` of secrecy that it saw there are a warning, no fact."""

    name: str
    size: int
    fields: PdfFields
    verdict: FileVerdict | None
    offers: tuple[Offer, ...] = ()
    recognised: bool = False
    stamps: tuple[str, ...] = ()


async def read_document(
    services: OutgoingServices, book: SqlDirectory, scope: AgencyScope, request_files: RequestFiles
) -> ReadDocument:
    """Read the fields and recipients of the request's PDF. Refused when it is no PDF, or may not be sent anyway."""
    file = request_files.received[0]
    verdict = _judge_pdf(services, file)
    verdict.raise_if_refused()
    text = await services.signatures.text(file.scratch.path)
    first = [run for run in text.runs if run.page == 1]
    recognised = any(run.ink is Ink.RECOGNISED for run in first)
    fields = read_fields(text, file.verdict, file.facts.pages)
    return ReadDocument(
        name=file.item.name,
        size=file.item.size,
        fields=fields,
        verdict=file.verdict,
        offers=await read_recipients(
            services, book, scope, f"{fields.addressed}\n{fields.recipients.value or ''}"
        ),
        recognised=recognised,
        stamps=stamps_on(page_text(first), services.profile.secrecy_stamps) if recognised else (),
    )


async def read_recipients(
    services: OutgoingServices, book: SqlDirectory, scope: AgencyScope, text: str
) -> tuple[Offer, ...]:
    """Read one pasted list, or block, of recipients into offers."""
    (offers,) = await read_recipient_lists(services, book, scope, (text,))
    return offers


async def read_recipient_lists(
    services: OutgoingServices, book: SqlDirectory, scope: AgencyScope, texts: Sequence[str]
) -> tuple[tuple[Offer, ...], ...]:
    """Read several pasted texts into offers, one tuple for each text."""
    agency = await hosted_agency(services, scope)
    async with services.store.read(scope) as work:
        saved = await work.groups.all()
        units = [unit.name for unit in await work.units.open()]
    return await list_offers(book, saved, texts, services.today(), near=agency.code, units=units)


def _judge_pdf(services: OutgoingServices, file: Received) -> Verdict:
    name, facts = file.item.name, file.facts
    verdict = admission.judge_file(name, facts, services.profile, "/files/0")
    if facts.found_type == PDF:
        return verdict
    no_pdf = reason(ReasonCode.LEAD_TYPE, "/files/0", name=name, type=facts.found_type, allowed=PDF)
    return verdict + Verdict(reasons=(no_pdf,))
