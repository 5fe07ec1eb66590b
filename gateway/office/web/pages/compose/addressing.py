"""Part 3 of a new document, its recipients: rows of a form become recipients, pasted text becomes rows, and each row says
what the directory knows of it today. A name that is not clear stays a question with offers; where it may mean only one
of the own province that one is taken, and its row says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.domain.document import Recipient, RecipientRole
from gateway.domain.registry import (
    MOST_MEMBERS,
    AgencyCode,
    AgencyEntry,
    BadCode,
    CodeStanding,
    GroupMember,
    Offer,
    OfferKind,
    Resolution,
)
from gateway.domain.registry_reform import ReformKind
from gateway.domain.wall_clock import local
from gateway.office.web.dates import day_text
from gateway.office.web.forms import Form
from gateway.office.web.visits import Visit
from gateway.outgoing.addressing import groups, read_each, read_recipients, save_group

MOST = 2_000
# Whoever could not be reached in this time, and has said nothing since, is marked.
LATELY = timedelta(days=7)
_NAMED = "="
_GUESS = "guess"
_LONGEST_GIVEN = 200
_ENDED = {ReformKind.MERGE: "merge", ReformKind.CONSOLIDATE: "consolidate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRecipient:
    """One recipient as the form shows it. `key` goes with the form; `was` is the code or name that was written, where it is
    another today; `words` is what speaks against it, `offers` whom to choose instead."""

    key: str
    name: str
    code: str
    role: str
    was: str = ""
    words: str = ""
    is_asked: bool = False
    offers: tuple[AgencyEntry, ...] = ()
    several: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _KnownRecipients:
    """Of all recipients of one form: what their codes and names stand for, for which codes a certificate speaks, and to
    which sending failed last, when."""

    answers: Mapping[tuple[str, str | None], Resolution]
    offers: Mapping[str, Sequence[Offer]]
    bound: frozenset[str]
    silent: Mapping[str, datetime]


def key_of(recipient: Recipient) -> str:
    return recipient.code or f"{_NAMED}{recipient.name or ''}"


def typed(form: Form, before: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """The rows of the form, with what was chosen for those that were asked; each recipient once."""
    known = {key_of(each): each for each in before}
    roles = form.all("to_role")
    found: dict[str, Recipient] = {}
    for n, key in enumerate(form.all("to_key")[:MOST]):
        role = role_of(roles[n] if n < len(roles) else "")
        picked = [each for each in form.all(f"pick.{n}") if each]
        for each in picked or [key]:
            one = replace(_made(each, known), role=role)
            if key_of(one) not in ("", _NAMED):
                found.setdefault(key_of(one), one)
    return tuple(found.values())


def role_of(text: str) -> RecipientRole:
    return RecipientRole(text) if text in tuple(RecipientRole) else RecipientRole.TO_ACT


def with_codes(
    recipients: Sequence[Recipient], codes: Sequence[str], role: RecipientRole
) -> tuple[Recipient, ...]:
    """These codes too, unless they are there."""
    there = {each.code.casefold() for each in recipients}
    new = [
        Recipient(code=code, role=role)
        for code in dict.fromkeys(each.strip().upper() for each in codes)
        if code and code.casefold() not in there
    ]
    return (*recipients, *new)[:MOST]


async def pasted(
    visit: Visit, recipients: Sequence[Recipient], text: str, role: RecipientRole | None = None
) -> tuple[tuple[Recipient, ...], int]:
    """With what the text names; also how many of its items name no agency, such as what only says that a copy is filed."""
    found = await read_recipients(visit.deps.out, visit.deps.registry, visit.scope(), text)
    return await offered(visit, recipients, found, role)


async def offered(
    visit: Visit, recipients: Sequence[Recipient], offers: Sequence[Offer], role: RecipientRole | None = None
) -> tuple[tuple[Recipient, ...], int]:
    """The same of offers that were made already."""
    rows = {key_of(each): each for each in recipients}
    skipped = 0
    for each in offers:
        if each.kind in (OfferKind.POINTER, OfferKind.FILED, OfferKind.OWN):
            skipped += 1
            continue
        for one in await _of_offer(visit, each, role):
            rows.setdefault(key_of(one), one)
    return tuple(rows.values())[:MOST], skipped


async def keep_group(visit: Visit, recipients: Sequence[Recipient], name: str) -> None:
    """These recipients under a name; a group of that name is changed. Clash when it is not fit."""
    members = [GroupMember(code=each.code, role=each.role) for each in recipients if each.code]
    known = {each.name.casefold(): each for each in await groups(visit.deps.store, visit.scope())}
    earlier = known.get(" ".join(name.split()).casefold())
    await save_group(
        visit.deps.store,
        visit.scope(),
        earlier.name if earlier else name,
        members[: MOST_MEMBERS + 1],
        visit.deps.clock.now(),
        earlier.version if earlier else None,
    )


async def rows(visit: Visit, recipients: Sequence[Recipient]) -> list[ShownRecipient]:
    """What the form shows; the directory is asked for all of them together."""
    known = await _known(visit, recipients)
    return [
        await _row(visit, each, known) if each.code else _asked(visit, each, known) for each in recipients
    ]


async def _known(visit: Visit, recipients: Sequence[Recipient]) -> _KnownRecipients:
    out, book = visit.deps.out, visit.deps.registry
    coded = list(dict.fromkeys((each.code, each.parent) for each in recipients if each.code))
    answers = dict(zip(coded, await book.resolve_all(coded, out.today()), strict=True)) if coded else {}
    names = list(dict.fromkeys(each.name or "" for each in recipients if not each.code))
    offers = await read_each(out, book, visit.scope(), names) if names else ()
    codes = {answer.entry.code if answer.entry else code for (code, _), answer in answers.items()}
    now = visit.deps.clock.now()
    async with visit.deps.store.read(visit.scope()) as work:
        silent = await work.deliveries.silent(codes, now - LATELY) if codes else {}
    return _KnownRecipients(
        answers=answers,
        offers=dict(zip(names, offers, strict=True)),
        bound=frozenset(await book.bound(codes, now)) if codes else frozenset(),
        silent=silent,
    )


async def _of_offer(visit: Visit, offer: Offer, role: RecipientRole | None) -> tuple[Recipient, ...]:
    item = offer.item
    wanted = item.role or role or RecipientRole.TO_ACT
    if offer.kind is OfferKind.GROUP or (offer.group and not offer.settled):
        return await _members(visit, offer, wanted)
    if not offer.settled:
        if offer.kind is OfferKind.PERSON:
            # As it was written: the row is about a person, and asks for the agency behind.
            return (Recipient(name=item.text, role=wanted),)
        if _is_code(item.name):
            return (Recipient(code=item.name.upper(), role=wanted),)
        return (Recipient(name=item.name, parent=item.parent, role=wanted),)
    is_guess = offer.kind is OfferKind.GUESSED
    given = item.text.strip()[:_LONGEST_GIVEN] if is_guess or offer.kind is OfferKind.OLD else None
    by = _GUESS if is_guess else None
    return tuple(
        Recipient(code=each.code, name=each.name, role=wanted, given=given, mapped_by=by)
        for each in offer.agencies
    )


async def _members(visit: Visit, offer: Offer, role: RecipientRole) -> tuple[Recipient, ...]:
    """A group's members as they were saved, so that one that is no more is asked about by its own row."""
    saved = {each.name: each for each in await groups(visit.deps.store, visit.scope())}
    group = saved.get(offer.group or "")
    if group is None:
        return tuple(Recipient(code=each.code, name=each.name, role=role) for each in offer.agencies)
    return tuple(Recipient(code=each.code, role=each.role or role) for each in group.members)


def _is_code(text: str) -> bool:
    try:
        AgencyCode.parse(text.upper())
    except BadCode:
        return False
    return True


def _made(key: str, known: dict[str, Recipient]) -> Recipient:
    if key in known:
        return known[key]
    if key.startswith(_NAMED):
        return Recipient(name=key[len(_NAMED) :][:200])
    return Recipient(code=key.strip()[:75])


async def _row(visit: Visit, recipient: Recipient, known: _KnownRecipients) -> ShownRecipient:
    answer = known.answers[recipient.code, recipient.parent]
    entry = answer.entry
    row = ShownRecipient(
        key=recipient.code,
        code=entry.code if entry else recipient.code,
        name=(entry.name if entry else recipient.name) or "",
        role=recipient.role.value,
        was=recipient.given or (recipient.code if entry and entry.code != recipient.code else ""),
    )
    if answer.standing is CodeStanding.CLOSED:
        return replace(
            row,
            is_asked=True,
            code=recipient.code,
            was="",
            words=_closed(visit, answer, recipient),
            offers=await _heirs(visit, answer),
        )
    if answer.standing in (CodeStanding.UNKNOWN, CodeStanding.UNCERTAIN):
        near = await _near(visit, answer, recipient.code)
        return replace(row, is_asked=True, words=_unknown(visit, recipient.code, near), offers=near)
    if recipient.mapped_by == _GUESS:
        row = replace(row, words=visit.say("compose.to.guessed", name=recipient.given or ""))
    if row.code not in known.bound:
        return replace(row, words=visit.say("compose.to.no_certificate"))
    if (failed_at := known.silent.get(row.code)) is not None:
        return replace(
            row, words=visit.say("compose.to.unreachable", time=f"{local(failed_at):%H:%M %d/%m/%Y}")
        )
    return row


def _asked(visit: Visit, recipient: Recipient, known: _KnownRecipients) -> ShownRecipient:
    name = recipient.name or ""
    found = known.offers[name]
    offers = tuple({agency.code: agency for each in found for agency in each.agencies}.values())
    kind = found[0].kind if found else OfferKind.UNKNOWN
    several = kind in (OfferKind.MANY, OfferKind.GROUP)
    nobody = "all" if kind is OfferKind.MANY else "none"
    asks = nobody if not offers else "many" if several else "one"
    return ShownRecipient(
        key=key_of(recipient),
        code="",
        name=name,
        role=recipient.role.value,
        is_asked=True,
        offers=offers,
        several=several,
        words=visit.say(f"compose.asked.{asks}", name=name),
    )


def _closed(visit: Visit, answer: Resolution, recipient: Recipient) -> str:
    """The words of the contract for an agency that is no more."""
    ending, entry = answer.ending, answer.entry
    name = (entry.name if entry else recipient.name) or recipient.code
    heirs = ", ".join(ending.heirs if ending and ending.heirs else filter(None, [answer.successor]))
    day = ending.since if ending else entry.valid_to if entry else None
    when = day_text(day)
    kind = _ENDED.get(ending.kind, "dissolve") if ending and heirs else "dissolve"
    how = visit.say(f"compose.ended.{kind}", heirs=heirs)
    said = visit.say("compose.ended", name=name, how=how)
    said += f" {visit.say('compose.ended.from', day=when)}" if when else ""
    said += f" {visit.say('compose.ended.by', decision=ending.decision.number)}" if ending else ""
    return f"{said}. {visit.say('compose.ended.to', heirs=heirs)}" if heirs else f"{said}."


def _unknown(visit: Visit, code: str, near: Sequence[AgencyEntry]) -> str:
    said = visit.say("compose.unknown", code=code)
    names = ", ".join(f"{each.code} {each.name}" for each in near)
    return f"{said} {visit.say('compose.unknown.offer', list=names)}" if near else said


async def _heirs(visit: Visit, answer: Resolution) -> tuple[AgencyEntry, ...]:
    codes = answer.ending.heirs if answer.ending and answer.ending.heirs else (answer.successor,)
    found = [await visit.deps.registry.entry(code) for code in codes if code]
    return tuple(each for each in found if each is not None)


async def _near(visit: Visit, answer: Resolution, code: str) -> tuple[AgencyEntry, ...]:
    nearest = await visit.deps.registry.entry(answer.nearest) if answer.nearest else None
    return (nearest,) if nearest else tuple(await visit.deps.registry.search(code, 5))
