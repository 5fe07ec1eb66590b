"""Two departments become one on a future day, with documents in flight. Every document ends at the right successor, or is
visibly refused with the successor named; an old reply still finds its document. One town on the embedded axis, stepped by
hand; the change goes through two people as it does in earnest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, TypeVar, cast

import pytest

from gateway.deciding import registry_changes as reforming
from gateway.domain.account import AgencyScope, HostedAgency, NumberingMode
from gateway.domain.document import InState, OutgoingDocument, ReplyLink
from gateway.domain.registry_reform import DecidingDocument, QueuedMail, Reform, ReformKind, Target
from gateway.domain.wall_clock import local
from gateway.errors import Refused
from gateway.incoming import process, receive
from gateway.policy.verdict import Reason, ReasonCode, Verdict
from gateway.store.store import SqlStore
from gateway.store.work import SqlWork
from gateway.workers.couriers import HostingReporter
from tests.acceptance.test_roll_over import as_binding, issued, two_deciders
from tests.support import people
from tests.support.cases import Cases
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.node import COMMUNE, DEPARTMENT, LEASE_S, PROVINCE, Town
from tests.support.people import Someone

DAY = timedelta(days=1)
HEIR = f"{PROVINCE}.31"
OTHER = f"{PROVINCE}.32"


def today(town: Town) -> date:
    return local(town.clock.now()).date()


async def reformed(town: Town, both: tuple[Someone, Someone], kind: ReformKind, **more: Any) -> Reform:
    """Propose a reform and approve it today, to be in effect in five days."""
    services = town.node.deciding
    fields: dict[str, Any] = {
        "decision": DecidingDocument(number="12/QĐ-UBND", issued_on=today(town), issuer="UBND tỉnh"),
        "effective_on": today(town) + 5 * DAY,
        "targets": (Target(code=HEIR, name="Sở Hợp nhất", parent=PROVINCE),),
    }
    change = Reform(kind=kind, **(fields | more))
    change_id = await reforming.propose_reform(
        services, await both[0].signed_in(), await reforming.plan_reform(services, change)
    )
    await people.approved(both[1], change_id)
    return change


async def at_home(town: Town, both: tuple[Someone, Someone], code: str) -> None:
    """Host the new agency on this node, with a key and a certificate that two people bound to it."""
    agency = HostedAgency(
        id=town.clock.new_id("agy_"), code=code, name="Sở Hợp nhất", numbering=NumberingMode.B
    )
    await town.node.store.accounts.add_hosted(agency)
    entry = town.node.keys.generate(code)
    bound = as_binding(code, issued(town, code, entry.key_id))
    await people.approved(both[1], await people.proposed(both[0], bound))


async def waiting(town: Town, number: str, *to: str) -> OutgoingDocument:
    """Sign a document and leave it in the outbox."""
    document = await town.send(number, *to, sender=PROVINCE, issued_on=today(town))
    await town.pack()
    return document


def reasons(refused: Refused) -> tuple[Reason, ...]:
    assert isinstance(refused.verdict, Verdict)
    return refused.verdict.reasons


async def test_two_departments_become_one_and_no_document_is_lost(town: Town) -> None:
    both = await two_deciders(town)
    question = await town.act_and_carry(town.send("1", PROVINCE, sender=DEPARTMENT, issued_on=today(town)))
    await reformed(
        town, both, ReformKind.CONSOLIDATE, sources=(DEPARTMENT, COMMUNE), queued=QueuedMail.REDIRECT
    )
    early = await town.act_and_carry(town.send("2", DEPARTMENT, sender=PROVINCE, issued_on=today(town)))
    assert (await town.standing(early)).word == "delivered", "before the day everything is as it was"
    town.clock.advance(4 * DAY)
    on_the_axis = await waiting(town, "3", DEPARTMENT)
    await town.dispatch()
    in_the_outbox = await waiting(town, "4", DEPARTMENT, COMMUNE)

    town.clock.advance(DAY)
    await town.act_and_carry(at_home(town, both, HEIR))

    by_number = {document.number: document for document in await town.incoming(HEIR)}
    assert set(by_number) == {"3", "4"}
    assert {document.state for document in by_number.values()} == {InState.NEW}
    assert f"old_code:{DEPARTMENT}" in by_number["3"].marks
    assert [document.number for document in await town.incoming(DEPARTMENT)] == ["2"]
    assert await town.incoming(COMMUNE) == ()
    assert {delivery.state for delivery in (await town.deliveries(in_the_outbox)).values()} == {"delivered"}
    arrived = next(fact for fact in await town.facts(on_the_axis) if fact.code == "01")
    assert HEIR in (arrived.reason or "")
    assert "12/QĐ-UBND" in (arrived.reason or "")

    await town.act_and_carry(town.status(by_number["3"], "03"))
    assert (await town.standing(on_the_axis)).word == "accepted"

    with pytest.raises(Refused) as refused:
        await town.send("5", DEPARTMENT, sender=PROVINCE, issued_on=today(town))
    (why,) = reasons(refused.value)
    assert (why.code, why.suggest) == (ReasonCode.RECIPIENT_CLOSED, HEIR)

    assert question.draft.issued_on is not None
    link = ReplyLink(
        agency=DEPARTMENT, number="1/STD-VP", date=question.draft.issued_on, document_id=question.document_id
    )
    await town.act_and_carry(town.send("6", HEIR, sender=PROVINCE, issued_on=today(town), replies_to=(link,)))
    (reply,) = [document for document in await town.incoming(HEIR) if document.number == "6"]
    assert reply.answers == (question.id,)
    assert not any(mark.startswith("old_code") for mark in reply.marks)


T = TypeVar("T")


class OneAtATime:
    """Store that refuses every other call while one of its units of work writes."""

    def __init__(self, real: SqlStore) -> None:
        self._real, self._writes, self.begun = real, False, 0

    def __getattr__(self, name: str) -> Any:
        assert not self._writes, f"{name} was asked inside a unit of work that writes"
        return getattr(self._real, name)

    @asynccontextmanager
    async def begin(self, scope: AgencyScope) -> AsyncIterator[SqlWork]:
        assert not self._writes, "a unit of work that writes was begun inside another one"
        async with self._real.begin(scope) as work:
            self._writes, self.begun = True, self.begun + 1
            try:
                yield work
            finally:
                self._writes = False

    @asynccontextmanager
    async def changing(self, scope: AgencyScope) -> AsyncIterator[SqlWork]:
        async with self.begin(scope) as work:
            yield work
            await work.commit()

    async def share(self, scope: AgencyScope, body: Callable[[SqlWork], Awaitable[T]]) -> T:
        async def watched(work: SqlWork) -> T:
            self._writes, self.begun = True, self.begun + 1
            try:
                return await body(work)
            finally:
                self._writes = False

        assert not self._writes, "a unit of work that writes was begun inside another one"
        return await self._real.share(scope, watched)


async def test_a_reply_to_a_former_code_is_admitted_without_a_unit_of_work_inside_another(
    town: Town,
) -> None:
    both = await two_deciders(town)
    question = await town.act_and_carry(town.send("1", PROVINCE, sender=DEPARTMENT, issued_on=today(town)))
    await reformed(town, both, ReformKind.CONSOLIDATE, sources=(DEPARTMENT, COMMUNE), queued=QueuedMail.HOLD)
    town.clock.advance(5 * DAY)
    await at_home(town, both, HEIR)
    assert question.draft.issued_on is not None
    link = ReplyLink(
        agency=DEPARTMENT, number="1/STD-VP", date=question.draft.issued_on, document_id=question.document_id
    )
    await town.send("6", HEIR, sender=PROVINCE, issued_on=today(town), replies_to=(link,))
    for step in (town._host, town.pack, town.dispatch, town.land):
        await step()

    strict = OneAtATime(town.node.store)
    services = replace(town.node.inn, store=cast("SqlStore", strict))
    (leased,) = [
        x for x in await town.node.store.claim_inbox(50, LEASE_S) if x.item.transport_sender == PROVINCE
    ]
    await process.run(services, leased)

    (reply,) = await town.incoming(HEIR)
    assert reply.answers == (question.id,)
    assert strict.begun >= 1


@contextmanager
def unreadable_keys(town: Town, code: str) -> Iterator[None]:
    """Keep an agency from signing at once; a job signs later."""
    folder = town.node.settings.keys.folder / code
    away = folder.rename(folder.with_name("away"))
    try:
        yield
    finally:
        away.rename(folder)


async def test_an_agency_that_ended_sends_no_more_and_what_it_had_not_signed_fails_with_its_successor_named(
    town: Town,
) -> None:
    both = await two_deciders(town)
    merged = (Target(code=COMMUNE),)
    await reformed(town, both, ReformKind.MERGE, sources=(DEPARTMENT,), targets=merged)
    town.clock.advance(4 * DAY)
    in_the_outbox = await town.send("7", PROVINCE, sender=DEPARTMENT, issued_on=today(town))
    with unreadable_keys(town, DEPARTMENT):
        unsigned = await town.send("8", PROVINCE, sender=DEPARTMENT, issued_on=today(town))

    town.clock.advance(DAY)
    await town.carry()

    for sent in (in_the_outbox, unsigned):
        (delivery,) = (await town.deliveries(sent)).values()
        (fact,) = [fact for fact in await town.facts(sent) if fact.code == "failed"]
        assert (delivery.state, fact.reason) == ("failed", "sender-closed")
    (row,) = await town.outbox(DEPARTMENT)
    assert COMMUNE in (row.last_error or "")
    with pytest.raises(Refused) as refused:
        await town.send("9", PROVINCE, sender=DEPARTMENT, issued_on=today(town))
    (why,) = reasons(refused.value)
    assert (why.code, why.suggest) == (ReasonCode.SENDER_CLOSED, COMMUNE)


@pytest.mark.parametrize("queued", [QueuedMail.HOLD, QueuedMail.RETURN])
async def test_what_waits_for_an_ended_code_is_held_or_returned_with_its_successor_named(
    town: Town, queued: QueuedMail
) -> None:
    both = await two_deciders(town)
    merged = (Target(code=COMMUNE),)
    await reformed(town, both, ReformKind.MERGE, sources=(DEPARTMENT,), targets=merged, queued=queued)
    town.clock.advance(4 * DAY)
    sent = await waiting(town, "4", DEPARTMENT)

    town.clock.advance(DAY)
    await town.carry()

    (row,) = await town.outbox(PROVINCE)
    assert COMMUNE in (row.last_error or "")
    assert (await town.standing(sent)).word == ("failed" if queued is QueuedMail.RETURN else "sending")
    assert await town.incoming(COMMUNE) == ()


async def test_what_lay_with_an_agency_on_the_day_of_its_end_is_answered_by_its_heir(
    town: Town, cases: Cases
) -> None:
    """Its own key ended with its code. The heir answers in its name, also where it had a copy of its own."""
    both = await two_deciders(town)
    await town.carry()  # the axis knows who is hosted here
    alone = await waiting(town, "5", DEPARTMENT)
    together = await waiting(town, "6", DEPARTMENT, COMMUNE)
    await town.dispatch()
    await town.land()
    await reformed(town, both, ReformKind.MERGE, sources=(DEPARTMENT,), targets=(Target(code=COMMUNE),))
    town.clock.advance(5 * DAY)
    await town.process()
    for arrived in await town.incoming(DEPARTMENT):
        await town.status(arrived, "03")
    town.clock.advance(DAY)
    await town.carry_around()

    for sent, states in (
        (alone, {DEPARTMENT: "accepted"}),
        (together, {DEPARTMENT: "accepted", COMMUNE: "accepted"}),
    ):
        with cases.case(sent.draft.number):
            assert {code: d.state for code, d in (await town.deliveries(sent)).items()} == states
            facts = (await town.facts_by(sent))[DEPARTMENT]
            assert {f.heir for f in facts if f.code in ("01", "03")} == {COMMUNE}
            assert all("12/QĐ-UBND" in (f.heir_by or "") for f in facts if f.heir)


async def test_mail_to_a_code_that_was_split_waits_for_a_person_and_its_sender_reads_who_took_over(
    town: Town,
) -> None:
    both = await two_deciders(town)
    await town.carry()  # the axis knows who is hosted here
    parts = tuple(Target(code=code, name=f"Sở {code}", parent=PROVINCE) for code in (HEIR, OTHER))
    await reformed(town, both, ReformKind.SPLIT, sources=(DEPARTMENT,), targets=parts, triage=True)
    town.clock.advance(4 * DAY)
    sent = await waiting(town, "3", DEPARTMENT)
    await town.dispatch()

    town.clock.advance(DAY)
    await town.land()
    await town.process()

    (held_document,) = await town.incoming(DEPARTMENT)
    assert held_document.state is InState.HELD
    assert f"old_code:{DEPARTMENT}" in held_document.marks
    with pytest.raises(Refused) as refused:
        await town.send("5", DEPARTMENT, sender=PROVINCE, issued_on=today(town))
    assert reasons(refused.value)[0].suggest == f"{HEIR}, {OTHER}"
    assert sent.document_id == held_document.document_id


async def test_mail_to_an_ended_code_stays_with_the_node_that_the_registry_names_for_it(town: Town) -> None:
    """That node has the documents that answers to the old code are about; two nodes would take them from each other."""
    both = await two_deciders(town)
    rows = f"code,name,parent,host\n{OTHER},Sở Xa,{PROVINCE},far\n{HEIR},Sở Gần,{PROVINCE},\n"
    await town.node.directory_changes.apply(
        await town.node.directory_changes.plan_import(rows.encode()), "operator"
    )
    await reformed(town, both, ReformKind.MERGE, sources=(OTHER, HEIR), targets=(Target(code=COMMUNE),))
    town.clock.advance(5 * DAY)

    node = town.node
    reporter = HostingReporter(node.store, node.axis, node.settings.node.name, node.directory, town.clock)
    await reporter.step()

    assert await node.axis.unhosted([OTHER, HEIR]) == frozenset({OTHER})


async def test_a_recall_of_a_document_from_before_finds_it_where_it_is(town: Town) -> None:
    both = await two_deciders(town)
    sent = await town.act_and_carry(town.send("2", DEPARTMENT, sender=PROVINCE, issued_on=today(town)))
    await reformed(town, both, ReformKind.CONSOLIDATE, sources=(DEPARTMENT, COMMUNE))
    town.clock.advance(4 * DAY)
    await town.recall(sent, sender=PROVINCE)
    await town.pack()
    await town.dispatch()

    town.clock.advance(DAY)
    await at_home(town, both, HEIR)
    await town.land()
    await town.process()

    assert await town.incoming(HEIR) == ()
    (kept_document,) = [x for x in await town.incoming(DEPARTMENT) if x.target_id is None]
    assert kept_document.state is InState.RECALLED


@pytest.mark.parametrize("take_back", [False, True])
async def test_what_asks_about_a_document_goes_where_the_document_went(
    town: Town, cases: Cases, take_back: bool
) -> None:
    """One document reached the ended code, one its successor, and one was on the axis on the day: the node that received it
    gave it to the successor. All are asked back after the day."""
    both = await two_deciders(town)
    merged = (Target(code=COMMUNE),)
    await town.carry()  # the axis knows who is hosted here
    await reformed(
        town, both, ReformKind.MERGE, sources=(DEPARTMENT,), targets=merged, queued=QueuedMail.REDIRECT
    )
    town.clock.advance(4 * DAY)
    at_old = await town.act_and_carry(town.send("2", DEPARTMENT, sender=PROVINCE, issued_on=today(town)))
    on_the_axis = await waiting(town, "4", DEPARTMENT)
    await town.dispatch()
    at_heir = await waiting(town, "3", DEPARTMENT)
    town.clock.advance(DAY)
    await town.carry()

    for sent, place in ((at_old, DEPARTMENT), (at_heir, COMMUNE), (on_the_axis, COMMUNE)):
        with cases.case(sent.draft.number):
            await town.act_and_carry(town.recall(sent, sender=PROVINCE, take_back=take_back))

            by_number = {d.number: d for d in await town.incoming(place) if d.target_id is None}
            document = by_number[sent.draft.number]
            if take_back:  # a person answers it
                await town.act_and_carry(town.status(document, "15"))
            assert (await town.reload(document)).state is InState.RECALLED
            assert (await town.standing(sent)).word == "request_agreed"


@pytest.mark.parametrize("queued", [QueuedMail.HOLD, QueuedMail.RETURN])
async def test_a_recall_reaches_an_ended_code_whatever_happens_to_new_mail(
    town: Town, queued: QueuedMail
) -> None:
    both = await two_deciders(town)
    await town.carry()  # the axis knows who is hosted here
    merged = (Target(code=COMMUNE),)
    await reformed(town, both, ReformKind.MERGE, sources=(DEPARTMENT,), targets=merged, queued=queued)
    sent = await town.act_and_carry(town.send("2", DEPARTMENT, sender=PROVINCE, issued_on=today(town)))
    town.clock.advance(5 * DAY)

    await town.act_and_carry(town.recall(sent, sender=PROVINCE))

    (kept_document,) = [x for x in await town.incoming(DEPARTMENT) if x.target_id is None]
    assert kept_document.state is InState.RECALLED


@pytest.mark.parametrize("queued", QueuedMail)
async def test_of_mail_that_may_have_left_before_the_day_its_sender_reads_so(
    town: Town, cases: Cases, queued: QueuedMail
) -> None:
    """A courier that is killed leaves open whether the axis has the document."""
    both = await two_deciders(town)
    await town.carry()  # the axis knows who is hosted here
    merged = (Target(code=COMMUNE),)
    await reformed(town, both, ReformKind.MERGE, sources=(DEPARTMENT,), targets=merged, queued=queued)
    town.clock.advance(4 * DAY)
    unsure = await waiting(town, "2", DEPARTMENT)
    await town.node.store.claim_outbox(50, LEASE_S)
    sure = await waiting(town, "3", DEPARTMENT)
    town.clock.advance(DAY)
    await town.dispatch()
    if queued is QueuedMail.HOLD:
        town.clock.advance(3 * DAY)  # it is not held for longer
        await town.dispatch()

    for sent, is_doubtful in ((unsure, True), (sure, False)):
        with cases.case(sent.draft.number):
            (last,) = [fact for fact in await town.facts(sent) if fact.code in ("sent", "failed")]
            assert ("may have reached" in (last.note or "")) == is_doubtful
            if queued is not QueuedMail.REDIRECT:
                assert last.reason == ("recipient-closed-in-doubt" if is_doubtful else "recipient-closed")


@pytest.mark.parametrize("deliveries", [1, 2])
async def test_a_copy_that_comes_after_the_day_is_the_repeat_that_it_is(town: Town, deliveries: int) -> None:
    """The axis brings the document again, as after an answer that was lost. A second delivery only lands, and is not
    judged yet when the day comes."""
    both = await two_deciders(town)
    await town.carry()  # the axis knows who is hosted here
    await reformed(town, both, ReformKind.MERGE, sources=(DEPARTMENT,), targets=(Target(code=COMMUNE),))
    town.clock.advance(4 * DAY)
    await waiting(town, "2", DEPARTMENT)
    await town.dispatch()
    (arrival,) = await town.node.inn.axis.take(50, LEASE_S)
    await receive.run(town.node.inn, replace(arrival, deliveries=deliveries))
    town.clock.advance(DAY)

    await receive.run(town.node.inn, replace(arrival, deliveries=2))
    await town.carry()

    assert [document.number for document in await town.incoming(DEPARTMENT)] == ["2"]
    assert await town.incoming(COMMUNE) == ()


async def test_a_packet_to_an_ended_code_that_our_code_fails_on_lands(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = await two_deciders(town)
    await town.carry()  # the axis knows who is hosted here
    await reformed(town, both, ReformKind.MERGE, sources=(DEPARTMENT,), targets=(Target(code=COMMUNE),))
    town.clock.advance(4 * DAY)
    await waiting(town, "2", DEPARTMENT)
    await town.dispatch()
    town.clock.advance(DAY)
    monkeypatch.setattr("gateway.policy.trust.decide", None)

    assert await town.land() == 1
    monkeypatch.undo()
    await town.carry()

    assert [document.number for document in await town.incoming(COMMUNE)] == ["2"]
