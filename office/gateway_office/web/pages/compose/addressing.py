"""Part 3 of a new document, its recipients: rows of a form become recipients, pasted text becomes rows, and each row shows
the directory's entry of today. An unclear name stays a question with offers, a guess one with its likely answer. Entries
that end at one agency are one row, which names each of them."""

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
    ItemKind,
    Offer,
    OfferKind,
    RecipientGroup,
    Resolution,
)
from gateway.domain.registry_reform import ReformKind
from gateway.domain.text import fold
from gateway.domain.wall_clock import local
from gateway.outgoing.addressing import groups, read_recipient_lists, read_recipients, save_group
from gateway.policy.recipients_block import written_out
from gateway_office.web.dates import day_text
from gateway_office.web.forms import Form
from gateway_office.web.page_requests import PageRequest

MOST = 2_000
# A recipient that could not be reached in this time, and is silent since, is marked.
LATELY = timedelta(days=7)
_NAME_MARK = "="
_TOGETHER, _JOINT = "together", "; "
_LONGEST_TEXT = 200
_ENDED = {ReformKind.MERGE: "merge", ReformKind.CONSOLIDATE: "consolidate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRecipient:
    """Recipient as the form shows it. `key` goes with the form; `was` is the written code or name, where today's differs;
    `words` is the sentence against it, `guess` the likely answer, `offers` the agencies to choose instead."""

    key: str
    name: str
    code: str
    role: str
    was: str = ""
    words: str = ""
    is_asked: bool = False
    guess: AgencyEntry | None = None
    offers: tuple[AgencyEntry, ...] = ()
    several: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _KnownRecipients:
    """Facts on all recipients of one form: the entries of their codes and names, the codes that have a certificate, and the
    last failed sending, by code."""

    answers: Mapping[tuple[str, str | None], Resolution]
    offers: Mapping[str, Sequence[Offer]]
    bound: frozenset[str]
    silent: Mapping[str, datetime]


def key_of(recipient: Recipient) -> str:
    return recipient.code or f"{_NAME_MARK}{recipient.name or ''}"


def read_rows(form: Form, earlier: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """Read the rows of the form, with the agencies chosen for unclear rows; each recipient once."""
    recipients_by_key = {key_of(r): r for r in earlier}
    roles = form.all("to_role")
    recipients: dict[str, Recipient] = {}
    for n, key in enumerate(form.all("to_key")[:MOST]):
        role = role_of(roles[n] if n < len(roles) else "")
        picked = [r for r in form.all(f"pick.{n}") if r]
        for picked_key in picked or [key]:
            recipient = replace(_recipient_of_key(picked_key, recipients_by_key), role=role)
            if picked:
                recipient = replace(recipient, given=key.removeprefix(_NAME_MARK))
            if key_of(recipient) not in ("", _NAME_MARK):
                _merge_recipient(recipients, recipient, recipient.given or "")
    return tuple(recipients.values())


def answer_row(recipients: Sequence[Recipient], key: str, code: str) -> tuple[Recipient, ...]:
    """Put the agency with this code in the place of the row with that key; the row keeps its purpose."""
    rows: dict[str, Recipient] = {}
    for recipient in recipients:
        if key_of(recipient) == key:
            recipient = Recipient(code=code, role=recipient.role, given=key.removeprefix(_NAME_MARK))
        _merge_recipient(rows, recipient, recipient.given or "")
    return tuple(rows.values())


def _merge_recipient(rows: dict[str, Recipient], recipient: Recipient, written_name: str) -> None:
    """Add a recipient; where its agency has a row, that row names what was written too."""
    former = rows.setdefault(key_of(recipient), recipient)
    names = (former.code, former.name or "", *(former.given or "").split(_JOINT))
    if former is not recipient and fold(written_out(written_name)) not in map(fold, ("", *names)):
        written_names = _JOINT.join(filter(None, (former.given, written_name)))[:_LONGEST_TEXT]
        rows[key_of(recipient)] = replace(former, given=written_names, mapped_by=_TOGETHER)


def role_of(text: str) -> RecipientRole:
    return RecipientRole(text) if text in tuple(RecipientRole) else RecipientRole.TO_ACT


def with_codes(
    recipients: Sequence[Recipient], codes: Sequence[str], role: RecipientRole
) -> tuple[Recipient, ...]:
    """Add these codes too, unless they are there."""
    present = {r.code.casefold() for r in recipients}
    new = [
        Recipient(code=code, role=role)
        for code in dict.fromkeys(r.strip().upper() for r in codes)
        if code and code.casefold() not in present
    ]
    return (*recipients, *new)[:MOST]


async def add_pasted(
    request: PageRequest, recipients: Sequence[Recipient], text: str, role: RecipientRole | None = None
) -> tuple[tuple[Recipient, ...], int]:
    """Add the recipients that the text names; count the items that name no agency, such as a note that a copy is filed."""
    read = await read_recipients(request.deps.out, request.deps.registry, request.scope(), text)
    return await add_offers(request, recipients, read, role)


async def add_offers(
    request: PageRequest,
    recipients: Sequence[Recipient],
    offers: Sequence[Offer],
    role: RecipientRole | None = None,
) -> tuple[tuple[Recipient, ...], int]:
    """Add the recipients of offers that were made already, as `add_pasted`."""
    return merge_offers(recipients, offers, await groups(request.deps.store, request.scope()), role)


def merge_offers(
    recipients: Sequence[Recipient],
    offers: Sequence[Offer],
    saved: Sequence[RecipientGroup],
    role: RecipientRole | None = None,
) -> tuple[tuple[Recipient, ...], int]:
    """Return the rows with those of the offers, where each offer has a row or is named by one, and the number of offers
    that name no agency."""
    rows = {key_of(recipient): recipient for recipient in recipients}
    members = {group.name: group.members for group in saved}
    skipped = 0
    for offer in offers:
        if offer.kind in (OfferKind.POINTER, OfferKind.FILED, OfferKind.OWN):
            skipped += 1
            continue
        for recipient in _recipients_of_offer(offer, members, role):
            _merge_recipient(rows, recipient, offer.item.name)
    return tuple(rows.values())[:MOST], skipped


async def keep_group(request: PageRequest, recipients: Sequence[Recipient], name: str) -> None:
    """Save these recipients under a name; a group of that name is changed. Raise Clash when it is not fit."""
    members = [GroupMember(code=r.code, role=r.role) for r in recipients if r.code]
    saved = {r.name.casefold(): r for r in await groups(request.deps.store, request.scope())}
    saved_group = saved.get(" ".join(name.split()).casefold())
    await save_group(
        request.deps.store,
        request.scope(),
        saved_group.name if saved_group else name,
        members[: MOST_MEMBERS + 1],
        request.deps.clock.now(),
        saved_group.version if saved_group else None,
    )


async def rows(request: PageRequest, recipients: Sequence[Recipient]) -> list[ShownRecipient]:
    """Make the rows that the form shows; the directory is asked for all of them together."""
    facts = await _look_up(request, recipients)
    return [await _row(request, r, facts) if r.code else _unclear_row(request, r, facts) for r in recipients]


async def _look_up(request: PageRequest, recipients: Sequence[Recipient]) -> _KnownRecipients:
    out, book = request.deps.out, request.deps.registry
    coded = list(dict.fromkeys((r.code, r.parent) for r in recipients if r.code))
    answers = dict(zip(coded, await book.resolve_all(coded, out.today()), strict=True)) if coded else {}
    names = list(dict.fromkeys(r.name or "" for r in recipients if not r.code))
    offers = await read_recipient_lists(out, book, request.scope(), names) if names else ()
    codes = {answer.entry.code if answer.entry else code for (code, _), answer in answers.items()}
    now = request.deps.clock.now()
    async with request.deps.store.read(request.scope()) as work:
        silent = await work.deliveries.silent(codes, now - LATELY) if codes else {}
    return _KnownRecipients(
        answers=answers,
        offers=dict(zip(names, offers, strict=True)),
        bound=frozenset(await book.bound(codes, now)) if codes else frozenset(),
        silent=silent,
    )


def _recipients_of_offer(
    offer: Offer, saved: Mapping[str, Sequence[GroupMember]], role: RecipientRole | None
) -> tuple[Recipient, ...]:
    """Return the recipients of an offer; those of a group as they were saved, so that one that has ended is asked about
    by its own row."""
    item = offer.item
    role_of_recipient = item.role or role or RecipientRole.TO_ACT
    if (offer.kind is OfferKind.GROUP or not offer.settled) and (members := saved.get(offer.group or "")):
        return tuple(Recipient(code=g.code, role=g.role or role_of_recipient) for g in members)
    if not offer.settled:
        if item.kind is ItemKind.PERSON:
            # The row keeps the person's name as written, and asks for the agency behind.
            return (Recipient(name=item.text[:_LONGEST_TEXT], role=role_of_recipient),)
        if _is_code(item.name):
            return (Recipient(code=item.name.upper(), role=role_of_recipient),)
        return (Recipient(name=item.name, parent=item.parent, role=role_of_recipient),)
    written_text = item.text.strip()[:_LONGEST_TEXT] if offer.kind is OfferKind.OLD else None
    return tuple(
        Recipient(code=agency.code, name=agency.name, role=role_of_recipient, given=written_text)
        for agency in offer.agencies
    )


def _is_code(text: str) -> bool:
    try:
        AgencyCode.parse(text.upper())
    except BadCode:
        return False
    return True


def _recipient_of_key(key: str, recipients_by_key: dict[str, Recipient]) -> Recipient:
    if key in recipients_by_key:
        return recipients_by_key[key]
    if key.startswith(_NAME_MARK):
        return Recipient(name=key[len(_NAME_MARK) :][:200])
    return Recipient(code=key.strip()[:75])


async def _row(request: PageRequest, recipient: Recipient, facts: _KnownRecipients) -> ShownRecipient:
    answer = facts.answers[recipient.code, recipient.parent]
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
            words=_closed_sentence(request, answer, recipient),
            offers=await _heirs(request, answer),
        )
    if answer.standing in (CodeStanding.UNKNOWN, CodeStanding.UNCERTAIN):
        if entry is not None and entry.has_no_code:
            return replace(row, is_asked=True, words=request.say("agencies.without_code", name=entry.name))
        nearest = await _nearest(request, answer, recipient.code)
        return replace(
            row, is_asked=True, words=_unknown_sentence(request, recipient.code, nearest), offers=nearest
        )
    if recipient.mapped_by == _TOGETHER:
        row = replace(row, was="", words=request.say("compose.to.together", names=recipient.given or ""))
    if row.code not in facts.bound:
        return replace(row, words=request.say("compose.to.no_certificate"))
    if (failed_at := facts.silent.get(row.code)) is not None:
        return replace(
            row, words=request.say("compose.to.unreachable", time=f"{local(failed_at):%H:%M %d/%m/%Y}")
        )
    return row


def _unclear_row(request: PageRequest, recipient: Recipient, facts: _KnownRecipients) -> ShownRecipient:
    name = recipient.name or ""
    name_offers = facts.offers[name]
    offers = tuple({agency.code: agency for offer in name_offers for agency in offer.agencies}.values())
    kind = name_offers[0].kind if name_offers else OfferKind.UNKNOWN
    several = kind in (OfferKind.MANY, OfferKind.GROUP)
    guess = offers[0] if kind is OfferKind.GUESSED else None
    empty_case = "all" if kind is OfferKind.MANY else "none"
    label = empty_case if not offers else "guess" if guess else "many" if several else "one"
    return ShownRecipient(
        key=key_of(recipient),
        code="",
        name=name,
        role=recipient.role.value,
        is_asked=True,
        guess=guess,
        offers=offers[1:] if guess else offers,
        several=several,
        words=request.say(f"compose.asked.{label}", name=name, agency=guess.name if guess else ""),
    )


def _closed_sentence(request: PageRequest, answer: Resolution, recipient: Recipient) -> str:
    """Write the contract's sentence for an agency that is no more."""
    ending, entry = answer.ending, answer.entry
    name = (entry.name if entry else recipient.name) or recipient.code
    heirs = ", ".join(ending.heirs if ending and ending.heirs else filter(None, [answer.successor]))
    day = ending.since if ending else entry.valid_to if entry else None
    when = day_text(day)
    kind = _ENDED.get(ending.kind, "dissolve") if ending and heirs else "dissolve"
    how = request.say(f"compose.ended.{kind}", heirs=heirs)
    sentence = request.say("compose.ended", name=name, how=how)
    sentence += f" {request.say('compose.ended.from', day=when)}" if when else ""
    sentence += f" {request.say('compose.ended.by', decision=ending.decision.number)}" if ending else ""
    return f"{sentence}. {request.say('compose.ended.to', heirs=heirs)}" if heirs else f"{sentence}."


def _unknown_sentence(request: PageRequest, code: str, nearest: Sequence[AgencyEntry]) -> str:
    sentence = request.say("compose.unknown", code=code)
    names = ", ".join(f"{agency.code} {agency.name}" for agency in nearest)
    return f"{sentence} {request.say('compose.unknown.offer', list=names)}" if nearest else sentence


async def _heirs(request: PageRequest, answer: Resolution) -> tuple[AgencyEntry, ...]:
    codes = answer.ending.heirs if answer.ending and answer.ending.heirs else (answer.successor,)
    entries = [await request.deps.registry.entry(code) for code in codes if code]
    return tuple(entry for entry in entries if entry is not None)


async def _nearest(request: PageRequest, answer: Resolution, code: str) -> tuple[AgencyEntry, ...]:
    nearest = await request.deps.registry.entry(answer.nearest) if answer.nearest else None
    return (nearest,) if nearest else tuple(await request.deps.registry.search(code, 5))
