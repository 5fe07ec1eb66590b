"""Serves requests about accounts to programs: an agency asks the operator for new accounts (form 01), changes (02) and ends
(03), and reads the answers; reports that it handed in (form 04) are in the same list. In: a call; the lines of a form. Out:
the request with its answer."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call, PageOut, PageQuery, once
from gateway.api.routes import Routes
from gateway.api.shapes import Day, Line, Moment, RequestModel, ResponseModel
from gateway.domain.account import ApiScope
from gateway.domain.request_fault import bad_value
from gateway.errors import NotFound
from gateway.words.labels import say
from gateway_office.accounts import requests
from gateway_office.bootstrap.office import Office
from gateway_office.domain.account_request import (
    AccountChange,
    AccountRequest,
    RequestContact,
    RequestForm,
    RequestLine,
    RequestState,
)
from gateway_office.policy import account_forms


class AccountLineIn(RequestModel):
    """One person of a request; each form needs some of the fields."""

    login: Line = Field("", max_length=64, description="The account (forms 02 and 03)")
    name: Line = Field("", max_length=200)
    title: Line = Field("", max_length=200)
    role: Line = Field(
        "", max_length=40, description="Post of a new account (form 01), such as clerk or officer"
    )
    unit: Line = Field("", max_length=200)
    email: Line = Field("", max_length=200)
    phone: Line = Field("", max_length=200)
    change: AccountChange | None = Field(None, description="Detail that changes (form 02)")
    value: Line = Field("", max_length=200, description="Its new text; for a post its role")
    decided_on: Day | None = Field(
        None, description="Day of the decision by which the person leaves (form 03)"
    )
    reason: Line = Field("", max_length=200)
    note: Line = Field("", max_length=200)


class AccountRequestIn(RequestModel):
    """Request of the agency about its accounts: new ones (01), changes (02) or ends (03)."""

    form: Literal["01", "02", "03"]
    number: Line = Field("", max_length=50, description="Number of the agency's written request")
    email: Line = Field(
        "",
        max_length=200,
        description="Address that the answer is mailed to; the agency's administrators where absent",
    )
    lines: list[AccountLineIn] = Field(min_length=1, max_length=account_forms.MOST_LINES)


class AccountLineOut(ResponseModel):
    """One person of a request, and the answer."""

    login: str
    name: str
    decided_on: dt.date | None
    days_late: int = Field(description="Days beyond the five after the decision; 0 in time")
    done: bool | None = Field(description="Null while the request waits")
    refusal: str


class AccountRequestOut(ResponseModel):
    """Request with its answer, or a report that was handed in (form 04)."""

    id: str
    form: str
    number: str
    state: RequestState
    made_at: Moment
    answer: str
    answered_at: Moment | None
    digest: str = Field(description="SHA-256 of a report; empty for a request")
    lines: list[AccountLineOut]


class AccountRequests(PageOut[AccountRequestOut]):
    """One page of the agency's requests, newest first."""


def _request_view(request: AccountRequest) -> AccountRequestOut:
    lines = [
        AccountLineOut.from_object(
            line, days_late=account_forms.days_late(line, request.made_at), done=line.is_done
        )
        for line in request.lines
    ]
    return AccountRequestOut.from_object(request, form=request.form.value, lines=lines)


ROUTES = Routes("accounts", ApiScope.AGENCIES_READ)


@ROUTES(
    "GET /account-requests",
    "Requests of the agency about its accounts, newest first",
    text="Reports that the agency handed in (form 04) are among them.",
    fails=(400,),
)
async def list_account_requests(office: Office, call: Call, query: PageQuery) -> AccountRequests:
    agency_id = call.scope().agency_id
    async with office.accounts.accounts.read() as view:
        if query.cursor and (await view.requests.get(query.cursor)).agency_id != agency_id:
            raise bad_value("?cursor", "next_cursor")
        listed = await view.requests.listed(agency_id, query.limit + 1, query.cursor or "")
    rows = listed[: query.limit]
    cursor = call.next_page(rows[-1].id if len(listed) > query.limit else None)
    return AccountRequests.paged([_request_view(request) for request in rows], cursor)


@ROUTES(
    "GET /account-requests/{id}",
    "One request about accounts, with its answer",
    text="Each line has its own answer; `state` is that of the whole.",
)
async def read_account_request(office: Office, call: Call) -> AccountRequestOut:
    id = call.path("id")
    async with office.accounts.accounts.read() as view:
        request = await view.requests.get(id)
    if request.agency_id != call.scope().agency_id:
        raise NotFound(f"there is no request {id}")
    return _request_view(request)


@ROUTES(
    "POST /account-requests",
    "Ask the operator for new accounts, changes or ends",
    text="The operator answers within three working days, and carries it out with the answer: an event "
    "`accounts.answered`. The agency's own administrators may do without a request.",
    scopes=(ApiScope.AGENCIES_WRITE,),
    creates=True,
    answer=AccountRequestOut,
    status=201,
    fails=(400,),
    sample=lambda day: {
        "form": "01",
        "number": "12/SMT-VP",
        "lines": [{"name": say("sample.signer"), "role": "officer"}],
    },
)
async def make_account_request(office: Office, call: Call, body: AccountRequestIn) -> web.Response:
    scope = call.scope()
    draft = requests.RequestDraft(
        form=RequestForm(body.form),
        number=body.number,
        contact=RequestContact(email=body.email),
        lines=tuple(line.into(RequestLine) for line in body.lines),
    )

    async def act() -> str:
        async with office.accounts.changing(scope.principal_id) as (work, now):
            new_request = await requests.record(
                office.accounts, work, scope.principal_id, scope.agency_id, draft, now
            )
        return _request_view(new_request).model_dump_json()

    return await once(call, act, status=201)
