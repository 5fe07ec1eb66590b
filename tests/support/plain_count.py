"""A plain count of the rows of both sides, against what states, numbers, book and figures say. In: the stores of a sender
and of its recipients, at rest. Out: nothing; it asserts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import select
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.domain.document import STANDING, Delivery, IncomingDocument, OutgoingDocument, OutState
from gateway.domain.figures import DAY, IN, OUT
from gateway.domain.numbers import NumberState
from gateway.domain.states import State, Track
from gateway.domain.status import Fact, RequestKind, RequestState, fold_delivery
from gateway.store import figures
from gateway.store.store import SqlStore
from gateway.store.tables_figures import FigureDayRow

_ENOUGH = 10_000


@dataclass(frozen=True, slots=True)
class Ours:
    """One agency, in the store of its node."""

    store: SqlStore
    scope: AgencyScope

    async def arrived(self) -> Sequence[IncomingDocument]:
        async with self.store.read(self.scope) as work:
            return [d for d in (await work.incoming.page(limit=_ENOUGH)).items if d.kind.is_whole]

    async def counted(self, side: str, names: Sequence[str]) -> Mapping[str, int]:
        """Return figures of the agency, of all days."""
        while await figures.fold_next(self.store):
            pass
        cells = select(*(col(getattr(FigureDayRow, name)) for name in names)).where(
            col(FigureDayRow.agency_id) == self.scope.agency_id,
            col(FigureDayRow.side) == side,
            col(FigureDayRow.dimension) == "",
            col(FigureDayRow.unit) == "",
            col(FigureDayRow.span) == DAY,
        )
        async with self.store.reading() as tx:
            rows = list(await tx.tuples(cells))
        return {name: sum(row[n] for row in rows) for n, name in enumerate(names)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentDocuments:
    documents: Sequence[OutgoingDocument]
    deliveries: Mapping[str, Sequence[Delivery]]
    facts: Mapping[str, Sequence[Fact]]

    def deliveries_of(self, document: OutgoingDocument) -> Sequence[Delivery]:
        return self.deliveries.get(document.id, ())


async def check(
    sender: Ours,
    all_ours: Mapping[str, Ours],
    *,
    year: int,
    gives_numbers: bool = True,
    heirs: Mapping[str, str] = MappingProxyType({}),
    unheard: Collection[tuple[str, str]] = (),
) -> SentDocuments:
    """Compare what the sender's node says with the rows of both sides. `all_ours` are the agencies by code, `heirs` the
    agencies that took over from those that ended, `unheard` packets with a recipient whose answer came too late to be
    proved. Return the documents that were compared."""
    sent = await load_sent(sender)
    await _check_states(sent, all_ours, heirs, unheard)
    if gives_numbers:
        await _check_numbers(sender, sent, year)
    await _check_figures(sender, sent)
    for ours in all_ours.values():
        await _check_arrivals(ours)
    return sent


async def load_sent(sender: Ours) -> SentDocuments:
    """Load everything that the agency sent, and its drafts."""
    async with sender.store.read(sender.scope) as work:
        page = await work.outgoing.page(limit=_ENOUGH)
        documents = [d for d in page.items if d.kind.is_whole]
        ids = [document.id for document in documents]
        deliveries = await work.deliveries.of_documents(ids) if ids else {}
        delivery_ids = [d.id for group in deliveries.values() for d in group]
        facts = await work.facts.of_subjects(delivery_ids) if delivery_ids else {}
    return SentDocuments(documents=documents, deliveries=deliveries, facts=facts)


async def _check_arrivals(receiver: Ours) -> None:
    arrived = await receiver.arrived()
    expected = {"documents": len(arrived), "recalled": sum(d.state == "recalled" for d in arrived)}
    assert await receiver.counted(IN, [*expected]) == expected


async def _check_states(
    sent: SentDocuments,
    all_ours: Mapping[str, Ours],
    heirs: Mapping[str, str],
    unheard: Collection[tuple[str, str]],
) -> None:
    arrived_ids = {code: {d.packet_id for d in await ours.arrived()} for code, ours in all_ours.items()}
    for document in sent.documents:
        own = sent.deliveries_of(document)
        ended = all(d.state == "cancelled" for d in own)
        assert (document.state is OutState.CANCELLED) == ended or not own, document.id
        for delivery in own:
            code = delivery.recipient.code
            is_answered = any(fact.track is Track.BUSINESS for fact in sent.facts[delivery.id])
            heir = heirs.get(code, "")
            at_heir = document.packet_id in arrived_ids.get(heir, set())
            if heir in {d.recipient.code for d in own}:
                # The heir has a copy of its own; its word counts for the agency that ended only while that said nothing.
                at_heir = at_heir and any(fact.heir == heir for fact in sent.facts[delivery.id])
            has_it = document.packet_id in arrived_ids[code] or at_heir
            if heir and not has_it and delivery.state == State.REJECTED:
                continue  # its node did not know the code yet, and returned it
            was_unheard = not is_answered and (document.packet_id, code) in unheard
            assert has_it == (is_answered or was_unheard), (
                document.id,
                delivery.recipient.code,
                delivery.state,
                has_it,
            )


async def _check_numbers(sender: Ours, sent: SentDocuments, year: int) -> None:
    async with sender.store.read(sender.scope) as work:
        given_numbers = await work.given.page(
            year, now=max(d.created_at for d in sent.documents), limit=_ENOUGH
        )
    assert [g.number for g in given_numbers] == [*range(1, len(given_numbers) + 1)]
    standing = {d.document_id for d in sent.documents if d.state in STANDING}
    drafts = {d.id for d in sent.documents if d.state is OutState.DRAFT}
    by_id = {d.id: d for d in sent.documents}
    for number in given_numbers:
        used = number.document_id in standing or number.subject_id in drafts
        assert number.state is (NumberState.ISSUED if used else NumberState.VOID), number
        assert by_id[number.subject_id].state in STANDING or not used or number.subject_id in drafts


async def _check_figures(sender: Ours, sent: SentDocuments) -> None:
    counts = [d for d in sent.documents if d.state in STANDING]
    own = [sent.facts[d.id] for document in counts for d in sent.deliveries_of(document)]
    reported_groups = [group for group in own if any(_is_told(fact) for fact in group)]
    requests = [fold_delivery(group).requests for group in reported_groups]
    expected = {
        "documents": len(counts),
        "recipients": len(reported_groups),
        "delivered": sum(any(fact.track is Track.BUSINESS for fact in group) for group in reported_groups),
        "recalled": sum(
            any(r.state is RequestState.AGREED and r.kind is not RequestKind.UPDATE for r in group)
            for group in requests
        ),
    }
    assert await sender.counted(OUT, [*expected]) == expected


def _is_told(fact: Fact) -> bool:
    return fact.track is Track.BUSINESS or fact.code in ("sent", "failed")
