"""Requests of an agency about its accounts: recorded, answered by the operator, carried out in the same transaction."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.event import Event, EventKind
from gateway.domain.person import AccountStanding, Person
from gateway.domain.wall_clock import local
from gateway.errors import BadForm, Clash, NotFound
from gateway_office.accounts import admin, requests
from gateway_office.accounts.requests import Answer, Decision, RequestDraft
from gateway_office.domain.account_request import (
    AccountChange,
    AccountRequest,
    RequestForm,
    RequestLine,
    RequestState,
)
from gateway_office.domain.roles import PostRole
from gateway_office.policy.account_forms import EndWarning
from gateway_office.services import AccountServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.support import accounts
from tests.office.support.accounts import NORTH, SOUTH, Someone, denied, post

YES, WORDS = Decision(is_done=True), "Đã thực hiện theo đề nghị."


async def team(services: AccountServices) -> dict[str, Someone]:
    staff = {"root": await accounts.operator(services)}
    for login, *wanted_posts in (
        ("admin", post(PostRole.AGENCY_ADMIN)),
        ("clerk", post(PostRole.CLERK)),
        ("second", post(PostRole.CLERK)),
        ("officer", post(PostRole.OFFICER, unit="Phòng Một")),
        ("both", post(PostRole.OFFICER, unit="Phòng Một"), post(PostRole.CLERK, SOUTH)),
    ):
        staff[login] = await accounts.someone(services, staff["root"].by, login, *wanted_posts)
    return staff


async def ask(
    services: AccountServices, staff: dict[str, Someone], form: RequestForm, *lines: RequestLine
) -> AccountRequest:
    draft = RequestDraft(form=form, lines=lines, number="12/SMT-VP")
    return await requests.make(services, staff["admin"].by, NORTH, draft)


def end(services: AccountServices, login: str, days: int = 2) -> RequestLine:
    decided = local(services.clock.now()).date() - timedelta(days=days)
    return RequestLine(login=login, decided_on=decided, reason="Nghỉ hưu theo quyết định")


async def persons(services: AccountServices) -> dict[str, Person]:
    async with services.accounts.read() as view:
        return {p.login: p for p in await view.people.all() if p.login}


async def events_of(store: SqlOfficeStore, request: AccountRequest) -> list[Event]:
    async with store.read(AgencyScope(agency_id=request.agency_id, principal_id="x")) as view:
        return list(await view.events.of_subject(request.id))


async def test_new_accounts_are_made_with_the_answer(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    """R92 (written requests)."""
    staff = await team(services)
    lines = (
        RequestLine(name="Nguyễn Thị Mới", title="Văn thư", role="clerk", phone="0900 000 001"),
        RequestLine(name="Trần Văn Thừa", role="officer", unit="Phòng Một"),
    )
    request = await ask(services, staff, RequestForm.NEW, *lines)
    assert "moi" not in await persons(services)

    answer = Answer(
        words="Tài khoản thứ hai chưa có trong biên chế.",
        decisions=(Decision(is_done=True, login="moi"), Decision(is_done=False, refusal="Không có tên.")),
    )
    answered, codes = await requests.answer(services, staff["root"].by, request.id, answer)

    assert (answered.state, [line.is_done for line in answered.lines]) == (RequestState.PARTLY, [True, False])
    assert await requests.find(services, staff["admin"].by, request.id) == answered
    ((person, code),) = codes
    assert (person.login, person.name, person.title) == ("moi", "Nguyễn Thị Mới", "Văn thư")
    assert (await accounts.taken_up(services, code)).person.id == person.id
    (added, *_) = await accounts.load_events(services, person.id)
    assert added.data["request"] == "12/SMT-VP"
    filing, reply = await events_of(store, request)
    assert (filing.kind, reply.kind) == (EventKind.ACCOUNT_REQUESTED, EventKind.ACCOUNT_ANSWERED)
    assert (filing.data["lines"], reply.data["done"], reply.data["refused"]) == (2, 1, 1)


async def test_details_and_posts_change_with_the_answer(services: AccountServices) -> None:
    staff = await team(services)
    await accounts.units(services, NORTH, "Phòng Hai")
    change = {
        AccountChange.TITLE: "Phó phòng",
        AccountChange.EMAIL: "officer@north.example",
        AccountChange.UNIT: "Phòng Hai",
        AccountChange.POST: "unit-head",
    }
    lines = [RequestLine(login="officer", change=key, value=value) for key, value in change.items()]
    lines.append(RequestLine(login="second", change=AccountChange.POST_END, value="clerk"))
    request = await ask(services, staff, RequestForm.CHANGE, *lines)

    await requests.answer(services, staff["root"].by, request.id, Answer(words=WORDS, decisions=(YES,) * 5))

    account = await admin.look_at(services, staff["root"].by, staff["officer"].person.id)
    assert (account.person.title, account.person.email) == ("Phó phòng", "officer@north.example")
    assert {(p.role, p.unit) for p in account.posts} == {
        (PostRole.OFFICER, "Phòng Hai"),
        (PostRole.UNIT_HEAD, "Phòng Hai"),
    }
    assert not (await admin.look_at(services, staff["root"].by, staff["second"].person.id)).posts
    assert EventKind.ACCOUNT_CHANGED in [event.kind for event in account.events]


async def test_an_end_withdraws_the_account_or_only_the_posts_here_of_people_with_others_elsewhere(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    """R91 (leavers)."""
    staff = await team(services)
    request = await ask(services, staff, RequestForm.END, end(services, "officer", 9), end(services, "both"))

    assert await requests.warnings_of(services, request) == {"both": EndWarning(elsewhere=(SOUTH,))}
    (filing,) = await events_of(store, request)
    assert filing.data["days_late"] == 4  # T17: five days after the decision, and nine went by
    await requests.answer(services, staff["root"].by, request.id, Answer(words=WORDS, decisions=(YES, YES)))

    by_login = await persons(services)
    assert by_login["officer"].standing is AccountStanding.WITHDRAWN
    assert by_login["both"].standing is AccountStanding.ACTIVE
    account = await admin.look_at(services, staff["root"].by, by_login["both"].id)
    assert [p.agency_id for p in account.posts] == [SOUTH]


async def test_the_last_clerk_is_withdrawn_only_after_a_warning(services: AccountServices) -> None:
    staff = await team(services)
    request = await ask(services, staff, RequestForm.END, end(services, "clerk"), end(services, "second"))
    answer = Answer(words=WORDS, decisions=(YES, YES))

    with pytest.raises(Clash) as refused:
        await requests.answer(services, staff["root"].by, request.id, answer)

    assert refused.value.code == "GW-LAST-CLERK"
    assert (await persons(services))["clerk"].standing is AccountStanding.ACTIVE
    partial = Answer(words=WORDS, decisions=(YES, Decision(is_done=False, refusal="Còn phải bàn giao.")))
    await requests.answer(services, staff["root"].by, request.id, partial)
    assert (await persons(services))["second"].standing is AccountStanding.ACTIVE
    last = await ask(services, staff, RequestForm.END, end(services, "second"))
    warned_answer = Answer(words=WORDS, decisions=(YES,), despite_warnings=True)
    await requests.answer(services, staff["root"].by, last.id, warned_answer)
    assert (await persons(services))["second"].standing is AccountStanding.WITHDRAWN


async def test_nothing_is_done_when_one_line_cannot_be_done(services: AccountServices) -> None:
    staff = await team(services)
    request = await ask(services, staff, RequestForm.END, end(services, "officer"), end(services, "second"))
    await admin.stand(
        services, staff["root"].by, "second", AccountStanding.WITHDRAWN, "withdrawn in another way"
    )

    with pytest.raises(Clash):
        await requests.answer(
            services, staff["root"].by, request.id, Answer(words=WORDS, decisions=(YES, YES))
        )

    assert (await persons(services))["officer"].standing is AccountStanding.ACTIVE
    assert (await requests.find(services, staff["root"].by, request.id)).state is RequestState.OPEN


async def test_two_operators_at_once_answer_once(services: AccountServices) -> None:
    staff = await team(services)
    other = await accounts.someone(services, staff["root"].by, "other", post(PostRole.OPERATOR))
    line = RequestLine(name="Nguyễn Thị Mới", role="officer")
    request = await ask(services, staff, RequestForm.NEW, line)

    answers = await asyncio.gather(
        *(
            requests.answer(
                services,
                by,
                request.id,
                Answer(words=WORDS, decisions=(Decision(is_done=True, login=login),)),
            )
            for by, login in ((staff["root"].by, "moi1"), (other.by, "moi2"))
        ),
        return_exceptions=True,
    )

    (refused,) = [answer for answer in answers if isinstance(answer, Clash)]
    assert refused.code == "GW-REQUEST-ANSWERED"
    assert len({"moi1", "moi2"} & (await persons(services)).keys()) == 1
    async with services.accounts.read() as view:
        assert await view.requests.open() == []
        assert [r.state for r in await view.requests.listed(None, 9)] == [RequestState.DONE]


async def test_who_may_ask_see_and_answer(services: AccountServices) -> None:
    staff = await team(services)
    south = await accounts.someone(services, staff["root"].by, "far", post(PostRole.AGENCY_ADMIN, SOUTH))
    draft = RequestDraft(form=RequestForm.END, lines=(end(services, "officer"),))
    answer = Answer(words=WORDS, decisions=(YES,))

    await denied(requests.make(services, south.by, NORTH, draft))
    await denied(requests.make(services, staff["clerk"].by, NORTH, draft))
    request = await requests.make(services, staff["admin"].by, NORTH, draft)
    await denied(requests.answer(services, staff["admin"].by, request.id, answer))
    with pytest.raises(NotFound):
        await requests.find(services, south.by, request.id)
    assert await requests.list_requests(services, south.by, SOUTH) == []
    own = await requests.make(services, staff["root"].by, NORTH, draft)
    assert (
        await denied(requests.answer(services, staff["root"].by, own.id, answer))
    ).code == "GW-REQUEST-SELF"
    listed = await requests.list_requests(services, staff["root"].by, None)
    assert [(r.id, r.made_by) for r in listed] == [
        (own.id, staff["root"].person.id),
        (request.id, staff["admin"].person.id),
    ]


@pytest.mark.parametrize(
    ("form", "line", "field", "fault"),
    [
        (RequestForm.NEW, RequestLine(name="Ai"), "role", "missing"),
        (RequestForm.NEW, RequestLine(name="Ai", role="operator"), "role", "role"),
        (RequestForm.NEW, RequestLine(name="Ai" * 101, role="clerk"), "name", "long"),
        (RequestForm.END, RequestLine(login="officer", reason="Nghỉ"), "decided_on", "missing"),
        (
            RequestForm.END,
            RequestLine(login="officer", reason="Nghỉ", decided_on=date(2099, 1, 1)),
            "decided_on",
            "later",
        ),
        (
            RequestForm.CHANGE,
            RequestLine(login="far", change=AccountChange.TITLE, value="x"),
            "login",
            "unknown",
        ),
        (
            RequestForm.CHANGE,
            RequestLine(login="officer", change=AccountChange.POST, value="x"),
            "value",
            "role",
        ),
    ],
)
async def test_a_form_with_a_fault_is_not_recorded(
    services: AccountServices, form: RequestForm, line: RequestLine, field: str, fault: str
) -> None:
    staff = await team(services)

    with pytest.raises(BadForm) as refused:
        await ask(services, staff, form, line)

    assert refused.value.field == f"lines/0/{field}"
    assert f"{field} is {fault}" in refused.value.detail
    async with services.accounts.read() as view:
        assert await view.requests.listed(None, 9) == []
