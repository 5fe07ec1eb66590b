"""`gateway keys retire` and `stolen`: the end of a key. In: a key of ours, or a certificate that is bound here, and a time.
Out: it signs nothing more, or speaks for nobody more; after a theft also what was signed since then, found and marked."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, verb
from gateway.cli.node import at_ground, at_node, chosen, operator, run
from gateway.errors import Clash, NotFound

if TYPE_CHECKING:
    from gateway.bootstrap.node import Node
    from gateway.domain.account import Principal
    from gateway.domain.key_use import KeyEnd
    from gateway.incoming.suspect import Suspect
    from gateway.trust.keys import KeyDirectory

_COLUMNS = (
    ("cli.column.id", ""),
    ("cli.column.way", ""),
    ("cli.column.at", ""),
    ("cli.column.reason", ""),
)


def register(group: typer.Typer) -> None:
    """Adds the commands to the `keys` group."""
    verb(
        group,
        "retire",
        examples=(
            "gateway keys retire 0123456789abcdef",
            "gateway keys retire 0123456789abcdef --at now --yes",
        ),
        writes=True,
    )(retire)
    verb(
        group,
        "stolen",
        examples=(
            "gateway keys stolen 0123456789abcdef --since 2026-11-18T07:00:00+07:00",
            "gateway keys stolen SHA256 --since 2026-11-18T07:00:00+07:00 --yes -o json",
        ),
        writes=True,
    )(stolen)


def retire(
    call: Call,
    key: Annotated[str, typer.Argument(help="Id of a key of ours, from: gateway keys list")],
    at: Annotated[
        str | None,
        typer.Option(
            help="From this time on (RFC 3339, or now); default: after the overlap of the settings."
        ),
    ] = None,
) -> None:
    """End a key of ours by date. What still waits in the outbox then is signed again under the newer key."""
    run(_retire(call, key, at))


async def _retire(call: Call, key: str, at: str | None) -> None:
    from gateway.cli.verify import moment
    from gateway.deciding import end

    settings = call.settings()
    async with at_ground(settings) as ground:
        agency = chosen(await ground.store.hosted(), call.agency)
        now = ground.clock.now()
        ends = (
            now + timedelta(days=settings.keys.overlap_days)
            if at is None
            else now
            if at == "now"
            else moment(at)
        )
        principal = await operator(ground.store)
        told = _end_of(ground.keys, agency.code, key, ends, principal)
        if not call.agrees("cli.ask.retire", id=key, code=agency.code, at=output.clock(ends)):
            return
        await end.retire(ground.deciding, told)
    output.record(call, {"id": key, "agency": agency.code, "ends_at": output.stamp(ends)})


def stolen(
    call: Call,
    key: Annotated[
        str, typer.Argument(help="Id of a key of ours, or the SHA-256 of a certificate bound here.")
    ],
    since: Annotated[str, typer.Option(help="Since when others may have had it (RFC 3339).")],
) -> None:
    """Say that a key is stolen: it signs nothing more, its certificate counts no more, what crossed since is marked."""
    from gateway.cli.verify import moment

    run(_stolen(call, key.strip().lower(), moment(since)))


async def _stolen(call: Call, key: str, since: datetime) -> None:
    from gateway.deciding import end
    from gateway.incoming import suspect

    async with at_node(call) as node:
        principal = await operator(node.store)
        told = await _reported(call, node, key, since, principal)
        if since > told.at:
            raise Clash("a theft lies in the past: the time after --since is ahead of this machine's clock")
        if not call.agrees("cli.ask.stolen", code=told.agency_code, since=output.clock(since)):
            return
        await end.stolen(node.deciding, told, since)
        found = await suspect.mark(node.inn, told.agency_code, told.fingerprint, since)
    cells = [
        (each.id, call.word(f"cli.suspect.{each.way}"), output.clock(each.at), each.reason) for each in found
    ]
    output.rows(call, [_shown(each) for each in found], _COLUMNS, cells)
    call.say("cli.suspect.next", count=len(found), code=told.agency_code)


async def _reported(call: Call, node: Node, key: str, since: datetime, principal: Principal) -> KeyEnd:
    """The end of that key: ours by its id, anybody's by the certificate that is bound here or was at that time."""
    from cryptography import x509

    from gateway.domain.key_use import KeyEnd
    from gateway.policy.signing_key import fingerprint
    from gateway.trust.key_material import key_id, public_key_of

    now = node.clock.now()
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        agency = chosen(await node.store.hosted(), call.agency)
        return _end_of(node.keys, agency.code, key, now, principal)
    for each in (*await node.directory.in_force(now), *await node.directory.in_force(since)):
        if fingerprint(each.certificate_der) == key:
            mine = key_id(public_key_of(x509.load_der_x509_certificate(each.certificate_der), key))
            return KeyEnd(agency_code=each.code, key_id=mine, fingerprint=key, at=now, by=principal.id)
    raise NotFound(f"no certificate {key} speaks for anybody here now, or did at the time of --since")


def _end_of(keys: KeyDirectory, code: str, key: str, at: datetime, principal: Principal) -> KeyEnd:
    from gateway.domain.key_use import KeyEnd

    for each in keys.entries(code):
        if each.key_id == key and each.fingerprint is not None:
            return KeyEnd(agency_code=code, key_id=key, fingerprint=each.fingerprint, at=at, by=principal.id)
    raise NotFound(
        f"agency {code} has no key {key} with a certificate", hint="list them with: gateway keys list"
    )


def _shown(each: Suspect) -> dict[str, Any]:
    return {
        "id": each.id,
        "way": each.way,
        "agency": each.agency_id,
        "at": output.stamp(each.at),
        "reason": each.reason,
    }
