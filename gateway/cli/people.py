"""`gateway people`: the persons who decide what this node trusts, and the accounts of its pages; and how a person signs in
at the command line. In: names, roles, and hidden input. Out: the persons; once, for a new person, the enrolment code, so
that the adding person knows no secret of the new one; for other commands `SignedIn`. Passphrase and second factor stand in
no argument, environment variable or log; without a terminal each answer is one line of standard input."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, Why, argument, noun, option
from gateway.cli.node import operator_id
from gateway.cli.served import in_own_process
from gateway.deciding import approvals, people
from gateway.domain.person import Person, Role, SignedIn
from gateway.errors import Denied

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.bootstrap.node import OpenNode
    from gateway.bootstrap.stored import OpenStore
    from gateway.cli.node import CommandContext
    from gateway.domain.account import AgencyScope
    from gateway.personal_data import PersonalDatum
    from gateway.ports.services import Clock
    from gateway.store.store import SqlStore

_LONGEST = 4096

As = Annotated[str, option("Your name; passphrase and second factor are asked for.", "--as")]
Proposer = Annotated[str | None, option("Your name; passphrase and second factor are asked for.", "--as")]
KeptReason = Annotated[str, option("Reason; it is recorded.")]
ForApprover = Annotated[str, option("Reason; the approver reads it.")]
MaybeAs = Annotated[
    str | None, option("Your name; leave it out only while no one may administer people.", "--as")
]
_COLUMNS = output.columns("name person roles state:cli.person since")
_PLACES = output.columns("place=kind:cli.personal id agency field rule=obstacle:cli.personal until")
PersonText = Annotated[
    str, argument("Name, sign-in name, e-mail address or telephone number, as it is written.")
]
Name = Annotated[str, argument("The person's sign-in name; of a person without an account, the name.")]
Roles = Annotated[list[str], option("trust, people or head; may be repeated.", "--role")]


def ask_hidden(call: Invocation, key: str, **params: object) -> str:
    """Ask for an answer without showing it."""
    in_own_process()
    if sys.stdin.isatty():
        return getpass.getpass(f"{call.word(key, **params)}: ", stream=sys.stderr)
    return _read_line(call, key, **params)


def ask(call: Invocation, key: str, **params: object) -> str:
    """Ask for an answer that is shown while typed."""
    in_own_process()
    if sys.stdin.isatty():
        print(f"{call.word(key, **params)}: ", end="", file=sys.stderr, flush=True)
    return _read_line(call, key, **params).strip()


def _read_line(call: Invocation, key: str, **params: object) -> str:
    text = sys.stdin.readline(_LONGEST)
    if not text:
        raise typer.BadParameter(call.word("cli.person.no_answer", what=call.word(key, **params)))
    return text.rstrip("\r\n")


async def sign_in(call: Invocation, core: NodeCore | OpenNode, name: str) -> SignedIn:
    """Sign in the person of that name."""
    passphrase = ask_hidden(call, "cli.person.passphrase", name=name)
    code = ask_hidden(call, "cli.person.code", name=name)
    return await people.sign_in(core.deciding, name, passphrase, code)


async def decider(call: Invocation, context: CommandContext, name: str) -> AgencyScope:
    """Return the agency's scope of a person who decides on its documents. Raise Denied without the role."""
    person = (await sign_in(call, context.node, name)).person
    if not ({Role.HEAD, Role.TRUST} & set(person.roles) and person.is_active):
        raise Denied(f"{person.name} has neither the role `head` nor `trust`", code="GW-ROLE")
    return replace(context.scope, principal_id=person.id)


async def maybe_sign_in(call: Invocation, core: NodeCore, name: str | None) -> SignedIn | None:
    """Sign in as `sign_in`; return None for the operator at the machine."""
    return None if name is None else await sign_in(call, core, name)


verb = noun("people").verb


@verb()
async def list_(call: Invocation, core: NodeCore) -> None:
    """List the people, their roles, and since when they have them."""
    async with core.deciding.decisions.read() as view:
        persons = await view.people.all()
    cells = [
        {
            # The other commands find the person under this name.
            "name": person.login or person.name,
            "person": person.name if person.login else "",
            "since": output.clock(max(person.added_at, person.roles_at)),
        }
        for person in persons
    ]
    output.rows(call, [_person_record(p) for p in persons], _COLUMNS, cells)


@verb("'A. Clerk' --role trust --role people", "'A. Leader' --role trust --as 'A. Clerk'", writes=True)
async def add(call: Invocation, core: NodeCore, name: Name, role: Roles, as_: MaybeAs = None) -> None:
    """Add a person. Give the printed code only to that person, who enrols with it within three days."""
    roles = output.members(Role, role, "role")
    call.ask("cli.ask.person", name=name, roles=" ".join(sorted(roles)))
    actor = await maybe_sign_in(call, core, as_)
    person, code = await people.add(core.deciding, actor, await operator_id(core.store), name, roles)
    output.record(call, _person_record(person) | {"code": code}, id_key="code")
    call.say("cli.person.next", name=person.name)


@verb("'A. Clerk'", "'A. Clerk' --lang en", local=True)
async def enrol(call: Invocation, core: NodeCore, name: Name) -> None:
    """Activate your account: with your one-time code, choose a passphrase and set up your second factor."""
    person = (await enrol_person(call, core, name)).person
    async with core.deciding.decisions.read() as view:
        open_until = await approvals.set_up_open_until(view, core.clock.now())
    if open_until is None:
        call.say("cli.person.enrolled", name=person.name)
    else:
        call.say("cli.person.enrolled_in_set_up", name=person.name, until=output.clock(open_until))


async def enrol_person(call: Invocation, core: NodeCore, name: str) -> SignedIn:
    """Enrol the person at the terminal, who is signed in with it."""
    from gateway.trust import qr

    services = core.deciding
    code = ask_hidden(call, "cli.person.one_time")
    passphrase = ask_hidden(call, "cli.person.new_passphrase")
    if ask_hidden(call, "cli.person.again") != passphrase:
        raise Denied("the two passphrases are not the same; begin again")
    totp = services.secrets.new_totp()
    # Shown at the terminal only: an app scans the code, a person types the secret.
    uri = services.secrets.uri(totp, name)
    output.record(call, {"secret": totp, "uri": uri}, id_key="uri")
    if sys.stdout.isatty() and not call.quiet:
        # The code is printed like the secret itself, and never into a file or a pipe.
        output.lines(qr.lines(uri))
    sys.stdout.flush()  # the reader of a pipe must have it before the next question
    first = ask_hidden(call, "cli.person.first")
    return await people.enrol(services, name, code, passphrase, totp, first)


@verb(
    "'A. Leader' --role trust --role head --as 'A. Clerk'",
    "'A. Leader' --role head --as 'A. Clerk' --yes",
    writes=True,
)
async def roles(call: Invocation, core: NodeCore, name: Name, role: Roles, as_: MaybeAs = None) -> None:
    """Give a person exactly these roles. For a day they approve nothing that you propose."""
    roles = output.members(Role, role, "role")
    call.ask("cli.ask.person", name=name, roles=" ".join(sorted(roles)))
    actor = await maybe_sign_in(call, core, as_)
    changed = await people.give(core.deciding, actor, await operator_id(core.store), name, roles)
    output.record(call, _person_record(changed))


@verb("'A. Leader' --as 'A. Clerk'", "'A. Leader' --as 'A. Clerk' --yes -o json", ask="cli.ask.person_reset")
async def reset(call: Invocation, core: NodeCore, name: Name, as_: MaybeAs = None) -> None:
    """Let a person enrol again after losing a device or passphrase; prints a new one-time code."""
    actor = await maybe_sign_in(call, core, as_)
    changed, code = await people.reset(core.deciding, actor, await operator_id(core.store), name)
    output.record(call, _person_record(changed) | {"code": code}, id_key="code")
    call.say("cli.person.next", name=changed.name)


@verb("'A. Leader'", ask="cli.ask.person_block")
async def block(call: Invocation, core: NodeCore, name: Name) -> None:
    """Block all rights of a person at once. One person is enough, and the operator may do it."""
    changed = await people.block(core.deciding, await operator_id(core.store), name)
    output.record(call, _person_record(changed))


@verb("--as 'A. Clerk'", ask="cli.ask.end_set_up")
async def end_set_up(call: Invocation, core: NodeCore, as_: As) -> None:
    """End the set-up that `init` began, before its 72 hours are over: from then on an approver's account must be a
    day old."""
    await approvals.end_set_up(core.deciding, await sign_in(call, core, as_))
    call.say("cli.set_up.ended")


@verb("thu.tran@example.org", "0912345678 -o json")
async def personal_data(call: Invocation, core: OpenStore, person: PersonText) -> None:
    """Report where this node has a person's data, and the rule that lets each of them stay."""
    await _tell_data(call, core.store, core.clock, person)


@verb(
    "thu.tran@example.org --decision '12/QD-STTTT' --why 'Asked for by the person' --as 'A. Leader'",
    "0912345678 --decision '12/QD-STTTT' --why 'Asked for by the person' --as 'A. Leader' --yes",
    writes=True,
)
async def erase(
    call: Invocation,
    core: NodeCore,
    person: PersonText,
    decision: Annotated[str, option("Number of the decision.")],
    why: Why,
    as_: As,
) -> None:
    """List a person's data, each with the rule against its erasure; then erase by decision what has none: texts of the
    log, and the account if it is over."""
    from gateway.personal_data import erase as erase_data

    signed_in = await sign_in(call, core, as_)
    if not signed_in.person.roles & {Role.PEOPLE, Role.HEAD}:
        raise Denied("only a person with the role people or head may erase personal data", code="GW-ROLE")
    await _tell_data(call, core.store, core.clock, person)
    call.ask("cli.ask.personal_erase", person=person, decision=decision)
    by = signed_in.person.id
    erasure = await erase_data(core.store, core.clock, person, decision, why, by)
    output.record(call, output.fields(erasure, "texts accounts staying"), id_key="texts")


async def _tell_data(call: Invocation, store: SqlStore, clock: Clock, person: str) -> None:
    from gateway.personal_data import find

    codes = {agency.id: agency.code for agency in await store.hosted()}
    places = [datum async for datum in find(store, clock, person)]
    output.rows(call, [_datum_record(datum, codes) for datum in places], _PLACES)


def _datum_record(datum: PersonalDatum, codes: Mapping[str, str]) -> dict[str, Any]:
    place, expiry = datum.place, datum.expiry
    until = expiry.on.isoformat() if expiry is not None and expiry.on is not None else None
    return {
        "id": place.id,
        "kind": place.kind.value,
        "agency": codes.get(place.agency_id),
        "field": place.field,
        "obstacle": datum.obstacle.value if datum.obstacle else None,
        "until": until,
    }


def _state(person: Person) -> str:
    if person.blocked_at is not None:
        return "blocked"
    return "active" if person.is_active else "waiting"


def _person_record(person: Person) -> dict[str, Any]:
    return output.fields(
        person,
        "id name login roles state added_by added_at roles_by roles_at enrolled_at",
        roles=sorted(person.roles),
        state=_state(person),
    )
