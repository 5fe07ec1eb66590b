"""A recall that a head approves first: nothing leaves before; two people, whoever acts for whom; it can be taken back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.document import Kind, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.errors import Clash, Denied, NotFound, Refused
from gateway.office import todo
from gateway.office.domain.roles import Delegation, Post, PostRole, Right
from gateway.office.domain.task import AskState, RecallAsk, TaskKind
from gateway.office.letters import follow_up
from gateway.office.letters.follow_up import Actor, WantedRecall
from gateway.office.policy.rights import Loan, Rights
from gateway.outgoing import recall
from tests.support.node import DEPARTMENT, PROVINCE, Town

WHY = "Sent to the wrong agency by mistake."


@pytest.fixture
async def sent(town: Town) -> OutgoingDocument:
    document = await town.send("15", PROVINCE)
    await town.carry()
    return document


async def actor(
    town: Town, id: str, *roles: PostRole, lent_by: Rights | None = None, of: str = DEPARTMENT
) -> Actor:
    scope, now = await town.scope(of), town.clock.now()
    posts = tuple(
        Post(person_id=id, role=role, agency_id=scope.agency_id, given_by="operator", given_at=now)
        for role in roles
    )
    lent: tuple[Loan, ...] = ()
    if lent_by is not None:
        made = Delegation(
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
        lent = (Loan(delegation=made, posts=lent_by.posts, is_active=True),)
    return Actor(scope=replace(scope, principal_id=id), rights=Rights(person_id=id, posts=posts, loans=lent))


async def asked(town: Town, by: Actor, document: OutgoingDocument, **more: object) -> RecallAsk:
    told = {"reason": WHY, "notice_no": "7/TB", "recipients": (PROVINCE,), **more}
    return await follow_up.ask_recall(town.node.out, by, WantedRecall(document_id=document.id, **told))  # type: ignore[arg-type]


async def left(town: Town, document: OutgoingDocument) -> list[OutgoingDocument]:
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        return [each for each in await work.outgoing.children(document.id) if each.kind is Kind.RECALL]


async def told(town: Town, id: str) -> list[EventKind]:
    return [each.kind for each in await town.events(DEPARTMENT, id) if each.kind.startswith("recall.")]


async def tasks(town: Town) -> list[str]:
    found = await todo.gather(town.node.todo, await town.scope(DEPARTMENT))
    return [each.subject_id for each in found.tasks if each.kind is TaskKind.APPROVE_RECALL]


async def test_nothing_leaves_before_the_head_approved_and_then_it_does(
    town: Town, sent: OutgoingDocument
) -> None:
    clerk, head = await actor(town, "prn_c", PostRole.CLERK), await actor(town, "prn_h", PostRole.HEAD)

    waits = await asked(town, clerk, sent)
    with pytest.raises(Clash) as again:
        await asked(town, clerk, sent)
    await town.carry()
    assert (await left(town, sent), await tasks(town)) == ([], [sent.id])

    done = await follow_up.approve_recall(town.node.out, head, waits.id, name="Lê Văn Mẫu, Giám đốc")
    await town.carry()

    (notice,) = await left(town, sent)
    assert notice.change is not None
    assert (notice.change.approved_by, notice.change.notice_no) == ("Lê Văn Mẫu, Giám đốc", "7/TB")
    assert (done.state, done.result, done.decided_by) == (AskState.APPROVED, notice.id, "prn_h")
    assert again.value.code == "GW-RECALL-ASKED"
    assert await told(town, sent.id) == [EventKind.RECALL_FILED, EventKind.RECALL_APPROVED]
    assert await tasks(town) == []
    with pytest.raises(Clash):
        await follow_up.refuse_recall(town.node.out, head, waits.id, "It is too late for this.")


async def test_a_head_refuses_with_a_reason_and_a_clerk_takes_back(
    town: Town, sent: OutgoingDocument
) -> None:
    clerk, head = await actor(town, "prn_c", PostRole.CLERK), await actor(town, "prn_h", PostRole.HEAD)
    other = await actor(town, "prn_o", PostRole.CLERK)

    first = await asked(town, clerk, sent)
    with pytest.raises(Clash):
        await follow_up.refuse_recall(town.node.out, head, first.id, "no")
    await follow_up.refuse_recall(town.node.out, head, first.id, "The content is right as it stands.")
    second = await asked(town, clerk, sent, take_back=True, notice_no="")
    await follow_up.withdraw_recall(town.node.out, other, second.id)

    found = await follow_up.recalls_asked(town.node.out, clerk.scope, sent.id)
    assert [each.state for each in found] == [AskState.WITHDRAWN, AskState.REFUSED]
    assert found[1].why == "The content is right as it stands."
    assert await left(town, sent) == []
    with pytest.raises(Clash) as over:
        await follow_up.approve_recall(town.node.out, head, second.id, name="Lê Văn Mẫu")
    assert over.value.code == "GW-RECALL-OVER"


async def test_nobody_approves_what_oneself_asked_for_also_where_one_acts_for_the_other(
    town: Town, sent: OutgoingDocument
) -> None:
    both = await actor(town, "prn_b", PostRole.CLERK, PostRole.HEAD)
    head = await actor(town, "prn_h", PostRole.HEAD)
    clerk = await actor(town, "prn_c", PostRole.CLERK, lent_by=head.rights)
    deputy = await actor(town, "prn_d", PostRole.OFFICER, lent_by=both.rights)

    async def code(by: Actor, id: str) -> str:
        with pytest.raises((Denied, Clash)) as why:
            await follow_up.approve_recall(town.node.out, by, id, name="Somebody")
        return why.value.code

    own = await asked(town, both, sent)
    assert await code(both, own.id) == "GW-RECALL-SELF"
    assert await code(deputy, own.id) == "GW-RECALL-SELF"
    assert await code(await actor(town, "prn_o", PostRole.CLERK), own.id) == "GW-RIGHT"
    assert await code(await actor(town, "prn_v", PostRole.VIEWER), own.id) == "GW-RIGHT"
    await follow_up.withdraw_recall(town.node.out, both, own.id)

    lent = await asked(town, deputy, sent)
    assert lent.asked_for == "prn_b"
    assert await code(both, lent.id) == "GW-RECALL-SELF"
    await follow_up.withdraw_recall(town.node.out, both, lent.id)

    clerks = await asked(town, clerk, sent)
    assert await code(clerk, clerks.id) == "GW-RECALL-SELF"
    done = await follow_up.approve_recall(town.node.out, deputy, clerks.id, name="Phó Văn Mẫu")
    assert (done.decided_by, done.decided_for) == ("prn_d", "prn_b")


async def test_what_cannot_be_recalled_is_not_asked_for_and_an_approval_that_comes_too_late_says_so(
    town: Town, sent: OutgoingDocument
) -> None:
    clerk, head = await actor(town, "prn_c", PostRole.CLERK), await actor(town, "prn_h", PostRole.HEAD)
    stranger = await actor(town, "prn_s", PostRole.HEAD, of=PROVINCE)

    with pytest.raises(Refused):
        await asked(town, clerk, sent, notice_no="")
    with pytest.raises(Denied):
        await asked(town, head, sent)
    waits = await asked(town, clerk, sent)
    with pytest.raises(NotFound):
        await follow_up.approve_recall(town.node.out, stranger, waits.id, name="Stranger")
    await recall.recall(
        town.node.out, clerk.scope, sent.id, reason=WHY, approved_by="By letter", notice_no="8/TB"
    )
    with pytest.raises(Clash) as late:
        await follow_up.approve_recall(town.node.out, head, waits.id, name="Lê Văn Mẫu")
    assert late.value.code == "GW-REQUEST-OPEN"
    (found,) = await follow_up.recalls_asked(town.node.out, clerk.scope, sent.id)
    assert found.is_open


async def test_of_two_heads_at_once_one_decides(town: Town, sent: OutgoingDocument) -> None:
    clerk = await actor(town, "prn_c", PostRole.CLERK)
    one, two = await actor(town, "prn_1", PostRole.HEAD), await actor(town, "prn_2", PostRole.HEAD)
    waits = await asked(town, clerk, sent)

    found = await asyncio.gather(
        follow_up.approve_recall(town.node.out, one, waits.id, name="One"),
        follow_up.approve_recall(town.node.out, two, waits.id, name="Two"),
        return_exceptions=True,
    )

    assert sorted(type(each).__name__ for each in found) == ["Clash", "RecallAsk"]
    assert len(await left(town, sent)) == 1
