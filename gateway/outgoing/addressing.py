"""Turns recipients as they were pasted, or read from a document, into codes: each item is looked up in the directory and
among the agency's own groups; what is not clear is offered, not guessed. In: text with recipients. Out: `Offer`s. The
groups are saved here too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from gateway.domain.account import AgencyScope
from gateway.domain.recipients import (
    MOST_MEMBERS,
    GroupMember,
    Item,
    ItemKind,
    Offer,
    OfferKind,
    RecipientGroup,
)
from gateway.domain.registry import AgencyEntry, Resolution, Standing
from gateway.domain.text import fold
from gateway.errors import Clash, NotFound
from gateway.policy.recipients_block import items_of, written_out
from gateway.ports import AgencyBook, Store

MOST_OFFERS = 8
LONGEST_NAME = 100
_STATED = {
    ItemKind.POINTER: OfferKind.POINTER,
    ItemKind.FILED: OfferKind.FILED,
}


async def offers(
    book: AgencyBook, groups: Sequence[RecipientGroup], text: str, on: date, near: str | None = None
) -> tuple[Offer, ...]:
    """What each recipient in the text stands for on that day. `near` is the code of the agency that asks: names without a
    parent are looked for beside it, below it and above it."""
    parents = await _near(book, near)
    return tuple([await _offer(book, groups, item, on, parents) for item in items_of(text)])


async def _near(book: AgencyBook, code: str | None) -> tuple[str, ...]:
    own = await book.entry(code) if code else None
    if own is None:
        return ()
    return tuple(dict.fromkeys(each for each in (own.parent, own.code) if each))


async def _offer(
    book: AgencyBook, groups: Sequence[RecipientGroup], item: Item, on: date, parents: Sequence[str]
) -> Offer:
    if item.kind in _STATED:
        return Offer(item=item, kind=_STATED[item.kind])
    group = next((each for each in groups if fold(each.name) == fold(item.name)), None)
    if group is not None:
        return await _group(book, group, item, on)
    if item.kind is ItemKind.MANY:
        return Offer(item=item, kind=OfferKind.MANY, agencies=await _searched(book, item.name, on))
    answer = await _resolved(book, item, on, parents)
    if item.kind is ItemKind.PERSON:
        return Offer(item=item, kind=OfferKind.PERSON, agencies=await _candidates(book, item, answer, on))
    return await _agency(book, item, answer, on)


async def _resolved(book: AgencyBook, item: Item, on: date, parents: Sequence[str]) -> Resolution:
    """As it stands, then written out in full, then beside the agency that asks; the first that is certain. Of two places
    near by that both have such an agency none is."""
    tries = dict.fromkeys((item.name, written_out(item.name)))
    first: Resolution | None = None
    for name in tries:
        answer = await book.resolve(name, on, item.parent)
        if _is_certain(answer):
            return answer
        first = first or answer
    found: dict[str, Resolution] = {}
    for parent in parents if item.parent is None else ():
        for name in tries:
            answer = await book.resolve(name, on, parent)
            if _is_certain(answer) and answer.entry is not None:
                found[answer.entry.code] = answer
    if len(found) == 1:
        return next(iter(found.values()))
    assert first is not None  # noqa: S101 - there is one name at least
    return first


def _is_certain(answer: Resolution) -> bool:
    return answer.standing in (Standing.ACTIVE, Standing.MAPPED, Standing.CLOSED)


async def _agency(book: AgencyBook, item: Item, answer: Resolution, on: date) -> Offer:
    entry = answer.entry
    if entry is not None and answer.standing is Standing.ACTIVE:
        return Offer(item=item, kind=OfferKind.NAMED, agencies=(entry,))
    if entry is not None and answer.standing is Standing.MAPPED:
        kind = OfferKind.NAMED if answer.mapped_by == "name" else OfferKind.OLD
        return Offer(item=item, kind=kind, agencies=(entry,))
    kind = {Standing.CLOSED: OfferKind.CLOSED, Standing.UNKNOWN: OfferKind.UNKNOWN}.get(
        answer.standing, OfferKind.UNCLEAR
    )
    candidates = await _candidates(book, item, answer, on)
    if kind is OfferKind.UNKNOWN and candidates:
        kind = OfferKind.UNCLEAR
    return Offer(item=item, kind=kind, agencies=candidates)


async def _candidates(book: AgencyBook, item: Item, answer: Resolution, on: date) -> tuple[AgencyEntry, ...]:
    """What the directory itself offers comes first: the one it found, its successor, the nearest."""
    found: dict[str, AgencyEntry] = {}
    if answer.entry is not None and answer.standing is not Standing.CLOSED:
        found[answer.entry.code] = answer.entry
    for code in (answer.successor, answer.nearest):
        entry = await book.entry(code) if code else None
        if entry is not None:
            found[entry.code] = entry
    for entry in await _searched(book, item.name, on):
        found.setdefault(entry.code, entry)
    return tuple(found.values())[:MOST_OFFERS]


async def _searched(book: AgencyBook, name: str, on: date) -> tuple[AgencyEntry, ...]:
    for text in dict.fromkeys((name, written_out(name))):
        found = [each for each in await book.search(text, MOST_OFFERS) if _is_alive(each, on)]
        if found:
            return tuple(found)
    return ()


def _is_alive(entry: AgencyEntry, on: date) -> bool:
    return entry.valid_to is None or on <= entry.valid_to


async def _group(book: AgencyBook, group: RecipientGroup, item: Item, on: date) -> Offer:
    """Its members as they are today; one that is no more makes the group a question."""
    agencies, is_whole = [], True
    for member in group.members:
        answer = await book.resolve(member.code, on)
        if answer.entry is not None and answer.standing in (Standing.ACTIVE, Standing.MAPPED):
            agencies.append(answer.entry)
        else:
            is_whole = False
    kind = OfferKind.GROUP if is_whole else OfferKind.CLOSED
    return Offer(item=item, kind=kind, agencies=tuple(agencies), group=group.name)


# --- saved groups ---------------------------------------------------------------------------------------------


async def groups(store: Store, scope: AgencyScope) -> Sequence[RecipientGroup]:
    """All of the agency's, by name."""
    async with store.read(scope) as work:
        return await work.groups.all()


async def save_group(
    store: Store,
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


async def remove_group(store: Store, scope: AgencyScope, name: str) -> None:
    """NotFound when there is none of that name."""
    async with store.begin(scope) as work:
        if not await work.groups.remove(name):
            raise NotFound(f"there is no group named {name!r}")
        await work.commit()
