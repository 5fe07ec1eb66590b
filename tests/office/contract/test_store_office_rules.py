"""Rules of an office as rows: of their agency alone, in their order, as they were stored; and who may be named by them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.document import Urgency
from gateway.domain.person import AccountStanding
from gateway.errors import NotFound
from gateway.pool import ThreadPool
from gateway_office.accounts import admin
from gateway_office.domain.roles import PostRole
from gateway_office.policy.office_rules import OfficeRule, RuleActs, RuleCondition
from gateway_office.store.store import SqlOfficeStore
from tests.office.support import accounts
from tests.office.support.accounts import post
from tests.office.support.rows import account_services
from tests.support.clock import ManualClock
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.stores import NORTH, SOUTH, committing


def rule(clock: ManualClock, id: str, position: int) -> OfficeRule:
    return OfficeRule(
        id=id,
        name=f"Quy tắc {id}",
        position=position,
        condition=RuleCondition(sender="H26", below=True, words="y tế", urgency=Urgency.URGENT),
        acts=RuleActs(unit="Phòng", days=5, tag="Y tế", people=("prn_an", "prn_binh"), mails=True),
        made_by="prn_an",
        made_at=clock.now(),
        tried_at=clock.now(),
        tried_count=34,
    )


async def test_rules_come_back_as_stored_in_their_order_to_their_agency_alone(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    first, second = rule(clock, "rul_b", 1), rule(clock, "rul_a", 2)
    async with committing(store) as work:
        for saved in (second, first):
            await work.office.rules.save(saved)
        await work.office.rules.save(second := replace(second, is_on=True))

    async with store.read(NORTH) as work:
        assert await work.office.rules.all() == [first, second]
        assert await work.office.rules.all(is_on=True) == [second]
    async with store.changing(SOUTH) as work:
        assert await work.office.rules.all() == []
        with pytest.raises(NotFound):
            await work.office.rules.remove(first.id)
    async with committing(store) as work:
        await work.office.rules.remove(first.id)
        with pytest.raises(NotFound):
            await work.office.rules.get(first.id)


async def test_a_rule_may_name_persons_at_work_whose_post_reads_letters(
    store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool
) -> None:
    services = account_services(store, clock, pool)
    root = await accounts.operator(services)
    for login, role in (
        ("clerk", PostRole.CLERK),
        ("keeper", PostRole.AGENCY_ADMIN),
        ("gone", PostRole.HEAD),
    ):
        await accounts.someone(services, root.by, login, post(role))
    ending = replace(post(PostRole.VIEWER), ends_at=clock.now() + timedelta(days=1))
    await accounts.someone(services, root.by, "guest", ending)
    await admin.stand(services, root.by, "gone", AccountStanding.WITHDRAWN, "Nghỉ hưu theo chế độ")

    async def names() -> list[str]:
        async with store.read(NORTH) as work:
            return [*(await work.office.rules.readers(clock.now())).values()]

    assert await names() == ["Person clerk", "Person guest"]
    clock.advance(timedelta(days=1).total_seconds())
    assert await names() == ["Person clerk"]
