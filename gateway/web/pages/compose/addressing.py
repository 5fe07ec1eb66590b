"""Part 3 of a new document, its recipients: rows of a form become recipients, pasted text becomes rows, and each row says
what the directory knows of it today. A name that is not clear stays a question with offers; nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.domain.agency_code import AgencyCode, BadCode
from gateway.domain.document import Recipient, RecipientRole
from gateway.domain.recipients import MOST_MEMBERS, GroupMember, Offer, OfferKind
from gateway.domain.registry import AgencyEntry, Resolution, Standing
from gateway.domain.registry_reform import ReformKind
from gateway.outgoing.addressing import groups, save_group
from gateway.outgoing.reading import read_recipients
from gateway.web.forms import Form
from gateway.web.visit import Visit

MOST = 2_000
_NAMED = "="
_ENDED = {ReformKind.MERGE: "merge", ReformKind.CONSOLIDATE: "consolidate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
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
    found = await read_recipients(visit.deps.out, visit.deps.agencies, visit.scope(), text)
    return await offered(visit, recipients, found, role)


async def offered(
    visit: Visit, recipients: Sequence[Recipient], offers: Sequence[Offer], role: RecipientRole | None = None
) -> tuple[tuple[Recipient, ...], int]:
    """The same of offers that were made already."""
    rows = {key_of(each): each for each in recipients}
    skipped = 0
    for each in offers:
        if each.kind in (OfferKind.POINTER, OfferKind.FILED):
            skipped += 1
            continue
        for one in await _of_offer(visit, each, role):
            rows.setdefault(key_of(one), one)
    return tuple(rows.values())[:MOST], skipped


async def with_group(visit: Visit, recipients: Sequence[Recipient], name: str) -> tuple[Recipient, ...]:
    """With the members of that group, as they are today."""
    return (await pasted(visit, recipients, name))[0]


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


async def rows(visit: Visit, recipients: Sequence[Recipient]) -> list[Row]:
    """What the form shows."""
    return [await _row(visit, each) for each in recipients]


async def _of_offer(visit: Visit, offer: Offer, role: RecipientRole | None) -> tuple[Recipient, ...]:
    item = offer.item
    wanted = item.role or role or RecipientRole.TO_ACT
    if not offer.settled:
        if offer.kind is OfferKind.GROUP or offer.group:
            return await _members(visit, offer, wanted)
        if _is_code(item.name):
            return (Recipient(code=item.name.upper(), role=wanted),)
        return (Recipient(name=item.name, parent=item.parent, role=wanted),)
    if offer.kind is OfferKind.GROUP:
        return await _members(visit, offer, wanted)
    given = item.text.strip() if offer.kind is OfferKind.OLD else None
    return tuple(
        Recipient(code=each.code, name=each.name, role=wanted, given=given) for each in offer.agencies
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


async def _row(visit: Visit, recipient: Recipient) -> Row:
    role = recipient.role.value
    if not recipient.code:
        return await _asked(visit, recipient, role)
    out = visit.deps.out
    answer = await out.directory.resolve(recipient.code, out.today(), recipient.parent)
    entry = answer.entry
    row = Row(
        key=recipient.code,
        code=entry.code if entry else recipient.code,
        name=(entry.name if entry else recipient.name) or "",
        role=role,
        was=recipient.given or (recipient.code if entry and entry.code != recipient.code else ""),
    )
    if answer.standing is Standing.CLOSED:
        return replace(
            row,
            is_asked=True,
            code=recipient.code,
            was="",
            words=_closed(visit, answer, recipient),
            offers=await _heirs(visit, answer),
        )
    if answer.standing in (Standing.UNKNOWN, Standing.UNCERTAIN):
        near = await _near(visit, answer, recipient.code)
        return replace(row, is_asked=True, words=_unknown(visit, recipient.code, near), offers=near)
    if not await _has_certificate(visit, row.code):
        return replace(row, words=visit.say("compose.to.no_certificate"))
    return row


async def _asked(visit: Visit, recipient: Recipient, role: str) -> Row:
    name = recipient.name or ""
    found = await read_recipients(visit.deps.out, visit.deps.agencies, visit.scope(), name)
    offers = tuple({agency.code: agency for each in found for agency in each.agencies}.values())
    kind = found[0].kind if found else OfferKind.UNKNOWN
    several = kind in (OfferKind.MANY, OfferKind.GROUP)
    asks = "none" if not offers else "many" if several else "one"
    words = visit.say(f"compose.asked.{asks}", name=name)
    return Row(
        key=key_of(recipient),
        code="",
        name=name,
        role=role,
        is_asked=True,
        offers=offers,
        several=several,
        words=words,
    )


def _closed(visit: Visit, answer: Resolution, recipient: Recipient) -> str:
    """The words of the contract for an agency that is no more."""
    ending, entry = answer.ending, answer.entry
    name = (entry.name if entry else recipient.name) or recipient.code
    heirs = ", ".join(ending.heirs if ending and ending.heirs else filter(None, [answer.successor]))
    day = ending.since if ending else entry.valid_to if entry else None
    when = day.strftime("%d/%m/%Y") if day else ""
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
    found = [await visit.deps.agencies.entry(code) for code in codes if code]
    return tuple(each for each in found if each is not None)


async def _near(visit: Visit, answer: Resolution, code: str) -> tuple[AgencyEntry, ...]:
    nearest = await visit.deps.agencies.entry(answer.nearest) if answer.nearest else None
    found = [nearest] if nearest else list(await visit.deps.agencies.search(code, 5))
    return tuple(found)


async def _has_certificate(visit: Visit, code: str) -> bool:
    now = visit.deps.clock.now()
    bound = await visit.deps.out.directory.bindings(code)
    return any(
        (each.valid_from is None or each.valid_from <= now)
        and (each.valid_to is None or now <= each.valid_to)
        for each in bound
    )
