"""A recall that a head approves first: nothing leaves before; two people, also where one acts for another; it can be
taken back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.document import Kind, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.errors import Clash, Denied, NotFound, Refused
from gateway.outgoing import recall
from gateway_office import todo
from gateway_office.domain.roles import Delegation, Post, PostRole, Right
from gateway_office.domain.task import AskState, RecallAsk, TaskKind
from gateway_office.letters import follow_up
from gateway_office.letters.follow_up import Actor, WantedRecall
from gateway_office.policy.rights import Loan, Rights
from tests.office.support.node import DEPARTMENT, PROVINCE, OfficeTown

WHY = "Sent to the wrong agency by mistake."


@pytest.fixture
async def sent(town: OfficeTown) -> OutgoingDocument:
    document = await town.send("15", PROVINCE)
    await town.carry()
    return document


async def actor(
    town: OfficeTown, id: str, *roles: PostRole, lent_by: Rights | None = None, code: str = DEPARTMENT
) -> Actor:
    scope, now = await town.scope(code), town.clock.now()
    posts = tuple(
        Post(person_id=id, role=role, agency_id=scope.agency_id, given_by="operator", given_at=now)
        for role in roles
    )
    lent: tuple[Loan, ...] = ()
    if lent_by is not None:
        delegation = Delegation(
            id="dlg_1",
            agency_id=scope.agency_id,
            from_id=lent_by.person_id,
            to_id=id,
            rights=frozenset({Right.RECALL}),
            starts_at=now,
            ends_at=now + timedelta(days=9),
            reason="away",
            made_at=now,
            act_number="12/QĐ",
        )
        lent = (Loan(delegation=delegation, posts=lent_by.posts, is_active=True),)
    return Actor(scope=replace(scope, principal_id=id), rights=Rights(person_id=id, posts=posts, loans=lent))


async def ask_recall(town: OfficeTown, by: Actor, document: OutgoingDocument, **more: object) -> RecallAsk:
    fields = {"reason": WHY, "notice_no": "7/TB", "recipients": (PROVINCE,), **more}
    return await follow_up.ask_recall(town.node.out, by, WantedRecall(document_id=document.id, **fields))  # type: ignore[arg-type]


async def recall_notices(town: OfficeTown, document: OutgoingDocument) -> list[OutgoingDocument]:
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        return [child for child in await work.outgoing.children(document.id) if child.kind is Kind.RECALL]


async def recall_events(town: OfficeTown, id: str) -> list[EventKind]:
    return [event.kind for event in await town.events(DEPARTMENT, id) if event.kind.startswith("recall.")]


async def tasks(town: OfficeTown) -> list[str]:
    view = await todo.gather(town.node.todo, await town.scope(DEPARTMENT))
    return [task.subject_id for task in view.tasks if task.kind is TaskKind.APPROVE_RECALL]


async def test_nothing_leaves_before_the_head_approved_and_then_it_does(
    town: OfficeTown, sent: OutgoingDocument
) -> None:
    clerk, head = await actor(town, "prn_c", PostRole.CLERK), await actor(town, "prn_h", PostRole.HEAD)

    waits = await ask_recall(town, clerk, sent)
    with pytest.raises(Clash) as excinfo:
        await ask_recall(town, clerk, sent)
    await town.carry()
    assert (await recall_notices(town, sent), await tasks(town)) == ([], [sent.id])

    decision = await follow_up.approve_recall(town.node.out, head, waits.id, name="Lê Văn Mẫu, Giám đốc")
    await town.carry()

    (notice,) = await recall_notices(town, sent)
    assert notice.change is not None
    assert (notice.change.approved_by, notice.change.notice_no) == ("Lê Văn Mẫu, Giám đốc", "7/TB")
    assert (decision.state, decision.result, decision.decided_by) == (AskState.APPROVED, notice.id, "prn_h")
    assert excinfo.value.code == "GW-RECALL-ASKED"
    assert await recall_events(town, sent.id) == [EventKind.RECALL_FILED, EventKind.RECALL_APPROVED]
    assert await tasks(town) == []
    with pytest.raises(Clash):
        await follow_up.refuse_recall(town.node.out, head, waits.id, "It is too late for this.")


async def test_a_head_refuses_with_a_reason_and_a_clerk_takes_back(
    town: OfficeTown, sent: OutgoingDocument
) -> None:
    clerk, head = await actor(town, "prn_c", PostRole.CLERK), await actor(town, "prn_h", PostRole.HEAD)
    other = await actor(town, "prn_o", PostRole.CLERK)

    first = await ask_recall(town, clerk, sent)
    with pytest.raises(Clash):
        await follow_up.refuse_recall(town.node.out, head, first.id, "no")
    await follow_up.refuse_recall(town.node.out, head, first.id, "The content is right as it stands.")
    second = await ask_recall(town, clerk, sent, take_back=True, notice_no="")
    await follow_up.withdraw_recall(town.node.out, other, second.id)

    asks = await follow_up.list_recall_requests(town.node.out, clerk.scope, sent.id)
    assert [ask.state for ask in asks] == [AskState.WITHDRAWN, AskState.REFUSED]
    assert asks[1].why == "The content is right as it stands."
    assert await recall_notices(town, sent) == []
    with pytest.raises(Clash) as excinfo:
        await follow_up.approve_recall(town.node.out, head, second.id, name="Lê Văn Mẫu")
    assert excinfo.value.code == "GW-RECALL-OVER"


async def test_nobody_approves_what_oneself_asked_for_also_where_one_acts_for_the_other(
    town: OfficeTown, sent: OutgoingDocument
) -> None:
    both = await actor(town, "prn_b", PostRole.CLERK, PostRole.HEAD)
    head = await actor(town, "prn_h", PostRole.HEAD)
    clerk = await actor(town, "prn_c", PostRole.CLERK, lent_by=head.rights)
    deputy = await actor(town, "prn_d", PostRole.OFFICER, lent_by=both.rights)

    async def code(by: Actor, id: str) -> str:
        with pytest.raises((Denied, Clash)) as why:
            await follow_up.approve_recall(town.node.out, by, id, name="Somebody")
        return why.value.code

    own = await ask_recall(town, both, sent)
    assert await code(both, own.id) == "GW-RECALL-SELF"
    assert await code(deputy, own.id) == "GW-RECALL-SELF"
    assert await code(await actor(town, "prn_o", PostRole.CLERK), own.id) == "GW-RIGHT"
    assert await code(await actor(town, "prn_v", PostRole.VIEWER), own.id) == "GW-RIGHT"
    await follow_up.withdraw_recall(town.node.out, both, own.id)

    lent = await ask_recall(town, deputy, sent)
    assert lent.asked_for == "prn_b"
    assert await code(both, lent.id) == "GW-RECALL-SELF"
    await follow_up.withdraw_recall(town.node.out, both, lent.id)

    clerks = await ask_recall(town, clerk, sent)
    assert await code(clerk, clerks.id) == "GW-RECALL-SELF"
    decision = await follow_up.approve_recall(town.node.out, deputy, clerks.id, name="Phó Văn Mẫu")
    assert (decision.decided_by, decision.decided_for) == ("prn_d", "prn_b")


async def test_what_cannot_be_recalled_is_not_asked_for_and_an_approval_that_comes_too_late_says_so(
    town: OfficeTown, sent: OutgoingDocument
) -> None:
    clerk, head = await actor(town, "prn_c", PostRole.CLERK), await actor(town, "prn_h", PostRole.HEAD)
    stranger = await actor(town, "prn_s", PostRole.HEAD, code=PROVINCE)

    with pytest.raises(Refused):
        await ask_recall(town, clerk, sent, notice_no="")
    with pytest.raises(Denied):
        await ask_recall(town, head, sent)
    waits = await ask_recall(town, clerk, sent)
    with pytest.raises(NotFound):
        await follow_up.approve_recall(town.node.out, stranger, waits.id, name="Stranger")
    await recall.recall(
        town.node.out, clerk.scope, sent.id, reason=WHY, approved_by="By letter", notice_no="8/TB"
    )
    with pytest.raises(Clash) as late:
        await follow_up.approve_recall(town.node.out, head, waits.id, name="Lê Văn Mẫu")
    assert late.value.code == "GW-REQUEST-OPEN"
    (ask,) = await follow_up.list_recall_requests(town.node.out, clerk.scope, sent.id)
    assert ask.is_open


async def test_of_two_heads_at_once_one_decides(town: OfficeTown, sent: OutgoingDocument) -> None:
    clerk = await actor(town, "prn_c", PostRole.CLERK)
    first, second = await actor(town, "prn_1", PostRole.HEAD), await actor(town, "prn_2", PostRole.HEAD)
    waits = await ask_recall(town, clerk, sent)

    outcomes = await asyncio.gather(
        follow_up.approve_recall(town.node.out, first, waits.id, name="One"),
        follow_up.approve_recall(town.node.out, second, waits.id, name="Two"),
        return_exceptions=True,
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Clash", "RecallAsk"]
    assert len(await recall_notices(town, sent)) == 1
