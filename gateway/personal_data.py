"""Personal data (Law 91/2025): where this node names a person, the rule against erasing it, and erasure by decision. In:
a name, sign-in name, e-mail address or telephone number; the decision and the deciding person. Out: the places, each with
the rule that lets it stay; how many texts and accounts are gone.

Letters and their statuses stay as they were signed, and go as a whole when their retention has ended, by an act of
destruction. Texts of events about anything else, or about letters whose retention has ended, go, and accounts that are
over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway import preservation, retention
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.person import AccountStanding
from gateway.domain.retention import Expiry
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound
from gateway.ports.services import Clock
from gateway.store.events import NODE, SqlEvents
from gateway.store.log_reading import erase_texts
from gateway.store.people import SqlPeople
from gateway.store.personal_data import NamedIn, SourceKind, find_named
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.store.store import SqlStore
    from gateway.store.work import SqlWork

SHORTEST = 3


class ErasureObstacle(StrEnum):
    """Rule that stands against an erasure."""

    RETENTION = "retention"
    """The letter's retention has not ended, is permanent, or is unknown (R102)."""
    PRESERVED = "preserved"
    """A preservation order (R129)."""
    ENDED = "ended"
    """Retention has ended: the letter may be destroyed, and goes as a whole."""
    IN_USE = "in_use"
    """The account is not withdrawn or blocked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalDatum:
    """Place that names the person. `expiry` is the end of the letter's retention."""

    place: NamedIn
    obstacle: ErasureObstacle | None = None
    expiry: Expiry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    texts: int
    accounts: int
    staying: int


async def find(store: SqlStore, clock: Clock, person_text: str) -> AsyncIterator[PersonalDatum]:
    """Yield every place that names the person. Clash for a text that would name half of the node."""
    person_text = " ".join(person_text.split())
    if len(person_text) < SHORTEST:
        raise Clash(f"a name or address of at least {SHORTEST} characters is needed", code="GW-PERSONAL-WHO")
    last: PersonalDatum | None = None
    async for place in find_named(store, person_text):
        # Places of one thing follow each other.
        if last is None or last.place.row != place.row:
            last = await _judge(store, clock, place)
        yield replace(last, place=place)


async def erase(store: SqlStore, clock: Clock, person_text: str, decision: str, why: str, by: str) -> Erasure:
    """Erase each text without a rule against it, and record the decision. Clash without one, for
    namesakes, and where everything stays."""
    if not decision.strip() or not why.strip():
        raise Clash("an erasure names the decision and its reason", code="GW-PERSONAL-DECISION")
    names: dict[str, set[str]] = {}
    staying, accounts, texts = 0, list[str](), 0
    async for datum in find(store, clock, person_text):
        if datum.obstacle is not None:
            staying += 1
        elif datum.place.kind is not SourceKind.ACCOUNT:
            names.setdefault(datum.place.id, set()).add(datum.place.field.partition(".")[0])
        elif datum.place.is_alone:
            accounts.append(datum.place.id)
        else:
            staying += 1
    accounts = [*dict.fromkeys(accounts)]
    if len(accounts) > 1:
        raise Clash("several accounts have this name; give the sign-in name", code="GW-PERSONAL-WHO")
    for id, fields in names.items():
        try:
            texts += len(await erase_texts(store, clock, id, sorted(fields), by, f"{decision}: {why}"))
        except Clash:
            staying += len(fields)
    if not texts and not accounts:
        raise Clash(
            "nothing that names this person may be erased; see the rules with: gateway people personal-data",
            code="GW-PERSONAL-STAYS",
        )
    async with store.changing_rows() as tx:
        for id in accounts:
            await SqlPeople(tx).erase(id, labels.say("journal.erased_person", "vi"))
        scope = AgencyScope(agency_id=NODE, principal_id=by)
        facts = {"decision": decision, "reason": why, "texts": texts, "accounts": accounts}
        events = SqlEvents(tx, scope, clock)
        await events.append(EventKind.PERSONAL_ERASED, clock.new_id("per_"), clock.now(), facts)
    return Erasure(texts=texts, accounts=len(accounts), staying=staying)


async def _judge(store: SqlStore, clock: Clock, place: NamedIn) -> PersonalDatum:
    if place.kind is SourceKind.ACCOUNT:
        async with store.reading() as tx:
            person = await SqlPeople(tx).get(place.id)
        is_over = person.standing is AccountStanding.WITHDRAWN or person.blocked_at is not None
        return PersonalDatum(place=place, obstacle=None if is_over else ErasureObstacle.IN_USE)
    obstacle, expiry = await _obstacle_of_letter(store, clock, place)
    if place.kind is SourceKind.EVENT:
        # An event about a letter outlives it, and its texts do not.
        obstacle = None if obstacle is ErasureObstacle.ENDED else obstacle
    else:
        obstacle = obstacle or ErasureObstacle.RETENTION
    return PersonalDatum(place=place, obstacle=obstacle, expiry=expiry)


async def _obstacle_of_letter(
    store: SqlStore, clock: Clock, place: NamedIn
) -> tuple[ErasureObstacle | None, Expiry | None]:
    """Return the rule against taking texts about the place's letter away; none where it is about no letter."""
    async with store.read(AgencyScope(agency_id=place.agency_id, principal_id="")) as work:
        document = await _find_letter(work, place.subject)
        if document is None:
            return None, None
        if await preservation.order_over(work, document) is not None:
            return ErasureObstacle.PRESERVED, None
        expiry = await retention.expiry_of(work, document)
    is_over = expiry is not None and expiry.on is not None and expiry.on < local(clock.now()).date()
    return ErasureObstacle.ENDED if is_over else ErasureObstacle.RETENTION, expiry


async def _find_letter(work: SqlWork, id: str) -> IncomingDocument | OutgoingDocument | None:
    """Find the letter of that id, or the one of that delivery."""
    with suppress(NotFound):
        id = (await work.deliveries.get(id)).document_id
    for documents in (await work.incoming.of_many([id]), await work.outgoing.of_many([id])):
        if documents:
            return documents[0]
    return None
