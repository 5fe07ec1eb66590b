"""Acts that can be undone for ten seconds: nothing has happened until then, and then all of it, once, or a reason that is
kept. The clock is moved; nothing waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.domain.account import AgencyScope, NumberingMode
from gateway.domain.document import Assignment, IncomingDocument, InState, Urgency
from gateway.errors import Clash, Denied, Refused, StaleVersion, StoreFailure
from gateway.incoming import act
from gateway.incoming.act import StatusDone
from gateway_office import todo
from gateway_office.domain.pending import ActKind, ActValues, PendingAct
from gateway_office.domain.roles import PostRole
from gateway_office.domain.task import Submission, SubmissionState, TaskKind
from gateway_office.letters import pending
from gateway_office.letters.pending import ActResult
from tests.office.support import accounts
from tests.office.support.node import PROVINCE, OfficeTown, opened
from tests.office.support.scenes import TownScene
from tests.support.clock import START, ManualClock
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.hosted import save_hosted

WAIT = timedelta(seconds=10)
ACTOR = "province"


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[OfficeTown]:
    async with opened(tmp_path / "node", ManualClock(START), scene=TownScene.PEOPLE) as town:
        agency = await town.agency(PROVINCE)
        await save_hosted(town.node.store.accounts, replace(agency, numbering=NumberingMode.B))
        yield town


async def arrive(town: OfficeTown, number: str = "15") -> IncomingDocument:
    await town.send(number)
    await town.carry()
    return next(document for document in await town.incoming(PROVINCE) if document.number == number)


async def scope_of(town: OfficeTown, role: PostRole = PostRole.CLERK) -> AgencyScope:
    person = town.people[role, ACTOR].person
    return replace(await town.scope(PROVINCE), principal_id=person.id)


async def press(
    town: OfficeTown,
    document: IncomingDocument,
    kind: ActKind = ActKind.TAKE_IN,
    values: ActValues | None = None,
    *,
    role: PostRole = PostRole.CLERK,
    wait: timedelta = WAIT,
) -> ActResult:
    return await pending.begin(
        town.node.inn,
        await scope_of(town, role),
        document,
        kind,
        values or ActValues(),
        version=document.version,
        wait=wait,
    )


async def run_due(town: OfficeTown) -> bool:
    return await pending.run_due(town.node.inn, town.node.accounts)


async def load(town: OfficeTown, id: str) -> IncomingDocument:
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        return await work.incoming.get(id)


async def act_on(town: OfficeTown, id: str) -> PendingAct | None:
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        return (await work.office.pending.of_documents([id])).get(id)


async def traces(town: OfficeTown, id: str) -> tuple[int, int, Sequence[str]]:
    """Count what an act leaves: events and facts of the document, and the numbers of the book."""
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        numbers = [line.number for line in await work.register.entries("incoming", 2026)]
        events, facts = await work.events.of_subject(id), await work.facts.of_subject(id)
    return len(events), len(facts), numbers


async def test_until_it_is_due_nothing_has_happened_and_then_all_of_it_once(town: OfficeTown) -> None:
    document = await arrive(town)
    old_traces, statuses = await traces(town, document.id), await town.statuses(PROVINCE)

    result = await press(town, document)

    assert result.due is not None
    assert result.document == document
    assert await traces(town, document.id) == old_traces
    assert await load(town, document.id) == document
    town.clock.advance(WAIT - timedelta(seconds=1))
    assert not await run_due(town)
    assert await traces(town, document.id) == old_traces
    town.clock.advance(1)
    assert await run_due(town)
    assert not await run_due(town)
    await town.carry()

    letter = await load(town, document.id)
    assert (letter.state, letter.register_no) == (InState.ACCEPTED, "1")
    assert await act_on(town, document.id) is None
    assert await town.statuses(PROVINCE) == statuses + 1
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        last_event = max(await work.events.of_subject(document.id), key=lambda event: (event.at, event.id))
    assert last_event.principal_id == town.people[PostRole.CLERK, ACTOR].person.id


async def test_what_was_undone_leaves_no_trace_and_its_number_goes_to_the_next(town: OfficeTown) -> None:
    first, second = await arrive(town, "15"), await arrive(town, "16")
    old_traces = await traces(town, first.id)
    await press(town, first)

    await pending.undo(town.node.inn, await scope_of(town), first.id)
    await press(town, second)
    town.clock.advance(WAIT)
    await run_due(town)

    assert await traces(town, first.id) == (*old_traces[:2], ["1"])
    assert (await load(town, first.id)) == first
    assert (await load(town, second.id)).register_no == "1"
    with pytest.raises(Clash, match="waits any more"):
        await pending.undo(town.node.inn, await scope_of(town), second.id)


async def test_numbers_follow_the_order_in_which_people_pressed(town: OfficeTown) -> None:
    first, second = await arrive(town, "15"), await arrive(town, "16")
    await press(town, second)
    town.clock.advance(1)
    await press(town, first)
    town.clock.advance(WAIT)
    await run_due(town)

    assert [(await load(town, d.id)).register_no for d in (second, first)] == ["1", "2"]


async def test_without_a_wait_it_is_done_at_once(town: OfficeTown) -> None:
    document = await arrive(town)

    result = await press(town, document, wait=timedelta())

    assert (result.due, result.document.register_no) == (None, "1")
    assert await act_on(town, document.id) is None


async def test_of_two_clerks_the_second_is_refused_and_may_not_undo_what_the_first_did(
    town: OfficeTown,
) -> None:
    document = await arrive(town)
    await press(town, document)

    for wait in (WAIT, timedelta()):
        with pytest.raises(Clash) as refusal:
            await press(town, document, ActKind.REFUSE, ActValues(reason="DUPLICATE"), wait=wait)
        assert refusal.value.code == "GW-ACT-WAITS"
    with pytest.raises(Denied):
        await pending.undo(town.node.inn, await scope_of(town, PostRole.HEAD), document.id)
    assert await act_on(town, document.id) is not None


async def test_what_could_not_be_done_is_refused_when_it_is_pressed(town: OfficeTown) -> None:
    document = await arrive(town)
    agency = await town.agency(PROVINCE)
    await save_hosted(town.node.store.accounts, replace(agency, numbering=NumberingMode.C))

    with pytest.raises(StaleVersion):
        await press(town, replace(document, version=document.version + 1))
    with pytest.raises(Refused):
        await press(town, document, ActKind.REFUSE)
    with pytest.raises(Refused):
        await press(town, document)  # mode C: no number
    await press(town, document, values=ActValues(register_no="7"), wait=timedelta())
    other = await arrive(town, "16")
    with pytest.raises(Clash) as refusal:
        await press(town, other, values=ActValues(register_no="07"))
    assert refusal.value.code == "GW-NUMBER-TAKEN"
    assert await act_on(town, other.id) is None


async def failed(town: OfficeTown, document: IncomingDocument, fault: str) -> None:
    """Run what is due, and check that the act is kept with this reason and was not done."""
    old_traces = await traces(town, document.id)
    town.clock.advance(WAIT)
    await run_due(town)
    failed_act = await act_on(town, document.id)
    assert failed_act is not None
    assert (failed_act.fault, failed_act.waits, failed_act.failed_at) == (fault, False, town.clock.now())
    assert await traces(town, document.id) == old_traces
    assert not await run_due(town)


async def test_an_act_whose_person_lost_the_right_meanwhile_is_not_done(town: OfficeTown) -> None:
    document = await arrive(town)
    await press(town, document)
    clerk, scope = town.people[PostRole.CLERK, ACTOR].person, await town.scope(PROVINCE)
    async with town.node.accounts.changing("operator") as (work, _):
        assert await work.posts.take(clerk.id, scope.agency_id, PostRole.CLERK)

    await failed(town, document, "rights")
    assert (await load(town, document.id)).state is InState.NEW


async def test_a_recall_that_comes_meanwhile_is_not_passed_over(town: OfficeTown) -> None:
    sent = await town.send("15")
    await town.carry()
    document = (await town.incoming(PROVINCE))[-1]
    await press(town, document)
    await town.recall(sent)
    await town.carry()

    await failed(town, document, "changed")


async def test_a_document_system_that_takes_it_in_meanwhile_is_not_delayed(town: OfficeTown) -> None:
    """The clerk's press then finds it changed, says so, and gives no second number."""
    document = await arrive(town)
    await press(town, document)
    letter = await town.status(document, "03")

    assert letter.register_no == "1"
    await failed(town, document, "changed")


async def test_a_failed_act_may_be_put_away_by_whoever_sees_it_or_gives_way_to_the_next(
    town: OfficeTown,
) -> None:
    document = await arrive(town)
    await press(town, document)
    async with town.node.store.begin(await scope_of(town)) as work:
        await work.incoming.save(document)
        await work.commit()
    await failed(town, document, "changed")

    await pending.undo(town.node.inn, await scope_of(town, PostRole.HEAD), document.id)
    assert await act_on(town, document.id) is None
    await press(town, await load(town, document.id), wait=timedelta())
    assert (await load(town, document.id)).register_no == "1"


async def test_a_clerk_takes_in_and_submits_in_one_press(town: OfficeTown) -> None:
    document, head = await arrive(town), town.people[PostRole.HEAD, ACTOR].person
    await press(town, document, values=ActValues(leader=head.id))
    assert await submissions_of(town, document) == []
    town.clock.advance(WAIT)
    await run_due(town)

    (submission,) = await submissions_of(town, document)
    assert (submission.leader, submission.state) == (head.id, SubmissionState.OPEN)
    assert (await load(town, document.id)).register_no == "1"


async def test_a_head_assigns_and_thereby_answers_the_submission(town: OfficeTown) -> None:
    document, head = await arrive(town), town.people[PostRole.HEAD, ACTOR].person
    agency = await town.agency(PROVINCE)
    await accounts.units(town.node.accounts, agency.id, "Phòng Tổng hợp", "Phòng Kế hoạch")
    await press(town, document, values=ActValues(leader=head.id), wait=timedelta())
    letter = await load(town, document.id)
    assignment = Assignment(lead_unit="Phòng Tổng hợp", instruction="Xử lý gấp")
    values = ActValues(assignment=assignment, decides=True)
    await press(town, letter, ActKind.ASSIGN, values, role=PostRole.HEAD)
    assert (await submissions_of(town, document))[0].state is SubmissionState.OPEN
    town.clock.advance(WAIT)
    await run_due(town)

    assigned = await load(town, document.id)
    assert (assigned.state, assigned.assignment) == (InState.ASSIGNED, assignment)
    assert (await submissions_of(town, document))[0].opinion == "Xử lý gấp"
    other = replace(assignment, lead_unit="Phòng Kế hoạch")
    correction = ActValues(assignment=other, why="Giao nhầm phòng")
    await press(town, assigned, ActKind.ASSIGN, correction, role=PostRole.HEAD)
    town.clock.advance(WAIT)
    await run_due(town)
    assert (await load(town, document.id)).assignment == other


async def submissions_of(town: OfficeTown, document: IncomingDocument) -> Sequence[Submission]:
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        return (await work.office.submissions.of_documents([document.id]))[document.id]


async def test_it_survives_the_end_of_the_process(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    async with opened(folder, ManualClock(START), scene=TownScene.PEOPLE) as town:
        document = await arrive(town)
        await press(town, document)
        people = town.people
    async with opened(folder, ManualClock(START + WAIT)) as town:
        town.people = people
        await run_due(town)
        assert (await load(town, document.id)).state is InState.ACCEPTED


async def kinds_of_tasks(town: OfficeTown, id: str) -> set[TaskKind]:
    tasks = (await todo.gather(town.node.todo, await scope_of(town))).tasks
    return {task.kind for task in tasks if task.subject_id == id}


async def test_a_letter_is_no_task_while_an_act_on_it_waits_and_one_again_when_that_failed(
    town: OfficeTown,
) -> None:
    await town.send("15", urgency=Urgency.VERY_URGENT)
    await town.carry()
    (document,) = await town.incoming(PROVINCE)
    assert await kinds_of_tasks(town, document.id) == {TaskKind.TAKE_IN}

    await press(town, document)
    assert await kinds_of_tasks(town, document.id) == set()
    await pending.undo(town.node.inn, await scope_of(town), document.id)
    assert await kinds_of_tasks(town, document.id) == {TaskKind.TAKE_IN}

    await press(town, document)
    async with town.node.store.begin(await scope_of(town)) as work:
        await work.incoming.save(document)
        await work.commit()
    await failed(town, document, "changed")
    assert await kinds_of_tasks(town, document.id) == {TaskKind.TAKE_IN, TaskKind.ACT_FAILED}


async def test_an_act_that_fails_for_now_holds_up_no_other_and_is_done_later(
    town: OfficeTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await arrive(town, "15"), await arrive(town, "16")
    await press(town, first)
    await press(town, second)
    town.clock.advance(WAIT)
    real = act.set_status_in

    # Any: whatever the flow is called with
    async def fail_once(services: Any, work: Any, id: str, *arguments: Any) -> StatusDone:
        if id == first.id:
            raise StoreFailure("the disk is away")
        return await real(services, work, id, *arguments)

    with monkeypatch.context() as broken:
        broken.setattr(act, "set_status_in", fail_once)
        with pytest.raises(StoreFailure):
            await run_due(town)

    waiting = await act_on(town, first.id)
    assert waiting is not None
    assert waiting.waits
    assert (await load(town, second.id)).state is InState.ACCEPTED
    assert await run_due(town)
    assert (await load(town, first.id)).state is InState.ACCEPTED
