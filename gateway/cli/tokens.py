"""`gateway tokens`: API keys of programs. In: a name, scopes, a life time, networks. Out: the key, printed once and
kept only as its digest; the list of keys without their secrets; or a key that opens nothing any more."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Group, Invocation
from gateway.cli.node import at_ground, chosen

if TYPE_CHECKING:
    from gateway.bootstrap.ground import Ground
    from gateway.domain.account import ApiKey, ApiScope, HostedAgency, Network

# What a document system needs every day; administration is asked for by name.
DAILY = ("messages:send", "messages:read", "inbox:read", "inbox:act", "agencies:read")

_COLUMNS = output.columns("id", "name", "code", "scopes", "networks", "created", "expires", "state")


def register(app: Group) -> None:
    group = app.noun("tokens")
    group.verb(list_, "", "-o json")
    group.verb(
        new,
        "qlvb",
        "catalogue --scope agencies:read --expires 90d -o json",
        "qlvb --from 203.0.113.10 --from 2001:db8:12::/48",
        writes=True,
    )
    group.verb(revoke, "key_01J…", "key_01J… --yes", writes=True)


async def list_(call: Invocation) -> None:
    """List the keys; a secret can never be shown again."""
    async with at_ground(call.settings()) as node:
        keys = await node.store.accounts.list_keys()
        codes = {agency.id: agency.code for agency in await node.store.hosted()}
        now = node.clock.now()
    shown = [_shown(each, codes) | {"state": state(each, now)} for each in keys]
    cells = [
        (
            each.id,
            each.principal.name,
            " ".join(codes.get(id, id) for id in each.agency_ids),
            " ".join(sorted(each.scopes)),
            " ".join(map(str, each.networks)) or call.word("cli.token.everywhere"),
            output.clock(each.created_at),
            output.clock(each.expires_at),
            call.word(f"cli.token.{state(each, now)}"),
        )
        for each in keys
    ]
    output.rows(call, shown, _COLUMNS, cells)


async def new(
    call: Invocation,
    name: Annotated[str, typer.Argument(help="Which program this is, for example qlvb.")],
    scope: Annotated[list[str] | None, typer.Option(help="A scope (repeat); default: daily work.")] = None,
    expires: Annotated[str, typer.Option(help="After how long it ends: 90d, 8h; or never.")] = "365d",
    from_: Annotated[
        list[str] | None,
        typer.Option("--from", help="An address or network it is good from (repeat); default: everywhere."),
    ] = None,
) -> None:
    """Make a key for a program. It is printed once, now; only its digest is kept."""
    from gateway.cli.send import span

    scopes = tuple(sorted(read_scopes(scope)))
    life = None if expires == "never" else span(expires)
    networks = read_networks(from_ or ())
    async with at_ground(call.settings()) as ground:
        agency = chosen(await ground.store.hosted(), call.agency)
        if not call.agrees("cli.ask.new_token", name=name, code=agency.code, scopes=" ".join(scopes)):
            return
        secret, key = await make(ground, agency, name, scopes, life, networks)
    output.record(
        call,
        {
            "id": key.id,
            "name": name,
            "agency": agency.code,
            "scopes": " ".join(scopes),
            "networks": " ".join(map(str, key.networks)),
            "expires_at": output.stamp(key.expires_at),
            "secret": secret,
        },
        id_key="secret",
    )
    call.say("cli.secret_once")


def read_scopes(given: Sequence[str] | None) -> frozenset[ApiScope]:
    """Those of daily work where none are named."""
    from gateway.domain.account import ApiScope

    known, wanted = {str(each) for each in ApiScope}, given or DAILY
    if wrong := sorted(set(wanted) - known):
        raise typer.BadParameter(
            f"no such scope: {', '.join(wrong)}; expected some of {', '.join(sorted(known))}"
        )
    return frozenset(ApiScope(each) for each in wanted)


def read_networks(given: Sequence[str]) -> tuple[Network, ...]:
    from gateway.domain import account
    from gateway.domain.account import MOST_KEY_NETWORKS

    if len(given) > MOST_KEY_NETWORKS:
        raise typer.BadParameter(f"a key has {MOST_KEY_NETWORKS} networks at most")
    found = []
    for each in given:
        try:
            found.append(account.read_network(each))
        except ValueError as why:
            raise typer.BadParameter(f"neither an address nor a network: {why}") from why
    return tuple(dict.fromkeys(found))


async def make(
    ground: Ground,
    agency: HostedAgency,
    name: str,
    scopes: tuple[str, ...],
    life: timedelta | None,
    networks: tuple[Network, ...] = (),
) -> tuple[str, ApiKey]:
    """A new key for the agency: its secret, which nobody can read again, and what is kept of it."""
    from gateway.domain.account import KEY_SHOWN, ApiScope, PrincipalKind, key_prefix

    accounts = ground.store.accounts
    secret = key_prefix(ground.settings.node.sandbox) + secrets.token_urlsafe(32)
    principal = await accounts.principal_for(PrincipalKind.PROGRAM, name, agency.id)
    key = await accounts.add_key(
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
        principal=principal,
        agency_ids=(agency.id,),
        scopes=[ApiScope(each) for each in scopes],
        expires_at=ground.clock.now() + life if life else None,
        prefix=secret[:KEY_SHOWN],
        networks=networks,
    )
    return secret, key


async def revoke(
    call: Invocation, id: Annotated[str, typer.Argument(help="Id of the key (key_…), not its secret.")]
) -> None:
    """End a key at once."""
    async with at_ground(call.settings()) as ground:
        if call.agrees("cli.ask.revoke", id=id):
            output.record(call, {"id": id, "revoked_now": await ground.store.accounts.revoke_key(id)})


def _shown(key: ApiKey, codes: dict[str, str]) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.principal.name,
        "agencies": [codes.get(id, id) for id in key.agency_ids],
        "scopes": sorted(key.scopes),
        "networks": [str(each) for each in key.networks],
        "created_at": output.stamp(key.created_at),
        "expires_at": output.stamp(key.expires_at),
        "revoked_at": output.stamp(key.revoked_at),
    }


def state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"
