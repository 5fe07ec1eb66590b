"""`gateway people`: accounts of the pages, where an administrator has no pages. In: names to sign in with, posts, reasons.
Out: the account, its sessions, and once a one-time link. Whoever makes an account knows no password of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, people
from gateway.cli.command import Invocation, late, noun
from gateway.cli.node import chosen, operator_id
from gateway.cli.people import MaybeAs
from gateway.domain.person import AccountStanding, Person
from gateway.office.domain.roles import Post, PostRole

if TYPE_CHECKING:
    from gateway.bootstrap.ground import Ground
    from gateway.office.accounts import acting, admin, posts
    from gateway.office.accounts.acting import By
    from gateway.office.accounts.admin import AccountLine
    from gateway.office.accounts.posts import WantedPost
    from gateway.office.desks import AccountDesk
else:
    acting = late("gateway.office.accounts.acting")
    admin = late("gateway.office.accounts.admin")
    posts = late("gateway.office.accounts.posts")

_ACCOUNTS = output.columns(
    "login name title roles factor last_login=last_login_at state=standing:standing until"
)
verb = noun("people").verb
_SESSIONS = output.columns("id since=began_at seen=seen_at address factor:factor")
Login = Annotated[str, typer.Argument(help="The name to sign in with.")]
Named = Annotated[str, typer.Argument(help="The name to sign in with, or the person's name.")]
Unit = Annotated[str, typer.Option("--unit", help="The department, of a unit head or officer.")]
Role = Annotated[
    str,
    typer.Argument(help="clerk, head, unit-head, officer, viewer, agency-admin; operator, codes, auditor."),
]


@verb(
    "quantri 'A. Admin' --post operator",
    "vananh 'A. Clerk' --post clerk --title Clerk --agency Z91.01 --as 'A. Admin'",
    writes=True,
)
async def account(
    call: Invocation,
    ground: Ground,
    login: Login,
    name: Annotated[str, typer.Argument(help="The person's full name.")],
    post: Annotated[
        str, typer.Option("--post", help="The first post, in the agency of --agency or in the node.")
    ],
    title: Annotated[str, typer.Option("--title", help="What the person is in the agency.")] = "",
    unit: Unit = "",
    as_: MaybeAs = None,
) -> None:
    """Make an account of the pages; prints its one-time link. Nobody else ever knows its password."""
    role = _role(post)
    wanted = await _wanted(call, ground, role, unit)
    call.ask("cli.ask.account", login=login, name=name, role=role.value)
    by = await _by(call, ground, as_)
    made, code = await admin.add(
        _desk(ground), by, admin.NewAccount(login=login, name=name, title=title, posts=(wanted,))
    )
    _say_link(call, made, code)


@verb(
    "vananh agency-admin --agency Z91.01 --as quantri",
    "vananh clerk --take --agency Z91.01 --as quantri",
    writes=True,
)
async def post(
    call: Invocation,
    ground: Ground,
    login: Named,
    role: Role,
    take: Annotated[bool, typer.Option("--take", help="Take the post instead of giving it.")] = False,
    unit: Unit = "",
    as_: MaybeAs = None,
) -> None:
    """Give a post in an agency or in the node, or take it; the person signs in anew."""
    known = _role(role)
    wanted = await _wanted(call, ground, known, unit)
    call.ask("cli.ask.post_taken" if take else "cli.ask.post", login=login, role=known.value)
    by = await _by(call, ground, as_)
    if take:
        await posts.take(_desk(ground), by, login, known, wanted.agency_id)
    else:
        await posts.give(_desk(ground), by, login, wanted)
    output.record(
        call,
        {"login": login, "role": known.value, "agency": wanted.agency_id or None, "taken": take},
        id_key="login",
    )


@verb("vananh --as quantri", "vananh --as quantri -o json", ask="cli.ask.link")
async def link(call: Invocation, ground: Ground, login: Named, as_: MaybeAs = None) -> None:
    """Make a one-time link for a lost password or device; what was known before is worth nothing from now on."""
    changed, code = await admin.link(_desk(ground), await _by(call, ground, as_), login)
    _say_link(call, changed, code)


@verb(
    "vananh locked --reason 'Phone was stolen on 19/11' --as quantri",
    "vananh active --reason 'Has a new phone now' --as quantri --yes",
    writes=True,
)
async def stand(
    call: Invocation,
    ground: Ground,
    login: Named,
    standing: Annotated[str, typer.Argument(help="active, locked, suspended or withdrawn.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in ten characters or more.")],
    as_: MaybeAs = None,
) -> None:
    """Lock, suspend or withdraw an account, or open it again."""
    if standing not in {str(each) for each in AccountStanding}:
        raise typer.BadParameter(f"no such standing: {standing}; expected {', '.join(AccountStanding)}")
    call.ask("cli.ask.standing", login=login, standing=call.word(f"standing.{standing}"))
    by = await _by(call, ground, as_)
    changed = await admin.stand(_desk(ground), by, login, AccountStanding(standing), reason)
    output.record(call, _shown(changed))


@verb("vananh", ask="cli.ask.unlock")
async def unlock(call: Invocation, ground: Ground, login: Named) -> None:
    """Let somebody try again who typed a wrong password too often."""
    by = await _by(call, ground, None)
    output.record(call, _shown(await admin.unlock(_desk(ground), by, login)))


@verb("vananh")
async def sessions(call: Invocation, ground: Ground, login: Named) -> None:
    """List where somebody is signed in."""
    from gateway.office.accounts import sessions

    async with _desk(ground).accounts.read() as view:
        one = await view.people.named(login)
    found = await sessions.open_of(_desk(ground), one)
    told = [output.fields(each, "id began_at seen_at address agent factor") for each in found]
    output.rows(call, told, _SESSIONS)


@verb("vananh", ask="cli.ask.sign_out")
async def sign_out(call: Invocation, ground: Ground, login: Named) -> None:
    """Sign somebody out everywhere, at once. To take away needs no more than this machine."""
    ended = await admin.sign_out(_desk(ground), await _by(call, ground, None), login)
    output.record(call, {"login": login, "ended": ended}, id_key="login")


@verb("--agency Z91.01 --as quantri", "--as quantri -o json")
async def review(call: Invocation, ground: Ground, as_: MaybeAs = None) -> None:
    """List the accounts of an agency for its yearly review; without --agency those of the node."""
    agency_id = chosen(await ground.store.hosted(), call.agency).id if call.agency else ""
    found = await admin.review_lines(_desk(ground), await _by(call, ground, as_), agency_id)
    cells = [
        {
            "roles": " ".join(call.word(f"post.{post.role}") for post in each.posts),
            "factor": call.word("factor.totp" if each.has_factor else "factor.none"),
            "until": _until(each.posts),
        }
        for each in found
    ]
    output.rows(call, [_line(each) for each in found], _ACCOUNTS, cells)


def _desk(ground: Ground) -> AccountDesk:
    from gateway.office.bootstrap.office import account_desk

    return account_desk(ground)


async def _by(call: Invocation, ground: Ground, as_: str | None) -> By:
    who = await people.maybe_sign_in(call, ground, as_)
    if who is not None:
        return acting.By.person(who.person.id)
    return acting.By(principal_id=await operator_id(ground.store))


async def _wanted(call: Invocation, ground: Ground, role: PostRole, unit: str) -> WantedPost:
    if role.is_of_node:
        return posts.WantedPost(role=role)
    agency = chosen(await ground.store.hosted(), call.agency)
    return posts.WantedPost(role=role, agency_id=agency.id, unit=unit)


def _role(text: str) -> PostRole:
    known = [str(each) for each in PostRole if each is not PostRole.SYSTEM]
    if text not in known:
        raise typer.BadParameter(f"no such post: {text}; expected one of {', '.join(known)}")
    return PostRole(text)


def _say_link(call: Invocation, made: Person, code: str) -> None:
    address = call.settings().accounts.address.rstrip("/")
    told = {"code": code, "link": f"{address}/lien-ket/{code}"} if address else {"code": code}
    output.record(call, _shown(made) | told, id_key="link" if address else "code")
    call.say("cli.account.next", name=made.name, hours=call.settings().accounts.link_h)


def _shown(one: Person) -> dict[str, Any]:
    return output.fields(one, "id login name title standing standing_why last_login_at")


def _line(line: AccountLine) -> dict[str, Any]:
    return _shown(line.person) | {
        "posts": [output.fields(each, "role unit until") for each in line.posts],
        "second_factor": line.has_factor,
    }


def _until(posts: tuple[Post, ...]) -> str:
    ends = [each.until for each in posts if each.until is not None]
    return output.clock(min(ends)) if ends else ""
