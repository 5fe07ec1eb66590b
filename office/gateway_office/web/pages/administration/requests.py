"""Requests about accounts (R91, R92) on the forms of the regulation. In: an agency's administrator, who makes a request for
several persons, prints it and follows it; an operator, who sees what is due and answers. Out: pages, the form as PDF; links
of new accounts are shown once, on the answer itself. Reports that agencies handed in are in the same list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import IO

from aiohttp import web

from gateway.domain.agency_profile import Letterhead
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway_office.accounts import admin, requests, units
from gateway_office.accounts.requests import Answer, Decision, RequestDraft
from gateway_office.domain.account_request import (
    AccountChange,
    AccountRequest,
    RequestContact,
    RequestForm,
    RequestLine,
    RequestState,
)
from gateway_office.domain.roles import NODE
from gateway_office.duties import request_due
from gateway_office.policy import account_forms, signing_in
from gateway_office.policy.account_forms import LineFault
from gateway_office.web import dates
from gateway_office.web.forms import Problems
from gateway_office.web.menu import OPERATES
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import HOME, Place, both, get, post

PATH = f"{HOME}/de-nghi"
_PATH_OF_ONE = f"{PATH}/{{id:arq_[0-9A-Za-z]{{1,40}}}}"
_FORMS = "|".join(account_forms.REQUESTS)
_FEW_ROWS = 3
# Columns whose heading in the form has another name.
_HEADINGS = {"change": "to_change", "value": "changed"}


async def list_requests(request: PageRequest) -> web.StreamResponse:
    places = await accounts.list_places(request)
    place = accounts.chosen_place(request, places)
    by = accounts.administrator(request)
    listed = await requests.list_requests(request.deps.accounts, by, place.agency_id)
    office = await request.deps.todo.office(NODE)
    is_open = [r for r in listed if r.state is RequestState.OPEN]
    return await request.page(
        "admin/requests.html",
        title=request.say("account_request.title"),
        rows=[*reversed(is_open), *(r for r in listed if r.state is not RequestState.OPEN)],
        due={r.id: request_due(office, r) for r in is_open},
        agencies=await accounts.agency_names(request),
        here=place,
        places=[(p.key, p.name) for p in places],
        forms=tuple(account_forms.REQUESTS) if place.id else (),
    )


async def show_request(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    account_request = await _load(request)
    people = await _people(request, account_request)
    answers_it = (
        accounts.is_everywhere(request)
        and account_request.state is RequestState.OPEN
        and account_request.made_by != request.person.person.id
    )
    office = await request.deps.todo.office(NODE)
    is_new = account_request.form is RequestForm.NEW
    return await request.form_page(
        "admin/request.html",
        problems,
        title=request.say(f"account_request.form.{account_request.form}"),
        asked=account_request,
        columns=account_forms.COLUMNS.get(account_request.form, ()),
        heading=partial(_heading, request),
        cell=partial(_cell_text, request),
        late=[account_forms.days_late(line, account_request.made_at) for line in account_request.lines],
        warnings=await requests.warnings_of(request.deps.accounts, account_request) if answers_it else {},
        due=request_due(office, account_request),
        agencies=await accounts.agency_names(request),
        people=people,
        mailed=await _mailed(request, account_request) if account_request.answered_at else "",
        answers_it=answers_it,
        typed={name: _cells(request, name, len(account_request.lines)) for name in ("decision", "refusal")},
        logins=await _suggested_logins(request, account_request.lines) if answers_it and is_new else (),
    )


@faults_on(show_request, Clash, other="words")
async def answer_request(request: PageRequest) -> web.StreamResponse:
    form, account_request = request.form, await _load(request)
    cells = [_cells(request, name, len(account_request.lines)) for name in ("decision", "refusal", "login")]
    decisions = tuple(
        Decision(is_done=decision == "done", refusal=refusal, login=login)
        for decision, refusal, login in zip(*cells, strict=True)
    )
    answer = Answer(words=form.text("words"), decisions=decisions, despite_warnings="despite" in form)
    answered, codes = await requests.answer(
        request.deps.accounts, accounts.administrator(request), account_request.id, answer
    )
    path = f"{PATH}/{answered.id}"
    if not codes:
        return request.confirm(path, f"request.{answered.state}")
    address = accounts.address_of_node(request).rstrip("/")
    return await request.page(
        "admin/request_links.html",
        title=request.say("admin.link.title"),
        until=request.person.at + request.deps.accounts.rules.link,
        links=[(person, f"{address}/lien-ket/{code}") for person, code in codes],
        back=path,
    )


def _cells(request: PageRequest, name: str, count: int) -> Sequence[str]:
    """Return what was typed for each line."""
    return [*request.form.all(name), *[""] * count][:count]


async def make_request(request: PageRequest) -> web.StreamResponse:
    """Show the form, also with more rows for what was typed; record the request once it is whole."""
    place, form = await accounts.chosen_agency(request), RequestForm(request.path("form"))
    if not request.is_act:
        return await _form_page(request, place, form, [])
    rows = _typed_rows(request, form)
    if "more" in request.form:
        return await _form_page(request, place, form, rows, more=_FEW_ROWS)
    lines, unread = _read_lines(request, form, rows)
    draft = RequestDraft(
        form=form,
        lines=tuple(lines),
        number=request.form.text("number"),
        receiver=request.form.text("receiver"),
        place=request.form.text("town"),
        contact=RequestContact(
            **{
                name: request.form.text(f"contact_{name}")[:200]
                for name in ("name", "title", "office", "phone", "email")
            }
        ),
    )
    faults = [*unread, *await requests.list_faults(request.deps.accounts, place.id, draft)]
    unread_cells = {(fault.line, fault.field) for fault in unread}
    faults = [*unread, *(f for f in faults[len(unread) :] if (f.line, f.field) not in unread_cells)]
    problems = _problems(request, faults)
    if draft.contact.email and not account_forms.is_address(draft.contact.email):
        problems = [*problems, ("contact_email", request.say("account_request.fault.address"))]
    if problems:
        return await _form_page(request, place, form, rows, problems)
    new_request = await requests.make(request.deps.accounts, accounts.administrator(request), place.id, draft)
    return request.confirm(f"{PATH}/{new_request.id}", "request.made")


async def give_pdf(request: PageRequest) -> web.StreamResponse:
    """Send a request, or a report that was handed in, as its form."""
    from gateway_office.accounts import form_pdf

    account_request = await _load(request)
    if account_request.agency_id == NODE:
        letterhead = Letterhead(agency=request.say("admin.node"))
    else:
        letterhead = await request.deps.store.accounts.letterhead(account_request.agency_id)
    heading = form_pdf.FormHeading(
        agency=letterhead.agency,
        parent=letterhead.parent,
        emblem=letterhead.picture,
        receiver=account_request.receiver,
        place=account_request.place or letterhead.place,
        number=account_request.number,
        difficulties=account_request.remarks,
        contact=account_request.contact.name,
    )

    def write(out: IO[bytes]) -> None:
        if account_request.figures is None:
            form_pdf.request_form(account_request, heading, out)
        else:
            made_on = local(account_request.made_at).date()
            form_pdf.report(heading, account_request.figures, made_on.year, made_on, out)

    name = f"mau-{account_request.form}-{account_request.id}.pdf"
    with request.deps.blobs.scratch() as scratch:
        await request.deps.pool.run(partial(write, scratch.file))
        return await request.send_scratch_file(scratch.file, name, "pdf")


async def _load(request: PageRequest) -> AccountRequest:
    return await requests.find(request.deps.accounts, accounts.administrator(request), request.path("id"))


async def _people(request: PageRequest, account_request: AccountRequest) -> Mapping[str, str]:
    ids = {id for id in (account_request.made_by, account_request.answered_by) if id}
    async with request.deps.accounts.accounts.read() as view:
        return await view.people.names(ids)


async def _mailed(request: PageRequest, account_request: AccountRequest) -> str:
    """Say to whom the node mails that the request was answered, or that it cannot."""
    if not request.deps.settings.mail.host:
        return request.say("account_request.mail.off")
    address = account_request.contact.email
    if not address:
        async with request.deps.accounts.accounts.read() as view:
            makers = [p for p in await view.people.all() if p.id == account_request.made_by]
        address = (makers[0].email if makers else "") or ""
    key = "account_request.mail.to" if address else "account_request.mail.admins"
    return request.say(key, address=address)


async def _suggested_logins(request: PageRequest, lines: Sequence[RequestLine]) -> Sequence[str]:
    """Suggest a free sign-in name for each line, or what was typed."""
    settings, logins = request.deps.settings.accounts, _cells(request, "login", len(lines))
    names_in_use, style = (
        set(await admin.logins(request.deps.accounts)),
        signing_in.LoginStyle(settings.login_style),
    )
    suggested = []
    for line, own in zip(lines, logins, strict=True):
        login = own or signing_in.login_of_person(
            line.name, style, frozenset(names_in_use), settings.login_tail
        )
        names_in_use.add(login)
        suggested.append(login)
    return suggested


async def _form_page(
    request: PageRequest,
    place: Place,
    form: RequestForm,
    rows: Sequence[Mapping[str, str]],
    problems: Problems | None = None,
    more: int = 0,
) -> web.Response:
    lines = await admin.review_lines(request.deps.accounts, accounts.administrator(request), place.id)
    blank = max(_FEW_ROWS - len(rows), 0) + more
    return await request.form_page(
        "admin/request_new.html",
        problems,
        title=request.say(f"account_request.form.{form}"),
        form=form,
        here=place,
        places=[(p.key, p.name) for p in await accounts.list_agencies(request)],
        columns=account_forms.COLUMNS[form],
        heading=partial(_heading, request),
        rows=[*rows, *({} for _ in range(blank))][: account_forms.MOST_LINES],
        choices={
            "login": [(line.person.login, f"{line.person.name} ({line.person.login})") for line in lines],
            "role": [(role.value, request.say(f"post.{role}")) for role in account_forms.ROLES],
            "change": [
                (change.value, request.say(f"account_request.change.{change}")) for change in AccountChange
            ],
        },
        units=await units.names_of_units(request.deps.accounts, place.id),
        person=request.person.person,
    )


def _typed_rows(request: PageRequest, form: RequestForm) -> list[dict[str, str]]:
    """Return the rows of the form that are not empty, as they were typed."""
    columns = account_forms.COLUMNS[form]
    cells = [request.form.all(name) for name in columns]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=False)]
    return [row for row in rows if any(row.values())]


def _read_lines(
    request: PageRequest, form: RequestForm, rows: Sequence[Mapping[str, str]]
) -> tuple[list[RequestLine], list[LineFault]]:
    """Return the lines of typed rows: a day as people write it, a post by its Vietnamese name."""
    roles = {request.say(f"post.{role}").casefold(): role.value for role in account_forms.ROLES}
    today, lines, faults = local(request.person.at).date(), [], []
    for n, row in enumerate(rows):
        texts = {name: text for name, text in row.items() if name not in ("decided_on", "change")}
        change = next((c for c in AccountChange if c == row.get("change")), None)
        decided_on = dates.typed_day(row["decided_on"], today) if row.get("decided_on") else None
        if row.get("decided_on") and decided_on is None:
            faults.append(LineFault(n, "decided_on", "day"))
        line = RequestLine(**texts, change=change, decided_on=decided_on)  # type: ignore[arg-type]
        if change in (AccountChange.POST, AccountChange.POST_END):
            line = replace(line, value=roles.get(line.value.casefold(), line.value))
        lines.append(line)
    return lines, faults


def _problems(request: PageRequest, faults: Sequence[LineFault]) -> Problems:
    return [
        (
            "",
            request.say(
                f"account_request.fault.{fault.fault}",
                line=fault.line + 1,
                column=_heading(request, fault.field) if fault.field else "",
                most=account_forms.MOST_LINES,
            ),
        )
        for fault in faults
    ]


def _heading(request: PageRequest, column: str) -> str:
    if column in ("role", "decided_on"):
        return request.say(f"account_request.column.{column}")
    return request.say(f"account_form.column.{_HEADINGS.get(column, column)}")


def _cell_text(request: PageRequest, line: RequestLine, column: str) -> str:
    value = getattr(line, column)
    if column == "change":
        return request.say(f"account_request.change.{value}")
    if column == "role" or (
        column == "value" and line.change in (AccountChange.POST, AccountChange.POST_END)
    ):
        return request.say(f"post.{value}")
    if column == "decided_on":
        return dates.day_text(value)
    return str(value)


ROUTES = (
    get(PATH, "account_requests", list_requests),
    *both(f"{PATH}/moi/{{form:{_FORMS}}}", "account_request_new", "account_request_made", make_request),
    get(_PATH_OF_ONE, "account_request", show_request),
    post(_PATH_OF_ONE, "account_request_answered", answer_request, needs=OPERATES),
    get(f"{_PATH_OF_ONE}.pdf", "account_request_pdf", give_pdf),
)
