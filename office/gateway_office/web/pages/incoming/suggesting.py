"""Suggestions beside a letter, from the agency's rules and its own past: who gets it, which label it carries, and letters
that are alike. In: a request, the letter, the receivers that are open. Out: values for the page, each with its reason and
the past letters that are the reason; none where the past does not agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.domain.document import IncomingDocument
from gateway.domain.handling import unit_key
from gateway.domain.text import bare_words, name_key
from gateway.policy.timers import next_working_day
from gateway_office.domain.listing import Filter, ListLine, Side
from gateway_office.web import dates
from gateway_office.web.listing import list_rows
from gateway_office.web.listing.list_rows import TagsOnPage
from gateway_office.web.page_requests import PageRequest

if TYPE_CHECKING:
    from gateway_office.policy.suggestions import Suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChoice:
    """Receiver or label that may be chosen: its value in the form, and its name."""

    value: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedChoice:
    """Choice that is suggested, with its reason. `agreeing` and `differing` are the past letters that are counted in it, as
    far as the person may read them; `day` is the usual one."""

    value: str
    name: str
    reason: str
    day: str = ""
    agreeing: Sequence[ListLine] = ()
    differing: Sequence[ListLine] = ()


async def suggest_receiver(
    request: PageRequest, document: IncomingDocument, receivers: Mapping[str, OpenChoice]
) -> SuggestedChoice | None:
    """Suggest the unit of the first rule of the agency that the letter meets; else a unit or person by what the agency
    decided on letters like this one. `receivers` are by the keys of past choices."""
    from gateway_office.policy.suggestions import receiver_key

    async with request.deps.store.read(request.scope()) as work:
        rules = await work.rules_met(document)
    for rule in rules:
        unit = receivers.get(receiver_key(unit_key(rule.acts.unit), None))
        if unit is not None:
            reason = request.say("incoming.suggest.rule", rule=rule.name)
            day = await _day_within(request, rule.acts.days)
            return SuggestedChoice(value=unit.value, name=unit.name, day=day, reason=reason)
    past = await request.deps.past.load(*request.incoming)
    best = past.suggest(bare_words(document.subject), _party(document), receivers)
    return await _with_reason(request, document, best, receivers, is_label=False) if best else None


async def suggest_label(
    request: PageRequest, document: IncomingDocument, on: TagsOnPage
) -> SuggestedChoice | None:
    """Suggest the label that letters like this one carry, to a person who may put it on, while it carries none."""
    if not on.may_put or on.tags:
        return None
    labels = {
        tag.id: OpenChoice(value=tag.name, name=tag.name) for tag in await list_rows.known_tags(request)
    }
    if not labels:
        return None
    past = await request.deps.past.load_labels(*request.incoming)
    best = past.suggest(bare_words(document.subject), _party(document), labels, document.id)
    return await _with_reason(request, document, best, labels, is_label=True) if best else None


async def similar_lines(request: PageRequest, document: IncomingDocument) -> Sequence[ListLine]:
    """Find letters like this one among those that the person may read."""
    past = await request.deps.past.load(*request.incoming)
    return await _lines(request, past.similar(bare_words(document.subject), document.id))


async def _with_reason(
    request: PageRequest,
    document: IncomingDocument,
    best: Suggestion,
    choices: Mapping[str, OpenChoice],
    *,
    is_label: bool,
) -> SuggestedChoice:
    kind = "both" if best.of_sender and best.words else "sender" if best.of_sender else "words"
    choice = choices[best.choice]
    return SuggestedChoice(
        value=choice.value,
        name=choice.name,
        day=await _day_within(request, best.days),
        reason=request.say(
            f"tags.suggest.{kind}" if is_label else f"incoming.suggest.{kind}",
            count=best.count,
            total=best.total,
            sender=document.sender_name or document.sender_code,
            words=_as_written(document.subject, best.words),
        ),
        agreeing=await _lines(request, best.agreeing),
        differing=await _lines(request, best.differing),
    )


async def _lines(request: PageRequest, ids: Sequence[str]) -> Sequence[ListLine]:
    readable = Filter(side=Side.IN, viewer=list_rows.seen_by(request).viewer(Side.IN))
    async with request.deps.store.read(request.scope()) as work:
        lines = await work.office.lists.among(readable, ids)
    return [lines[id] for id in ids if id in lines]


async def _day_within(request: PageRequest, days: int | None) -> str:
    """Return the day after so many days as text; empty for none. A day off moves to the next one that works."""
    if days is None:
        return ""
    office = await request.deps.todo.office(request.own_agency.id)
    # The day before the one counted, and the working day after it.
    return dates.day_text(next_working_day(office, request.today + timedelta(days=max(days, 1) - 1)))


def _party(document: IncomingDocument) -> str:
    return name_key(document.sender_name or document.sender_code)


def _as_written(subject: str, words: str) -> str:
    """Return folded words of the subject as the subject has them."""
    subject_words = subject.split()
    length = len(words.split())
    for n in range(len(subject_words) - length + 1):
        part = " ".join(subject_words[n : n + length])
        if bare_words(part) == words.split():
            return part.strip(".,;:()")
    return words
