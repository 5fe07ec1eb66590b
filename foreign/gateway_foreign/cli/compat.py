"""`gateway compat`: credentials of document systems that know only the national axis's library, and messages that such a
system could not take. In: a system's name, agencies, scopes, a life time, networks; a docId. Out: a secret, printed once
and kept sealed; the list; revoked credentials; stuck messages, or one offered again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, tokens
from gateway.cli.command import Invocation, Overlap, noun
from gateway.cli.node import CommandContext, chosen
from gateway.cli.typed_times import span
from gateway.domain.account import ApiKey, PrincipalKind
from gateway.domain.system_box import BoxItem
from gateway.errors import Clash, NotFound
from gateway_foreign.compat import hand_over

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore

_COLUMNS = output.columns(
    "id name=system code=agencies scopes networks created=created_at expires=expires_at state:cli.token",
)
_STUCK_COLUMNS = output.columns("id name=system kind=type about=subject tries at reason")
# The name travels in a header and names rows.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}")
_MOST_STUCK = 500
System = Annotated[str, typer.Argument(help="Name of the system, as its library sends it (systemid).")]


verb = noun("compat").verb


@verb()
async def list_(call: Invocation, core: NodeCore) -> None:
    """List the credentials of document systems; a secret can never be shown again."""
    keys = [k for k in await core.store.accounts.list_keys() if k.system is not None]
    codes = {agency.id: agency.code for agency in await core.store.hosted()}
    now = core.clock.now()
    records = [_key_record(k, codes, now) for k in keys]
    cells = [{} if k.networks else {"networks": call.word("cli.token.everywhere")} for k in keys]
    output.rows(call, records, _COLUMNS, cells)
    if not core.settings.compat.vxp:
        call.say("cli.compat.off")


@verb(
    "qlvb.so-noi-vu --agency Z91.02",
    "qlvb.tinh --agency Z91 --also Z91.02 --also Z91.03 --from 203.0.113.10 --yes",
    writes=True,
)
async def add(
    call: Invocation,
    core: NodeCore,
    system: System,
    also: Annotated[
        list[str] | None, typer.Option(help="A further agency that the system serves (repeat).")
    ] = None,
    scope: tokens.Scopes = None,
    expires: tokens.Life = "365d",
    from_: tokens.Networks = None,
    since: tokens.Since = "",
) -> None:
    """Let a document system connect with the calls of the national axis. Its secret is printed now and only once,
    and kept sealed."""
    if not _NAME.fullmatch(system):
        raise typer.BadParameter(
            f"{system!r} is no systemid: letters, digits and . _ : @ - alone, 100 at most"
        )
    if any(k.principal.name == system and k.system is None for k in await core.store.accounts.list_keys()):
        raise Clash(
            f"a key is called {system!r}; it and the system would share documents and statuses",
            hint="choose another systemid",
        )
    scopes, networks = tokens.read_scopes(scope), tokens.read_networks(from_ or ())
    life: timedelta | None = None if expires == "never" else span(expires)
    first_day = tokens.read_day(since)
    hosted = await core.store.hosted()
    agencies = list(dict.fromkeys(chosen(hosted, code) for code in [call.agency, *(also or ())]))
    codes = " ".join(a.code for a in agencies)
    call.ask("cli.ask.compat", system=system, codes=codes, scopes=" ".join(sorted(scopes)))
    await tokens.hand_over_before(call, [a.id for a in agencies], system, first_day)
    accounts, now = core.store.accounts, core.clock.now()
    key = ApiKey(
        id=core.clock.new_id("key_"),
        principal=await accounts.principal_for(PrincipalKind.PROGRAM, system),
        agency_ids=tuple(a.id for a in agencies),
        scopes=scopes,
        created_at=now,
        expires_at=now + life if life else None,
        networks=networks,
        system=system,
    )
    secret, key = await _store_key(core, key)
    _print_secret(call, key, {a.id: a.code for a in agencies}, secret, now)
    if not core.settings.compat.vxp:
        call.say("cli.compat.off")


@verb("qlvb.tinh", "qlvb.tinh --overlap 0h --yes", writes=True)
async def rotate(call: Invocation, core: NodeCore, system: System, overlap: Overlap = "24h") -> None:
    """Give a system another secret, printed now and only once; the previous one is valid until the overlap is over."""
    length: timedelta = span(overlap)
    live_keys, now = await _live_keys(core, system), core.clock.now()
    call.ask("cli.ask.compat_rotate", system=system)
    newest = live_keys[0]
    life = newest.expires_at - newest.created_at if newest.expires_at is not None else None
    key = replace(
        newest,
        id=core.clock.new_id("key_"),
        created_at=now,
        expires_at=now + life if life is not None else None,
        used_at=None,
    )
    secret, key = await _store_key(core, key, old_ends_at=now + length)
    codes = {agency.id: agency.code for agency in await core.store.hosted()}
    _print_secret(call, key, codes, secret, now)


@verb("qlvb.tinh", writes=True)
async def revoke(call: Invocation, core: NodeCore, system: System) -> None:
    """End every credential of a system at once."""
    live_keys = await _live_keys(core, system)
    call.ask("cli.ask.compat_revoke", system=system)
    for key in live_keys:
        await core.store.accounts.revoke_key(key.id)
        await core.store.webhooks.pause_without_key(key.principal.id, "operator")
    output.record(call, {"id": system, "revoked": [k.id for k in live_keys]})


@verb("", "--agency Z91.02 -o json")
async def stuck(call: Invocation, context: CommandContext) -> None:
    """List entries that systems could not take in five tries; they need a person."""
    async with context.node.store.read(context.scope) as work:
        stuck_messages = await work.systems.stuck(_MOST_STUCK)
    output.rows(call, [_stuck_record(m) for m in stuck_messages], _STUCK_COLUMNS)


@verb("qlvb.tinh in_01K", "qlvb.tinh in_01K --agency Z91.02 --yes", name="again", writes=True)
async def reoffer(
    call: Invocation,
    context: CommandContext,
    system: System,
    doc_id: Annotated[str, typer.Argument(help="The docId, from: gateway compat stuck")],
) -> None:
    """Offer a system again an entry that it could not take; its tries count from zero."""
    call.ask("cli.ask.compat_again", system=system, id=doc_id)
    message = await hand_over.repeat_offer(context.node.inn, context.scope, system, doc_id)
    output.record(call, _stuck_record(message))


async def _store_key(core: NodeCore, key: ApiKey, old_ends_at: datetime | None = None) -> tuple[str, ApiKey]:
    from gateway_foreign.compat.secret_box import system_secrets

    secrets = system_secrets(core.settings)
    secret, sealed = await core.pool.run(lambda: secrets.new(key.id))
    key = replace(key, sealed=sealed)
    await core.store.accounts.add_system_key(key, old_ends_at=old_ends_at)
    return secret, key


async def _live_keys(core: NodeCore, system: str) -> Sequence[ApiKey]:
    now, keys = core.clock.now(), await core.store.accounts.keys_of_system(system)
    live = [k for k in keys if k.state(now) == "active"]
    if not live:
        raise NotFound(
            f"no credential of a system {system} is in force", hint="list them with: gateway compat list"
        )
    return live


def _print_secret(call: Invocation, key: ApiKey, codes: dict[str, str], secret: str, now: datetime) -> None:
    output.record(call, _key_record(key, codes, now) | {"secret": secret}, id_key="secret")
    call.say("cli.compat.once")


def _key_record(key: ApiKey, codes: dict[str, str], now: datetime) -> dict[str, Any]:
    return output.fields(
        key,
        "id system agencies scopes networks created_at expires_at revoked_at used_at",
        agencies=[codes.get(id, id) for id in key.agency_ids],
        scopes=sorted(key.scopes),
        state=key.state(now),
    )


def _stuck_record(message: BoxItem) -> dict[str, Any]:
    names = "id=doc_id system type=kind subject=subject_id state tries at=updated_at"
    return output.fields(message, names, reason=output.plain(message.reason))
