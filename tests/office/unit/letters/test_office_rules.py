"""Rules of an office at work: what a letter that is entered in the register gets by them, once and no more; what a trial on
the last month tells; who may keep them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.domain.document import Assignment, IncomingDocument, InState, Urgency
from gateway.domain.event import Event, EventKind
from gateway.domain.handling import Share, unit_key
from gateway.domain.queues import InboxPacket
from gateway.errors import Clash, Denied
from gateway.incoming import by_hand
from gateway.pool import ThreadPool
from gateway_office.accounts import posts, tags_and_views, units
from gateway_office.accounts.acting import Administrator
from gateway_office.domain.notice import Partner, RingKind
from gateway_office.domain.roles import PostRole
from gateway_office.letters.office_rules import RuleKeeper
from gateway_office.mail import DigestMail
from gateway_office.notifications import RingBoard
from gateway_office.policy.office_rules import OfficeRule, RuleActs, RuleCondition
from gateway_office.todo import TaskCount
from tests.office.support.node import DEPARTMENT, PROVINCE, OfficeTown, opened
from tests.office.support.scenes import TownScene
from tests.support.clock import START, ManualClock
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.mail_server import MailServer, mailer_to
from tests.support.mail_server import server as server
from tests.unit.incoming.test_by_hand import letter as letter_by_hand

TAG, HEALTH, BUDGET = "Y tế", "Về công tác y tế cơ sở", "Về việc báo cáo dự toán"


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[OfficeTown]:
    async with opened(tmp_path / "node", ManualClock(START), scene=TownScene.PEOPLE) as town:
        yield town


async def keeper(town: OfficeTown, role: PostRole = PostRole.AGENCY_ADMIN) -> RuleKeeper:
    node, agency = town.node, await town.agency(DEPARTMENT)
    by = Administrator.person(town.people[role, "department"].person.id)
    return RuleKeeper(inn=node.inn, accounts=node.accounts, by=by, agency_id=agency.id)


def person(town: OfficeTown, role: PostRole) -> str:
    return town.people[role, "department"].person.id


def a_rule(
    town: OfficeTown, acts: RuleActs | None = None, name: str = "Mảng y tế", **condition: Any
) -> OfficeRule:
    return OfficeRule(
        id="",
        name=name,
        position=1,
        condition=RuleCondition(**(condition or {"words": "y te"})),
        acts=acts or RuleActs(tag=TAG),
        made_by="",
        made_at=town.clock.now(),
    )


async def save(town: OfficeTown, rule: OfficeRule, *, is_on: bool = True) -> OfficeRule:
    rule_keeper = await keeper(town)
    await rule_keeper.save(rule)
    saved = max((await rule_keeper.load())[0], key=lambda rule: (rule.made_at, rule.id))
    if is_on:
        await rule_keeper.switch(saved, is_on=True)
    return saved


async def arrive(
    town: OfficeTown, number: str = "15", subject: str = HEALTH, **more: Any
) -> IncomingDocument:
    await town.send(number, DEPARTMENT, sender=PROVINCE, subject=subject, **more)
    await town.carry()
    return next(document for document in await town.incoming(DEPARTMENT) if document.number == number)


async def tags(town: OfficeTown, document: IncomingDocument) -> list[str]:
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        return [tag.name for tag in (await work.office.tags.of_documents([document.id])).get(document.id, ())]


async def acts_of_rules(town: OfficeTown, subject: str) -> list[Event]:
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        return [e for e in await work.events.of_subject(subject) if e.kind is EventKind.RULE_APPLIED]


async def make_tag(town: OfficeTown, name: str = TAG) -> str:
    """Make a label, as persons do: with a letter that carries it."""
    document = await arrive(town, "1", BUDGET)
    await tags_and_views.put_tag(town.node.store, town.clock, await town.scope(DEPARTMENT), name, document.id)
    (tag,) = [
        t
        for t in await tags_and_views.tags_of(town.node.store, await town.scope(DEPARTMENT))
        if t.name == name
    ]
    return tag.id


async def test_a_letter_gets_what_its_rules_say_when_it_is_entered_and_each_act_names_its_rule(
    town: OfficeTown,
) -> None:
    await make_tag(town)
    head, officer = person(town, PostRole.HEAD), person(town, PostRole.OFFICER)
    rule = await save(town, a_rule(town, RuleActs(tag=TAG, people=(head, officer), mails=True)))
    await save(town, a_rule(town, RuleActs(tag=TAG), "Dự toán", words="dự toán"))
    document = await arrive(town)
    assert await tags(town, document) == []

    await town.status(document, "03")

    assert await tags(town, document) == [TAG]
    acts = [
        (e.data["what"], e.data.get("tag") or e.data["person"])
        for e in await acts_of_rules(town, document.id)
    ]
    assert acts == [("tag", TAG), ("follow", head), ("mail", head), ("follow", officer), ("mail", officer)]
    assert {(e.data["rule"], e.data["name"]) for e in await acts_of_rules(town, document.id)} == {
        (rule.id, "Mảng y tế")
    }


async def test_no_rule_takes_in_refuses_assigns_or_sends(town: OfficeTown) -> None:
    await town.send("14", DEPARTMENT, sender=PROVINCE, subject=HEALTH)
    await save(
        town, a_rule(town, RuleActs(unit="Phòng Tổng hợp", days=5, people=(person(town, PostRole.HEAD),)))
    )
    await town.carry()
    document, sent = await town.only(DEPARTMENT), await town.statuses(DEPARTMENT)
    assert (document.state, document.assignment) == (InState.NEW, None)

    await town.act_and_carry(town.status(document, "03"))

    document = await town.only(DEPARTMENT)
    assert (document.state, document.assignment) == (InState.ACCEPTED, None)
    assert await town.statuses(DEPARTMENT) == sent + 1  # the 03 of the clerk


async def test_a_repeated_or_later_status_does_nothing_again_and_a_label_taken_off_stays_off(
    town: OfficeTown,
) -> None:
    tag_id = await make_tag(town)
    await save(town, a_rule(town))
    document = await arrive(town)
    await town.status(document, "03")
    await tags_and_views.take_off_tag(town.node.store, await town.scope(DEPARTMENT), tag_id, document.id)

    town.clock.advance(60)
    await town.status(document, "03")
    await town.status(document, "03", at=town.clock.now())
    await town.status(document, "04", assignment=Assignment(lead_unit="Phòng Tổng hợp"))
    await town.status(document, "06")

    assert await tags(town, document) == []
    assert len(await acts_of_rules(town, document.id)) == 1


async def test_a_letter_on_paper_meets_rules_too(town: OfficeTown) -> None:
    await make_tag(town)
    await save(town, a_rule(town))
    paper = replace(letter_by_hand(town), subject=HEALTH)

    entered = await by_hand.enter(town.node.inn, await town.scope(DEPARTMENT), paper, None)

    assert await tags(town, entered.document) == [TAG]


async def test_a_part_that_is_gone_is_left_out_and_shown_and_the_letter_is_taken_in(town: OfficeTown) -> None:
    tag_id, officer, head = await make_tag(town), person(town, PostRole.OFFICER), person(town, PostRole.HEAD)
    await save(
        town, a_rule(town, RuleActs(unit="Phòng cũ", tag=TAG, people=(officer, head, "prn_x"), mails=True))
    )
    await tags_and_views.remove_tag(town.node.store, await town.scope(DEPARTMENT), tag_id)
    rule_keeper = await keeper(town)
    login = town.people[PostRole.OFFICER, "department"].person.login or ""
    await posts.take(town.node.accounts, rule_keeper.by, login, PostRole.OFFICER, rule_keeper.agency_id)
    document = await arrive(town)

    await town.status(document, "03")

    assert [e.data["person"] for e in await acts_of_rules(town, document.id)] == [head, head]
    rules, choices = await rule_keeper.load()
    assert [choices.missing(rule.acts) for rule in rules] == [["unit", "tag", "people"]]
    await units.add_unit(town.node.accounts, rule_keeper.by, rule_keeper.agency_id, "PHÒNG CŨ")
    assert (await rule_keeper.load())[1].missing(rules[0].acts) == ["tag", "people"]


async def test_a_trial_names_as_many_letters_of_the_month_as_the_rule_then_meets(town: OfficeTown) -> None:
    """The rule meets the same letters again when they are entered anew, as far as they are in the register."""
    await make_tag(town)
    rule_keeper = await keeper(town)
    rule = await save(town, a_rule(town, urgency=Urgency.URGENT, words="y te"), is_on=False)
    subjects = [
        (HEALTH, Urgency.URGENT),
        (HEALTH, Urgency.NORMAL),
        (BUDGET, Urgency.EXPRESS),
        (HEALTH, Urgency.EXPRESS),
    ]
    for n, (subject, urgency) in enumerate(subjects * 6):
        document = await arrive(town, f"{100 + n}", subject, urgency=urgency)
        if n < 20:
            await town.status(document, "03")
    town.clock.advance(3600)

    trial = await rule_keeper.try_on_month(rule)

    assert (trial.count, trial.total, len(trial.lines)) == (10, 20, 10)
    assert {line.card.subject for line in trial.lines} == {HEALTH}
    await rule_keeper.switch(rule, is_on=True)
    for document in [d for d in await town.incoming(DEPARTMENT) if d.state is InState.NEW]:
        await town.status(document, "03")
    met = [d for d in await town.incoming(DEPARTMENT) if await acts_of_rules(town, d.id)]
    assert (await rule_keeper.try_on_month(rule)).count == trial.count + len(met) == 12
    town.clock.advance(timedelta(days=31).total_seconds())
    assert (await rule_keeper.try_on_month(rule)).total == 0


async def test_a_changed_rule_is_off_until_it_was_tried_as_it_stands(town: OfficeTown) -> None:
    await make_tag(town)
    rule_keeper, document = await keeper(town), await arrive(town)
    tried = await save(town, a_rule(town))
    changed = replace(tried, condition=RuleCondition(words="y te co so"), is_on=True)
    await rule_keeper.save(changed)

    await town.status(document, "03")

    assert await tags(town, document) == []
    with pytest.raises(Clash, match="was changed since"):
        await rule_keeper.switch(tried, is_on=True)
    ((rule,), _) = await rule_keeper.load()
    assert (rule.is_on, rule.tried_at, rule.condition.words) == (False, None, "y te co so")
    await rule_keeper.switch(rule, is_on=True)
    await rule_keeper.switch(rule, is_on=False)
    await rule_keeper.remove(rule)
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        events = await work.events.of_subject(rule.id)
    assert [e.data["what"] for e in events] == ["made", "on", "changed", "on", "off", "removed"]
    assert {e.principal_id for e in events} == {rule_keeper.by.person_id}
    assert events[3].data["count"] == 1


async def test_only_an_administrator_of_the_agency_keeps_its_rules(town: OfficeTown) -> None:
    rule = await save(town, a_rule(town))
    for role in (PostRole.CLERK, PostRole.HEAD):
        other = await keeper(town, role)
        for act in (other.load(), other.save(rule), other.try_on_month(rule), other.remove(rule)):
            with pytest.raises(Denied):
                await act
        for is_on in (True, False):
            with pytest.raises(Denied):
                await other.switch(rule, is_on=is_on)
    elsewhere = replace(await keeper(town), agency_id=(await town.agency(PROVINCE)).id)
    with pytest.raises(Denied):
        await elsewhere.load()


async def test_a_follower_hears_of_each_step_until_the_work_is_done_and_only_of_letters_that_may_be_read(
    town: OfficeTown,
) -> None:
    head, officer = person(town, PostRole.HEAD), person(town, PostRole.OFFICER)
    await save(town, a_rule(town, RuleActs(people=(head, officer))))
    document = await arrive(town)
    await town.status(document, "03")
    scope = await town.scope(DEPARTMENT)

    async def rings(person_id: str, share: Share | None = None) -> list[datetime]:
        bell = TaskCount(town.node.todo, town.node.background)
        board = RingBoard(bell=bell, quarantined=no_packets, partners=no_partners)
        all_rings = await board.of_comments(replace(scope, principal_id=person_id), share)
        return [
            ring.at for ring in all_rings if ring.kind is RingKind.FOLLOW and ring.subject_id == document.id
        ]

    (entered_at,) = await rings(head)
    assert await rings(person(town, PostRole.CLERK)) == []
    assert await rings(officer, Share()) == []
    town.clock.advance(600)
    await town.status(document, "04", assignment=Assignment(lead_unit="Phòng Tổng hợp"))
    assert [at > entered_at for at in await rings(head)] == [True]
    assert len(await rings(officer, Share(units=frozenset({unit_key("Phòng Tổng hợp")})))) == 1
    await town.status(document, "06")
    assert await rings(head) == []


async def test_a_mail_goes_once_with_the_rule_and_the_number_and_no_word_of_the_letter(
    town: OfficeTown, server: MailServer, pool: ThreadPool
) -> None:
    head = person(town, PostRole.HEAD)
    await save(town, a_rule(town, RuleActs(people=(head,), mails=True)))
    first, second = await arrive(town), await arrive(town, "16", f"{HEALTH} – mật")
    for document in (first, second):
        await town.status(document, "03")
    async with town.node.store.changing(await town.scope(DEPARTMENT)) as work:
        await work.incoming.save(replace(await work.incoming.get(second.id), state=InState.SEALED))
    reminders = replace(
        town.node.reminders, mailer=mailer_to(server, town.clock, pool), person=one_address, duties=None
    )

    for _ in range(3):
        await DigestMail(reminders).step()
        town.clock.advance(600)

    mails = [m for m in server.mails if "Quy tắc" in str(m.message["Subject"])]
    assert [(m.to, "“Mảng y tế”" in str(m.message["Subject"])) for m in mails] == [
        (["head@north.example"], True)
    ]
    assert "số 1," in mails[0].text
    assert HEALTH not in mails[0].text


async def no_packets(agency_id: str, limit: int) -> Sequence[InboxPacket]:
    return ()


async def no_partners(codes: Sequence[str], agency_id: str) -> Mapping[str, Partner]:
    return {}


async def one_address(id: str) -> Sequence[str]:
    return ["head@north.example"]
