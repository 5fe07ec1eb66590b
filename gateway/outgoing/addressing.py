"""Turns recipients as they were pasted, or stand in a signed PDF that a clerk is about to send, into codes: each item is
looked up in the directory and among the agency's own groups; what is not clear is offered, not guessed. In: text, or
the request's file. Out: `Offer`s; `ReadDocument`, of which nothing is stored: the file is inspected as one that is
sent, and parsed in the process that is there for it. The groups are saved here too."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from gateway.domain.account import AgencyScope
from gateway.domain.pdf import PdfFields
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
from gateway.errors import Clash, NotFound, Refused
from gateway.outgoing.check import hosted_agency
from gateway.outgoing.intake import Received, RequestFiles
from gateway.outgoing.services import OutgoingServices
from gateway.policy import admission
from gateway.policy.pdf_fields import read_fields
from gateway.policy.recipients_block import is_bare_post, is_code, items_of, written_out
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.registry.directory import SqlDirectory
from gateway.store.store import SqlStore
from gateway.words.reading import OWN_LINE

MOST_OFFERS = 8
_MOST_SEARCHED = 50
_MOST_ABOVE = 6
_GENERIC = frozenset(fold(written_out(each)) for each in OWN_LINE)
LONGEST_NAME = 100
_CERTAIN = (CodeStanding.ACTIVE, CodeStanding.MAPPED, CodeStanding.CLOSED)
_STATED = {
    ItemKind.POINTER: OfferKind.POINTER,
    ItemKind.FILED: OfferKind.FILED,
}


async def offers_of_each(
    book: SqlDirectory,
    groups: Sequence[RecipientGroup],
    texts: Sequence[str],
    on: date,
    near: str | None = None,
    units: Collection[str] = (),
) -> tuple[tuple[Offer, ...], ...]:
    """What each recipient in each of the texts stands for on that day; the directory is asked for everything together.
    `near` is the code of the agency that asks: names without a parent are looked for beside it, below it and above it;
    `units` are its own, which are no other agency."""
    read = [items_of(text) for text in texts]
    named = {fold(each.name): each for each in groups}
    every = [each for items in read for each in items]
    line = await _line_of(book, near)
    own = {each for each in every if line and fold(each.name) not in named and _is_inside(each, units)}
    plain = [each for each in every if each.kind not in _STATED and each not in own]
    alone = [each for each in plain if fold(each.name) not in named and each.kind is not ItemKind.MANY]
    above = {each: found for each in alone if (found := _meant(each, line)) is not None}
    alone = [each for each in alone if each not in above]
    answers = await _resolved(book, alone, on, tuple(each.code for each in reversed(line[:2])))
    unclear = [each for each in alone if not _is_clear(each, answers[each])]
    many = [each for each in plain if each.kind is ItemKind.MANY and fold(each.name) not in named]
    searched = await _searched(book, [each.name for each in (*unclear, *many)], on, line)
    made = {each: Offer(item=each, kind=_STATED[each.kind]) for each in every if each.kind in _STATED}
    made |= {each: Offer(item=each, kind=OfferKind.OWN) for each in own}
    for each in plain:
        group = named.get(fold(each.name))
        if each in above:
            made[each] = _of_line(each, above[each], line)
        elif group is not None:
            made[each] = await _group(book, group, each, on)
        elif each.kind is ItemKind.MANY:
            made[each] = Offer(item=each, kind=OfferKind.MANY, agencies=searched[each.name])
        else:
            offer = await _agency(book, each, answers[each], searched.get(each.name, ()))
            made[each] = _of_province(offer, line)
    return tuple(tuple(made[each] for each in items) for items in read)


async def _line_of(book: SqlDirectory, code: str | None) -> tuple[AgencyEntry, ...]:
    """The agency that asks, and those above it, the nearest first."""
    line: dict[str, AgencyEntry] = {}
    while code and code not in line and len(line) < _MOST_ABOVE and (entry := await book.entry(code)):
        line[entry.code] = entry
        code = entry.parent
    return tuple(line.values())


def _meant(item: Item, line: Sequence[AgencyEntry]) -> AgencyEntry | None:
    """Whoever writes "the People's Committee of the province" means that of its own province: the nearest agency of
    the line whose name so begins. A name that says which one it is, is not such."""
    if item.parent is not None or item.kind is ItemKind.MANY:
        return None
    said = fold(written_out(item.name))
    return next((each for each in line if said in _GENERIC and fold(each.name).startswith(f"{said} ")), None)


def _of_line(item: Item, entry: AgencyEntry, line: Sequence[AgencyEntry]) -> Offer:
    if entry is line[0]:
        return Offer(item=item, kind=OfferKind.OWN)
    kind = OfferKind.GUESSED if item.kind is ItemKind.PERSON else OfferKind.EXACT
    return Offer(item=item, kind=kind, agencies=(entry,))


def _is_inside(item: Item, units: Collection[str]) -> bool:
    """A unit of the very agency that asks, or a post without an agency behind it."""
    if item.parent is not None or item.kind not in (ItemKind.AGENCY, ItemKind.PERSON):
        return False
    return is_bare_post(item) or fold(written_out(item.name)) in {fold(written_out(unit)) for unit in units}


_GUESSED = (OfferKind.UNCLEAR, OfferKind.UNKNOWN, OfferKind.PERSON)


def _of_province(offer: Offer, line: Sequence[AgencyEntry]) -> Offer:
    """The one candidate of the own province is taken; a code that nobody has is asked about."""
    if not line:
        return offer
    root = f"{line[-1].code}."
    ours = [each for each in offer.agencies if f"{each.code}.".startswith(root) and each.code != line[0].code]
    if offer.kind not in _GUESSED or len(ours) != 1 or is_code(offer.item.name):
        return offer
    return replace(offer, kind=OfferKind.GUESSED, agencies=tuple(ours))


async def _resolved(
    book: SqlDirectory, items: Sequence[Item], on: date, parents: Sequence[str]
) -> dict[Item, Resolution]:
    """As it stands, then written out in full, then beside the agency that asks; the first that is certain. Of two places
    near by that both have such an agency none is."""
    asked = [(name, each.parent) for each in items for name in _tries(each)]
    first = dict(zip(asked, await book.resolve_all(asked, on, offer=False), strict=True))
    found = {each: _certain(first[name, each.parent] for name in _tries(each)) for each in items}
    open_ones = [each for each in items if found[each] is None and each.parent is None]
    beside = [(name, parent) for each in open_ones for parent in parents for name in _tries(each)]
    second = dict(zip(beside, await book.resolve_all(beside, on, offer=False), strict=True)) if beside else {}
    for each in open_ones:
        places: dict[str, Resolution] = {}
        for parent in parents:
            answer = _certain(second[name, parent] for name in _tries(each))
            if answer is not None and answer.entry is not None:
                places[answer.entry.code] = answer
        found[each] = next(iter(places.values())) if len(places) == 1 else None
    rest = [(each.name, each.parent) for each in items if found[each] is None]
    offered = dict(zip(rest, await book.resolve_all(rest, on), strict=True)) if rest else {}
    return {each: found[each] or offered[each.name, each.parent] for each in items}


def _tries(item: Item) -> tuple[str, ...]:
    return tuple(dict.fromkeys((item.name, written_out(item.name))))


def _certain(answers: Iterable[Resolution]) -> Resolution | None:
    return next((each for each in answers if each.standing in _CERTAIN), None)


def _is_clear(item: Item, answer: Resolution) -> bool:
    named = answer.entry is not None and answer.standing in (CodeStanding.ACTIVE, CodeStanding.MAPPED)
    return named and item.kind is not ItemKind.PERSON


async def _agency(
    book: SqlDirectory, item: Item, answer: Resolution, searched: Sequence[AgencyEntry]
) -> Offer:
    entry = answer.entry
    if entry is not None and _is_clear(item, answer):
        is_old = answer.standing is CodeStanding.MAPPED and answer.mapped_by != "name"
        return Offer(item=item, kind=OfferKind.OLD if is_old else OfferKind.EXACT, agencies=(entry,))
    candidates = await _candidates(book, answer, searched)
    if item.kind is ItemKind.PERSON:
        return Offer(item=item, kind=OfferKind.PERSON, agencies=candidates)
    kind = {CodeStanding.CLOSED: OfferKind.CLOSED, CodeStanding.UNKNOWN: OfferKind.UNKNOWN}.get(
        answer.standing, OfferKind.UNCLEAR
    )
    if kind is OfferKind.UNKNOWN and candidates:
        kind = OfferKind.UNCLEAR
    return Offer(item=item, kind=kind, agencies=candidates)


async def _candidates(
    book: SqlDirectory, answer: Resolution, searched: Sequence[AgencyEntry]
) -> tuple[AgencyEntry, ...]:
    """What the directory itself offers comes first: the one it found, its successor, the nearest."""
    found: dict[str, AgencyEntry] = {}
    if answer.entry is not None and answer.standing is not CodeStanding.CLOSED:
        found[answer.entry.code] = answer.entry
    for code in (answer.successor, answer.nearest):
        entry = await book.entry(code) if code else None
        if entry is not None:
            found[entry.code] = entry
    for entry in searched:
        found.setdefault(entry.code, entry)
    return tuple(found.values())[:MOST_OFFERS]


async def _searched(
    book: SqlDirectory, names: Sequence[str], on: date, line: Sequence[AgencyEntry]
) -> dict[str, tuple[AgencyEntry, ...]]:
    """By the words as they stand; where those find nobody, written out in full. Those of one's own province or ministry
    come first."""
    root = line[-1].code if line else ""
    found: dict[str, tuple[AgencyEntry, ...]] = {}
    for write in (str, written_out):
        texts = {name: write(name) for name in names if not found.get(name)}
        told = await book.search_all(set(texts.values()), _MOST_SEARCHED) if texts else {}
        for name, text in texts.items():
            alive = [each for each in told[text] if _is_alive(each, on)]
            ours = [each for each in alive if root and f"{each.code}.".startswith(f"{root}.")]
            found[name] = tuple(dict.fromkeys((*ours, *alive)))[:MOST_OFFERS]
    return found


def _is_alive(entry: AgencyEntry, on: date) -> bool:
    return entry.valid_to is None or on <= entry.valid_to


async def _group(book: SqlDirectory, group: RecipientGroup, item: Item, on: date) -> Offer:
    """Its members as they are today; one that is no more makes the group a question."""
    answers = await book.resolve_all([(each.code, None) for each in group.members], on)
    agencies = [
        each.entry
        for each in answers
        if each.entry is not None and each.standing in (CodeStanding.ACTIVE, CodeStanding.MAPPED)
    ]
    kind = OfferKind.GROUP if len(agencies) == len(answers) else OfferKind.CLOSED
    return Offer(item=item, kind=kind, agencies=tuple(agencies), group=group.name)


# --- saved groups ---------------------------------------------------------------------------------------------


async def groups(store: SqlStore, scope: AgencyScope) -> Sequence[RecipientGroup]:
    """All of the agency's, by name."""
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
    """`version` is the one that was changed; None for a new group. Clash when it was changed meanwhile, or is not fit."""
    kept = tuple({each.code: each for each in members}.values())
    title = " ".join(name.split())
    if not fold(title) or len(title) > LONGEST_NAME:
        raise Clash(f"a group needs a name of at most {LONGEST_NAME} letters")
    if not kept or len(kept) > MOST_MEMBERS:
        raise Clash(f"a group has 1 to {MOST_MEMBERS} recipients, not {len(kept)}")
    group = RecipientGroup(name=title, members=kept, saved_by=scope.principal_id, saved_at=at)
    if version is not None:
        group = replace(group, version=version + 1)
    async with store.begin(scope) as work:
        await work.groups.save(group)
        await work.commit()
    return group


async def remove_group(store: SqlStore, scope: AgencyScope, name: str) -> None:
    """NotFound when there is none of that name."""
    async with store.begin(scope) as work:
        if not await work.groups.remove(name):
            raise NotFound(f"there is no group named {name!r}")
        await work.commit()


PDF = "pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDocument:
    """What the file says of itself, what its signatures are worth, and whom its recipients may be."""

    name: str
    size: int
    fields: PdfFields
    verdict: FileVerdict | None
    offers: tuple[Offer, ...] = ()


async def read_document(
    services: OutgoingServices, book: SqlDirectory, scope: AgencyScope, request_files: RequestFiles
) -> ReadDocument:
    """Refused when the file is no PDF, or one that could not be sent anyway."""
    file = request_files.received[0]
    refused = _refused_pdf(services, file)
    if not refused.allowed:
        raise Refused(refused)
    fields = read_fields(await services.signatures.text(file.scratch.path), file.verdict, file.facts.pages)
    return ReadDocument(
        name=file.item.name,
        size=file.item.size,
        fields=fields,
        verdict=file.verdict,
        offers=await read_recipients(
            services, book, scope, f"{fields.addressed}\n{fields.recipients.value or ''}"
        ),
    )


async def read_recipients(
    services: OutgoingServices, book: SqlDirectory, scope: AgencyScope, text: str
) -> tuple[Offer, ...]:
    """The same for a list, or a block of recipients, that was pasted."""
    (found,) = await read_each(services, book, scope, (text,))
    return found


async def read_each(
    services: OutgoingServices, book: SqlDirectory, scope: AgencyScope, texts: Sequence[str]
) -> tuple[tuple[Offer, ...], ...]:
    """The same of several texts, each by itself."""
    agency = await hosted_agency(services, scope)
    async with services.store.read(scope) as work:
        saved = await work.groups.all()
        units = await work.parts.units(services.clock.now())
    return await offers_of_each(book, saved, texts, services.today(), near=agency.code, units=units)


def _refused_pdf(services: OutgoingServices, file: Received) -> Verdict:
    name, facts = file.item.name, file.facts
    verdict = admission.judge_file(name, facts, services.profile, "/files/0")
    if facts.found_type == PDF:
        return verdict
    no_pdf = reason(ReasonCode.LEAD_TYPE, "/files/0", name=name, type=facts.found_type, allowed=PDF)
    return verdict + Verdict(reasons=(no_pdf,))
