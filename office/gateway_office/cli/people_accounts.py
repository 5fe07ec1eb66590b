"""`gateway people`: accounts of the pages, where an administrator has no pages; and requests of agencies about accounts,
with their answer. In: names to sign in with, posts, reasons; the lines of a request. Out: the account, its sessions, and
once a one-time link. An administrator who makes an account never knows its password."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, people
from gateway.cli.command import Invocation, noun
from gateway.cli.node import chosen, operator_id
from gateway.cli.people import MaybeAs
from gateway.domain.person import AccountStanding, Person, Proposal
from gateway_office.accounts import acting, admin, pending_rights, posts, requests
from gateway_office.domain.account_request import AccountChange, AccountRequest, RequestForm, RequestLine
from gateway_office.domain.roles import Post, PostRole

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway_office.accounts.acting import Administrator
    from gateway_office.accounts.admin import AccountLine
    from gateway_office.accounts.posts import WantedPost
    from gateway_office.services import AccountServices

_ACCOUNTS = output.columns(
    "login name title roles factor last_login=last_login_at state=standing:standing until"
)
_REQUESTS = output.columns("made_at form agency number people state", dim="id")
verb = noun("people").verb
_CHANGES = output.columns("id about agency until=expires_at")
_SESSIONS = output.columns("id since=began_at seen=seen_at address factor:factor")
Login = Annotated[str, typer.Argument(help="The sign-in name.")]
LoginOrName = Annotated[str, typer.Argument(help="The sign-in name, or the person's name.")]
ChangeId = Annotated[str, typer.Argument(help="Id of the change, from: gateway people changes")]
Unit = Annotated[str, typer.Option("--unit", help="The department of a unit head or officer.")]
Role = Annotated[
    str,
    typer.Argument(
        help="clerk, head, unit-head, officer, viewer, agency-admin; operator, codes, auditor, inspector."
    ),
]
_LINE_VALUES: dict[str, Callable[[str], Any]] = {"decided_on": date.fromisoformat, "change": AccountChange}


@verb(
    "quantri 'A. Admin' --post operator",
    "vananh 'A. Clerk' --post clerk --title Clerk --agency Z91.01 --as 'A. Admin'",
    writes=True,
)
async def account(
    call: Invocation,
    core: NodeCore,
    login: Login,
    name: Annotated[str, typer.Argument(help="The person's full name.")],
    post: Annotated[
        str, typer.Option("--post", help="The first post, in the agency of --agency or in the node.")
    ],
    title: Annotated[str, typer.Option("--title", help="Title of the person in the agency.")] = "",
    unit: Unit = "",
    as_: MaybeAs = None,
) -> None:
    """Make an account of the pages; prints its one-time link. No one else ever knows its password."""
    role = _role(post)
    wanted_post = await _wanted_post(call, core, role, unit)
    call.ask("cli.ask.account", login=login, name=name, role=role.value)
    by = await _by(call, core, as_)
    person, code = await admin.add(
        _services(core), by, admin.NewAccount(login=login, name=name, title=title, posts=(wanted_post,))
    )
    _say_link(call, person, code)


@verb(
    "vananh agency-admin --agency Z91.01 --as quantri",
    "vananh clerk --take --agency Z91.01 --as quantri",
    writes=True,
)
async def post(
    call: Invocation,
    core: NodeCore,
    login: LoginOrName,
    role: Role,
    take: Annotated[bool, typer.Option("--take", help="Take the post away instead of giving it.")] = False,
    unit: Unit = "",
    as_: MaybeAs = None,
) -> None:
    """Give a post in an agency or in the node, or take it away; the person must sign in again."""
    post_role = _role(role)
    wanted_post = await _wanted_post(call, core, post_role, unit)
    call.ask("cli.ask.post_taken" if take else "cli.ask.post", login=login, role=post_role.value)
    by = await _by(call, core, as_)
    if take:
        waiting = await posts.take(_services(core), by, login, post_role, wanted_post.agency_id)
    else:
        waiting = await posts.give(_services(core), by, login, wanted_post)
    record = {"login": login, "role": post_role.value, "agency": wanted_post.agency_id or None, "taken": take}
    output.record(call, record | {"waits": waiting.id if waiting else None}, id_key="login")
    if waiting is not None:
        call.say("cli.rights.waits", id=waiting.id)


@verb("--agency Z91.01 --as quantri", "--as quantri -o json")
async def changes(call: Invocation, core: NodeCore, as_: MaybeAs = None) -> None:
    """List the changes of rights that wait for a second administrator; without --agency of all agencies."""
    hosted = await core.store.hosted()
    agency_id = chosen(hosted, call.agency).id if call.agency else None
    waiting = await pending_rights.list_waiting(_services(core), await _by(call, core, as_), agency_id)
    async with _services(core).accounts.read() as view:
        ids = {id for p in waiting for id in (p.proposed_by, p.content.rights[0].person_id)}
        names = await view.people.names(ids)
    codes = {agency.id: agency.code for agency in hosted}
    records = [_change_record(proposal, names, codes) for proposal in waiting]
    output.rows(call, records, _CHANGES, [{"about": _change_text(call, record)} for record in records])


@verb("prp_01 --as quantri", "prp_01 --as quantri --yes -o json", writes=True)
async def confirm(call: Invocation, core: NodeCore, id: ChangeId, as_: MaybeAs = None) -> None:
    """Confirm a change of rights that another administrator proposed; it takes effect at once."""
    services = _services(core)
    call.ask("cli.ask.rights_confirm", id=id)
    by = await _by(call, core, as_)
    async with services.accounts.read() as view:
        proposal, _ = await pending_rights.load(view, by, id, services.clock.now())
    await posts.confirm(services, by, id, proposal.digest)
    output.record(call, {"id": id, "confirmed": True})


@verb(
    "prp_01 --reason 'Not asked for in writing' --as quantri",
    "prp_01 --reason 'Wrong person was named' --as quantri --yes",
    writes=True,
)
async def refuse(
    call: Invocation,
    core: NodeCore,
    id: ChangeId,
    reason: Annotated[str, typer.Option("--reason", help="Reason, in ten characters or more.")],
    as_: MaybeAs = None,
) -> None:
    """Refuse a change of rights that waits, also one's own."""
    call.ask("cli.ask.rights_refuse", id=id)
    await pending_rights.refuse(_services(core), await _by(call, core, as_), id, reason)
    output.record(call, {"id": id, "confirmed": False})


@verb("vananh --as quantri", "vananh --as quantri -o json", ask="cli.ask.link")
async def link(call: Invocation, core: NodeCore, login: LoginOrName, as_: MaybeAs = None) -> None:
    """Make a one-time link after a lost password or device; the old password and device stop working now."""
    changed, code = await admin.link(_services(core), await _by(call, core, as_), login)
    _say_link(call, changed, code)


@verb(
    "vananh locked --reason 'Phone was stolen on 19/11' --as quantri",
    "vananh active --reason 'Has a new phone now' --as quantri --yes",
    writes=True,
)
async def stand(
    call: Invocation,
    core: NodeCore,
    login: LoginOrName,
    standing: Annotated[str, typer.Argument(help="active, locked, suspended or withdrawn.")],
    reason: Annotated[str, typer.Option("--reason", help="Reason, in ten characters or more.")],
    as_: MaybeAs = None,
) -> None:
    """Lock, suspend or withdraw an account, or open it again."""
    if standing not in {str(s) for s in AccountStanding}:
        raise typer.BadParameter(f"no such standing: {standing}; expected {', '.join(AccountStanding)}")
    call.ask("cli.ask.standing", login=login, standing=call.word(f"standing.{standing}"))
    by = await _by(call, core, as_)
    changed = await admin.stand(_services(core), by, login, AccountStanding(standing), reason)
    output.record(call, _person_record(changed))


@verb("vananh", ask="cli.ask.unlock")
async def unlock(call: Invocation, core: NodeCore, login: LoginOrName) -> None:
    """Let a person try again after too many failed attempts."""
    by = await _by(call, core, None)
    output.record(call, _person_record(await admin.unlock(_services(core), by, login)))


@verb("vananh")
async def sessions(call: Invocation, core: NodeCore, login: LoginOrName) -> None:
    """List the sessions of a person."""
    from gateway_office.accounts import sessions

    async with _services(core).accounts.read() as view:
        person = await view.people.find_by_name(login)
    open_sessions = await sessions.open_of(_services(core), person)
    records = [output.fields(s, "id began_at seen_at address agent factor") for s in open_sessions]
    output.rows(call, records, _SESSIONS)


@verb("vananh", ask="cli.ask.sign_out")
async def sign_out(call: Invocation, core: NodeCore, login: LoginOrName) -> None:
    """Sign a person out everywhere at once. This needs no name and no second person."""
    ended = await admin.sign_out(_services(core), await _by(call, core, None), login)
    output.record(call, {"login": login, "ended": ended}, id_key="login")


@verb("--agency Z91.01 --as quantri", "--as quantri -o json")
async def review(call: Invocation, core: NodeCore, as_: MaybeAs = None) -> None:
    """List the accounts of an agency for its yearly review; without --agency those of the node."""
    agency_id = chosen(await core.store.hosted(), call.agency).id if call.agency else ""
    lines = await admin.review_lines(_services(core), await _by(call, core, as_), agency_id)
    cells = [
        {
            "roles": " ".join(call.word(f"post.{post.role}") for post in line.posts),
            "factor": call.word("factor.totp" if line.has_factor else "factor.none"),
            "until": _earliest_end(line.posts),
        }
        for line in lines
    ]
    output.rows(call, [_line(line) for line in lines], _ACCOUNTS, cells)


@verb("", "--agency Z91.01 --as quantri -o json", name="requests")
async def list_requests(call: Invocation, core: NodeCore, as_: MaybeAs = None) -> None:
    """List requests about accounts, newest first; without --agency those of every agency."""
    hosted = {agency.id: agency for agency in await core.store.hosted()}
    agency_id = chosen(list(hosted.values()), call.agency).id if call.agency else None
    listed_requests = await requests.list_requests(_services(core), await _by(call, core, as_), agency_id)
    cells = [
        {
            "state": call.word(f"account_request.state.{request.state}"),
            "agency": hosted[request.agency_id].code if request.agency_id in hosted else "",
            "people": str(len(request.lines)),
        }
        for request in listed_requests
    ]
    output.rows(call, [_request_record(request) for request in listed_requests], _REQUESTS, cells)


@verb(
    "03 login=vananh decided_on=2026-11-20 'reason=Has retired' --agency Z91.01 --as quantri",
    "01 'name=A. Clerk' role=clerk 'name=B. Officer' role=officer --agency Z91.01 --as quantri --yes",
    writes=True,
)
async def request(
    call: Invocation,
    core: NodeCore,
    form: Annotated[str, typer.Argument(help="01 new accounts, 02 changes, 03 ends.")],
    cells: Annotated[
        list[str],
        typer.Argument(help="FIELD=VALUE as in the API; a field that comes again begins the next person."),
    ],
    number: Annotated[str, typer.Option("--number", help="Number of the written request.")] = "",
    as_: MaybeAs = None,
) -> None:
    """Ask the operator for new accounts, changes or ends in the name of an agency."""
    from gateway_office.policy.account_forms import REQUESTS

    if form not in REQUESTS:
        raise typer.BadParameter(f"no such form: {form}; expected one of {', '.join(REQUESTS)}")
    agency = chosen(await core.store.hosted(), call.agency)
    draft = requests.RequestDraft(form=RequestForm(form), lines=_request_lines(cells), number=number)
    call.ask("cli.ask.account_request", count=len(draft.lines), code=agency.code)
    new_request = await requests.make(_services(core), await _by(call, core, as_), agency.id, draft)
    output.record(call, _request_record(new_request))


@verb(
    "arq_01K… --words 'Done as requested.' --as quantri",
    "arq_01K… --words 'The account is made.' --login vananh --refuse '2=Has no post.' --as quantri --yes",
    writes=True,
)
async def answer(
    call: Invocation,
    core: NodeCore,
    id: Annotated[str, typer.Argument(help="Id of the request, from: gateway people requests")],
    words: Annotated[str, typer.Option("--words", help="The written answer.")],
    login: Annotated[
        list[str] | None, typer.Option("--login", help="Sign-in names of new accounts, in order.")
    ] = None,
    refuse: Annotated[
        list[str] | None, typer.Option("--refuse", help="LINE=REASON for a person who is refused.")
    ] = None,
    refuse_all: Annotated[bool, typer.Option("--refuse-all", help="Refuse all; the answer is why.")] = False,
    last_clerk: Annotated[
        bool, typer.Option("--last-clerk", help="Carry it out although the agency will have no clerk.")
    ] = False,
    as_: MaybeAs = None,
) -> None:
    """Answer a request about accounts, and carry it out with the answer; prints links of new accounts once."""
    services, by = _services(core), await _by(call, core, as_)
    account_request = await requests.find(services, by, id)
    refusals = dict(cell.partition("=")[::2] for cell in refuse or ())
    if refusals.keys() - {str(n) for n in range(1, len(account_request.lines) + 1)}:
        raise typer.BadParameter(f"the request has the lines 1 to {len(account_request.lines)}")
    agreed = [not refuse_all and str(n) not in refusals for n in range(1, len(account_request.lines) + 1)]
    names = iter(login or ())
    decisions = tuple(
        requests.Decision(
            is_done=is_done, refusal=refusals.get(str(n), ""), login=next(names, "") if is_done else ""
        )
        for n, is_done in enumerate(agreed, start=1)
    )
    call.ask("cli.ask.account_answer", id=id, done=sum(agreed), refused=len(agreed) - sum(agreed))
    reply = requests.Answer(words=words, decisions=decisions, despite_warnings=last_clerk)
    answered, codes = await requests.answer(services, by, id, reply)
    links = [_person_record(person) | _link_record(call, code) for person, code in codes]
    output.record(call, _request_record(answered) | ({"accounts": links} if links else {}))


def _request_lines(cells: list[str]) -> tuple[RequestLine, ...]:
    from gateway_office.policy.account_forms import COLUMNS

    lines: list[dict[str, Any]] = [{}]  # Any: a text, a day or a kind of change
    for cell in cells:
        name, _, value = cell.partition("=")
        if name not in {field for columns in COLUMNS.values() for field in columns}:
            raise typer.BadParameter(f"no such field: {name}")
        if name in lines[-1]:
            lines.append({})
        try:
            lines[-1][name] = _LINE_VALUES.get(name, str)(value)
        except ValueError:
            raise typer.BadParameter(f"{cell!r} is not valid") from None
    return tuple(RequestLine(**line) for line in lines)


def _request_record(request: AccountRequest) -> dict[str, Any]:
    lines = [
        output.fields(line, "login name decided_on is_done refusal", decided_on=str(line.decided_on or ""))
        for line in request.lines
    ]
    return output.fields(request, "id form number state made_at answer answered_at", lines=lines)


def _services(core: NodeCore) -> AccountServices:
    from gateway_office.bootstrap.office import account_services

    return account_services(core)


async def _by(call: Invocation, core: NodeCore, as_: str | None) -> Administrator:
    signed_in = await people.maybe_sign_in(call, core, as_)
    if signed_in is not None:
        return acting.Administrator.person(signed_in.person.id)
    return acting.Administrator(principal_id=await operator_id(core.store))


async def _wanted_post(call: Invocation, core: NodeCore, role: PostRole, unit: str) -> WantedPost:
    if role.is_of_node:
        return posts.WantedPost(role=role)
    agency = chosen(await core.store.hosted(), call.agency)
    return posts.WantedPost(role=role, agency_id=agency.id, unit=unit)


def _role(text: str) -> PostRole:
    names = [str(role) for role in PostRole if role is not PostRole.SYSTEM]
    if text not in names:
        raise typer.BadParameter(f"no such post: {text}; expected one of {', '.join(names)}")
    return PostRole(text)


def _say_link(call: Invocation, person: Person, code: str) -> None:
    record = _link_record(call, code)
    output.record(call, _person_record(person) | record, id_key="link" if "link" in record else "code")
    call.say("cli.account.next", name=person.name, hours=call.settings().accounts.link_h)


def _link_record(call: Invocation, code: str) -> dict[str, str]:
    address = call.settings().accounts.address.rstrip("/")
    return {"code": code} | ({"link": f"{address}/lien-ket/{code}"} if address else {})


def _person_record(person: Person) -> dict[str, Any]:
    return output.fields(person, "id login name title standing standing_why last_login_at")


def _change_record(proposal: Proposal, names: Mapping[str, str], codes: Mapping[str, str]) -> dict[str, Any]:
    change = proposal.content.rights[0]
    return output.fields(proposal, "id proposed_at expires_at") | {
        **output.fields(change, "act person_id role unit until"),
        "agency": codes.get(change.agency_id, change.agency_id),
        "name": names.get(change.person_id, ""),
        "proposed_by": names.get(proposal.proposed_by, proposal.proposed_by),
    }


def _change_text(call: Invocation, record: Mapping[str, Any]) -> str:
    role = call.word(f"post.{record['role']}") if record["role"] else ""
    key = f"journal.say.rights.changed.{record['act']}.asked"
    return call.word(key, who=record["proposed_by"], person=record["name"], role=role)


def _line(line: AccountLine) -> dict[str, Any]:
    return _person_record(line.person) | {
        "posts": [output.fields(post, "role unit until") for post in line.posts],
        "second_factor": line.has_factor,
    }


def _earliest_end(posts: tuple[Post, ...]) -> str:
    ends = [post.until for post in posts if post.until is not None]
    return output.clock(min(ends)) if ends else ""
