"""Requests of an agency about its accounts, and the operator's written answer, which carries them out in the same
transaction (R91, R92); reports that an agency hands in (T22, T23). In: an administrator, the lines of a form; for an answer
a decision on each line. Out: the stored request; one-time codes of new accounts, once. The person who makes a request
never answers it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.person import AccountStanding, Person
from gateway.domain.text import nfc
from gateway.domain.wall_clock import local
from gateway.errors import BadForm, Clash, Denied, NotFound
from gateway_office.accounts import admin, posts, sessions
from gateway_office.accounts.acting import Administrator, over_agency, over_person
from gateway_office.accounts.posts import WantedPost
from gateway_office.domain.account_request import (
    ANSWER_KEY,
    AccountChange,
    AccountRequest,
    ReportedAccount,
    RequestContact,
    RequestForm,
    RequestLine,
    RequestState,
)
from gateway_office.domain.roles import NODE, Post, PostRole
from gateway_office.domain.session import SessionEnd
from gateway_office.policy import account_forms
from gateway_office.policy.account_forms import EndWarning, LineFault
from gateway_office.services import AccountServices
from gateway_office.store.accounts import AccountWork

MOST_LISTED = 200
LONGEST_TEXT = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDraft:
    """Form as an agency fills it in."""

    form: RequestForm
    lines: tuple[RequestLine, ...]
    number: str = ""
    contact: RequestContact = field(default_factory=RequestContact)
    receiver: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Answer to one line: done, under `login` for a new account; else the reason of the refusal."""

    is_done: bool
    refusal: str = ""
    login: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Written answer. `despite_warnings`: the operator saw that an agency loses its last clerk, and does it."""

    words: str
    decisions: tuple[Decision, ...]
    despite_warnings: bool = False


async def list_faults(services: AccountServices, agency_id: str, draft: RequestDraft) -> Sequence[LineFault]:
    """List the faults of a form, for the page that shows it again."""
    async with services.accounts.read() as view:
        members = await _members(view, agency_id)
    today = local(services.clock.now()).date()
    return account_forms.find_faults(draft.form, draft.lines, members, today)


async def make(
    services: AccountServices, by: Administrator, agency_id: str, draft: RequestDraft
) -> AccountRequest:
    """Hand a request to the operator. BadForm for one with faults."""
    async with services.changing(by.principal_id) as (work, now):
        await over_agency(work, by, agency_id, now)
        return await record(services, work, by.principal_id, agency_id, draft, now)


async def record(
    services: AccountServices,
    work: AccountWork,
    principal_id: str,
    agency_id: str,
    draft: RequestDraft,
    now: datetime,
) -> AccountRequest:
    """Record a request in the caller's transaction, which has checked the right."""
    members = await _members(work, agency_id)
    faults = account_forms.find_faults(draft.form, draft.lines, members, local(now).date())
    if faults or agency_id not in await work.agency_codes():
        first = next(iter(faults), LineFault(0, "agency", "unknown"))
        raise BadForm(
            f"line {first.line + 1}: {first.field or 'lines'} is {first.fault}",
            code="GW-REQUEST",
            field=f"lines/{first.line}/{first.field}" if first.field else "lines",
        )
    if draft.contact.email and not account_forms.is_address(draft.contact.email):
        raise BadForm("the contact's address is none", code="GW-REQUEST", field="contact/email")
    request = AccountRequest(
        id=services.clock.new_id("arq_"),
        agency_id=agency_id,
        form=draft.form,
        made_by=principal_id,
        made_at=now,
        number=_line(draft.number),
        contact=draft.contact,
        receiver=_line(draft.receiver),
        place=_line(draft.place),
        lines=tuple(_with_person(line, members.get(line.login)) for line in draft.lines),
    )
    await work.requests.add(request)
    late = max(account_forms.days_late(line, now) for line in request.lines)
    details: dict[str, object] = {
        "form": request.form.value,
        "number": request.number,
        "lines": len(request.lines),
    }
    details |= {"days_late": late} if request.form is RequestForm.END else {}
    await work.tell_agency(agency_id, EventKind.ACCOUNT_REQUESTED, request.id, now, details)
    return request


async def answer(
    services: AccountServices, by: Administrator, id: str, answer: Answer
) -> tuple[AccountRequest, Sequence[tuple[Person, str]]]:
    """Carry out a request and answer it, as one change; return the new accounts with their one-time codes. A line that
    cannot be carried out refuses the whole answer, so that what was written is what was done."""
    async with services.changing(by.principal_id) as (work, now):
        await over_agency(work, by, NODE, now)
        request = await work.requests.get(id)
        if request.made_by == by.principal_id:
            raise Denied(
                "who made a request does not answer it; another operator does", code="GW-REQUEST-SELF"
            )
        if request.state is not RequestState.OPEN:
            raise Clash(f"the request {id} was answered before", code="GW-REQUEST-ANSWERED")
        lines = _decided_lines(request, answer)
        await _check_last_clerk(work, request, lines, answer, now)
        codes = []
        for line, decision in zip(lines, answer.decisions, strict=True):
            if line.is_done and (new := await _carry_out(services, work, by, request, line, decision, now)):
                codes.append(new)
        answered = replace(
            request,
            lines=tuple(
                replace(line, login=d.login or line.login)
                for line, d in zip(lines, answer.decisions, strict=True)
            ),
            state=account_forms.state_after(lines),
            answer=nfc(answer.words.strip())[:LONGEST_TEXT],
            answered_by=by.principal_id,
            answered_at=now,
        )
        await work.requests.save(answered)
        agreed = sum(bool(line.is_done) for line in lines)
        details = {
            "form": request.form.value,
            "number": request.number,
            "state": answered.state.value,
            "done": agreed,
            "refused": len(lines) - agreed,
        }
        await work.tell_agency(request.agency_id, EventKind.ACCOUNT_ANSWERED, id, now, details)
        await work.plan_reminder(request.agency_id, f"{ANSWER_KEY}{id}", now)
    return answered, codes


async def warnings_of(services: AccountServices, request: AccountRequest) -> Mapping[str, EndWarning]:
    """Map the sign-in names of a request whose end does more, or less, than it says."""
    async with services.accounts.read() as view:
        return await _warnings(view, request, request.lines, services.clock.now())


async def find(services: AccountServices, by: Administrator, id: str) -> AccountRequest:
    """Load a request. NotFound for one of an agency that the person does not administer."""
    async with services.accounts.read() as view:
        request = await view.requests.get(id)
        try:
            await over_agency(view, by, request.agency_id, services.clock.now())
        except Denied:
            raise NotFound(f"there is no request {id}") from None
    return request


async def list_requests(
    services: AccountServices, by: Administrator, agency_id: str | None
) -> Sequence[AccountRequest]:
    """List the newest requests; of every agency for None, which needs an operator."""
    async with services.accounts.read() as view:
        await over_agency(view, by, NODE if agency_id is None else agency_id, services.clock.now())
        return await view.requests.listed(agency_id, MOST_LISTED)


async def file_report(
    services: AccountServices,
    by: Administrator,
    agency_id: str,
    *,
    number: str = "",
    receiver: str = "",
    place: str = "",
    remarks: str = "",
    contact: str = "",
) -> AccountRequest:
    """Hand in the agency's list of accounts and its figures, as they are now, and keep them with their digest."""
    async with services.changing(by.principal_id) as (work, now):
        await over_agency(work, by, agency_id, now)
        lines = await admin.list_for_review(work, agency_id)
        year = local(now).year
        report = AccountRequest(
            id=services.clock.new_id("arq_"),
            agency_id=agency_id,
            form=RequestForm.REPORT,
            made_by=by.principal_id,
            made_at=now,
            number=_line(number),
            contact=RequestContact(name=_line(contact)),
            receiver=_line(receiver),
            place=_line(place),
            state=RequestState.FILED,
            remarks=nfc(remarks.strip())[:LONGEST_TEXT],
            accounts=tuple(
                ReportedAccount(
                    login=line.person.login or "",
                    name=line.person.name,
                    title=line.person.title,
                    roles=tuple(post.role.value for post in line.posts),
                    standing=line.person.standing.value,
                    last_login_at=line.person.last_login_at,
                )
                for line in lines
            ),
            figures=account_forms.count([line.person for line in lines], year),
        )
        report = replace(report, digest=digest_of(report))
        await work.requests.add(report)
        details = {"year": year, "agency": agency_id or None, "accounts": len(lines)}
        details |= {"report": report.id, "digest": report.digest}
        await work.events.append(EventKind.ACCOUNT_REVIEWED, f"accounts:{agency_id or 'node'}", now, details)
    return report


async def reports_by_agency(
    services: AccountServices, by: Administrator, since: datetime
) -> Mapping[str, AccountRequest]:
    """Map agencies to the last report that each handed in since then; needs an operator."""
    async with services.accounts.read() as view:
        await over_agency(view, by, NODE, services.clock.now())
        return {report.agency_id: report for report in await view.requests.reports_since(since)}


def digest_of(report: AccountRequest) -> str:
    """Return the SHA-256 of what a report says, so that a kept one can be compared with its event."""
    content = {
        "accounts": [asdict(account) for account in report.accounts],
        "figures": asdict(report.figures) if report.figures else None,
        "remarks": report.remarks,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=datetime.isoformat)
    return hashlib.sha256(text.encode()).hexdigest()


def _decided_lines(request: AccountRequest, answer: Answer) -> list[RequestLine]:
    words = answer.words.strip()
    if len(words) < account_forms.SHORTEST_ANSWER:
        raise Clash("the answer has at least ten characters", code="GW-REASON")
    if len(answer.decisions) != len(request.lines):
        raise Clash(f"the request has {len(request.lines)} lines; decide each", code="GW-REQUEST-LINES")
    is_all_refused = not any(decision.is_done for decision in answer.decisions)
    lines = []
    for line, decision in zip(request.lines, answer.decisions, strict=True):
        refusal = "" if decision.is_done else decision.refusal.strip() or (words if is_all_refused else "")
        if not decision.is_done and not refusal:
            raise Clash("each refused person has a reason", code="GW-REQUEST-LINES")
        lines.append(replace(line, is_done=decision.is_done, refusal=nfc(refusal)[:LONGEST_TEXT]))
    return lines


async def _check_last_clerk(
    work: AccountWork, request: AccountRequest, lines: Sequence[RequestLine], answer: Answer, now: datetime
) -> None:
    agreed = [line for line in lines if line.is_done]
    warnings = await _warnings(work, request, agreed, now)
    last = sorted(login for login, warning in warnings.items() if warning.last_clerk)
    if last and not answer.despite_warnings:
        raise Clash(f"without {', '.join(last)} the agency has no clerk; confirm it", code="GW-LAST-CLERK")


async def _warnings(
    view: AccountWork, request: AccountRequest, lines: Sequence[RequestLine], now: datetime
) -> Mapping[str, EndWarning]:
    ends_clerk = (AccountChange.POST_END, PostRole.CLERK.value)
    logins = [line.login for line in lines if request.form is RequestForm.END]
    logins += [line.login for line in lines if (line.change, line.value) == ends_clerk]
    if not logins:
        return {}
    people, posts = await view.people.all(), await view.posts.all()
    return account_forms.end_warnings(request.agency_id, logins, people, posts, now)


async def _carry_out(
    services: AccountServices,
    work: AccountWork,
    by: Administrator,
    request: AccountRequest,
    line: RequestLine,
    decision: Decision,
    now: datetime,
) -> tuple[Person, str] | None:
    if request.form is RequestForm.NEW:
        post = WantedPost(role=PostRole(line.role), agency_id=request.agency_id, unit=line.unit)
        account = admin.NewAccount(
            login=decision.login,
            name=line.name,
            title=line.title,
            email=line.email or None,
            posts=(post,),
            request=request.number or request.id,
        )
        return await admin.add_account(services, work, by, account, now, is_confirmed=True)
    person = await work.people.find_by_name(line.login)
    own_posts = await work.posts.of_persons({person.id})
    agency_posts = [post for post in own_posts if post.agency_id == request.agency_id]
    await over_person(work, by, person, now)
    if not agency_posts:
        raise NotFound(f"{line.login} has no post in the agency any more")
    if request.form is RequestForm.END:
        await _end(work, by, request, line, person, own_posts, now)
    else:
        await _change(work, by, request, line, person, agency_posts, now)
    return None


async def _end(
    work: AccountWork,
    by: Administrator,
    request: AccountRequest,
    line: RequestLine,
    person: Person,
    own_posts: Sequence[Post],
    now: datetime,
) -> None:
    """Withdraw the account; of a person who works elsewhere as well, take the posts of this agency alone."""
    if person.roles or any(post.agency_id != request.agency_id and post.holds(now) for post in own_posts):
        for post in own_posts:
            if post.agency_id == request.agency_id:
                await posts.take_post(work, person, post.role, post.agency_id, now)
        return
    await admin.set_standing(work, by, person, AccountStanding.WITHDRAWN, line.reason, now, request.id)


async def _change(
    work: AccountWork,
    by: Administrator,
    request: AccountRequest,
    line: RequestLine,
    person: Person,
    agency_posts: Sequence[Post],
    now: datetime,
) -> None:
    unit = next((post.unit for post in agency_posts if post.unit), "")
    match line.change:
        case AccountChange.POST_END:
            await posts.take_post(work, person, PostRole(line.value), request.agency_id, now)
        case AccountChange.POST:
            wish = WantedPost(role=PostRole(line.value), agency_id=request.agency_id, unit=unit)
            await posts.give_post(work, by, person, wish, now)
            await sessions.end_all(work, person.id, now, SessionEnd.RIGHTS)
        case AccountChange.UNIT:
            moved = [
                post
                for post in agency_posts
                if post.unit or post.role in (PostRole.OFFICER, PostRole.UNIT_HEAD)
            ]
            if not moved:
                raise Clash(f"{line.login} has no post of a unit", code="GW-POST")
            for post in moved:
                wish = WantedPost(
                    role=post.role, agency_id=post.agency_id, unit=line.value, ends_at=post.until
                )
                await posts.give_post(work, by, person, wish, now)
            await sessions.end_all(work, person.id, now, SessionEnd.RIGHTS)
        case _:
            await admin.change_details(work, by, person, now, request.id, **{str(line.change): line.value})


async def _members(view: AccountWork, agency_id: str) -> Mapping[str, Person]:
    ids = {post.person_id for post in await view.posts.in_agency(agency_id)}
    return {p.login: p for p in await view.people.all() if p.login and p.id in ids}


def _with_person(line: RequestLine, person: Person | None) -> RequestLine:
    """Return the line with its cells as one line of text each, and with the person's name and title as they are now."""
    texts = ("name", "title", "unit", "email", "phone", "value", "reason", "note")
    line = replace(line, **{field: _line(getattr(line, field)) for field in texts})  # type: ignore[arg-type]
    if person is None:
        return line
    return replace(line, name=person.name, title=person.title, email=person.email or "")


def _line(text: str) -> str:
    return " ".join(nfc(text).split())[: account_forms.LONGEST_CELL]
