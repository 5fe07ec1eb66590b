"""`gateway tokens`: API keys of programs. In: a name, scopes, a life time, networks, a client certificate. Out: the key,
printed once and kept only as its digest; the list of keys without their secrets; a key with another way of opening, or
with a second secret; or a revoked key."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import random_source
from gateway.cli import output
from gateway.cli.command import Invocation, argument, noun, option
from gateway.cli.node import at_node, chosen, operator
from gateway.cli.typed_times import day, span
from gateway.domain import account
from gateway.domain.account import (
    KEY_PREFIX_LENGTH,
    MOST_KEY_NETWORKS,
    AgencyScope,
    ApiKey,
    ApiScope,
    ClientCertificate,
    HostedAgency,
    KeyAuth,
    Network,
    PrincipalKind,
    key_prefix,
)
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import NotFound
from gateway.incoming import handover
from gateway.policy import client_certificate

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.bootstrap.stored import OpenStore
    from gateway.settings import Settings

# Scopes of a document system's daily work; administration must be named.
DAILY = ("messages:send", "messages:read", "inbox:read", "inbox:act", "agencies:read")

_COLUMNS = output.columns(
    "id name code=agencies scopes networks certificate created=created_at expires=expires_at state:cli.token",
)
_WRONG = {
    "certificate-private": "a private key is in this file. It stays with the program: give the certificate alone, as"
    " openssl x509 -in FILE -out certificate.pem writes it",
    "certificate-several": "several certificates are in this file; give the program's own alone",
    "certificate-long": "too large for a certificate",
    "certificate-unread": "no certificate in PEM or DER",
}


class KeyOpening(StrEnum):
    """Ways of opening a key."""

    SECRET = "secret"  # noqa: S105 - a way, no secret
    CERTIFICATE = "certificate"
    BOTH = "both"


CertificateFile = Annotated[
    Path | None,
    option("The client certificate, PEM or DER, without its key.", "--cert", exists=True, dir_okay=False),
]
KeyId = Annotated[str, argument("Id of the key (key_…), not its secret.")]
Scopes = Annotated[list[str] | None, option("A scope (repeat); default: daily work.")]
Life = Annotated[str, option("Lifetime: 90d, 8h; or never.")]
Networks = Annotated[
    list[str] | None, option("An address or network that may use it (repeat); default: all.", "--from")
]
Overlap = Annotated[str, option("For how long the earlier secret stays valid: 24h, 14d.")]
Since = Annotated[
    str, option("Its first day: earlier documents that no program fetched count as handed over to it.")
]


verb = noun("tokens").verb


@verb()
async def list_(call: Invocation, node: OpenStore) -> None:
    """List the keys; a secret can never be shown again."""
    keys = await node.store.accounts.list_keys()
    codes = {agency.id: agency.code for agency in await node.store.hosted()}
    now = node.clock.now()
    records = [_key_record(k, codes) | {"state": k.state(now)} for k in keys]
    cells = [
        {"certificate": _certificate_cell(call, k)}
        | ({} if k.networks else {"networks": call.word("cli.token.everywhere")})
        for k in keys
    ]
    output.rows(call, records, _COLUMNS, cells)


@verb(
    "catalogue --scope agencies:read --expires 90d -o json",
    "qlvb --from 203.0.113.10 --from 2001:db8:12::/48 --since 2026-12-01",
    "qlvb --cert qlvb.pem --way certificate",
    writes=True,
)
async def new(
    call: Invocation,
    core: NodeCore,
    name: Annotated[str, argument("Name of the program, for example qlvb.")],
    scope: Scopes = None,
    expires: Life = "365d",
    from_: Networks = None,
    cert: CertificateFile = None,
    way: Annotated[
        KeyOpening | None, option("What the key is used with; default: the secret, with --cert both.")
    ] = None,
    since: Since = "",
) -> None:
    """Make a key for a program. Its secret is printed now and only once; only the digest is kept."""
    scopes = tuple(sorted(read_scopes(scope)))
    life = None if expires == "never" else span(expires)
    networks = read_networks(from_ or ())
    certificate = None if cert is None else read_certificate(cert)
    opened_by = _choose_opening(way, KeyAuth.SECRET, certificate)
    first_day = read_day(since)
    _refuse_expired(certificate, core.clock.now())
    agency = chosen(await core.store.hosted(), call.agency)
    call.ask("cli.ask.new_token", name=name, code=agency.code, scopes=" ".join(scopes))
    await hand_over_before(call, {agency.id}, name, first_day)
    secret, key = await make(core, agency, name, scopes, life, networks, opened_by, certificate)
    output.record(
        call,
        {
            "id": key.id,
            "name": name,
            "agency": agency.code,
            "scopes": " ".join(scopes),
            "networks": " ".join(map(str, key.networks)),
            **_opening(key),
            "expires_at": output.stamp(key.expires_at),
            **({"secret": secret} if secret else {}),
        },
        id_key="secret" if secret else "id",
    )
    if secret:
        call.say("cli.secret_once")
    _say_if_off(call, core.settings, key)


@verb("key_01J… --cert qlvb.pem", "key_01J… --way secret --yes", writes=True)
async def bind(
    call: Invocation,
    core: NodeCore,
    id: KeyId,
    cert: CertificateFile = None,
    way: Annotated[
        KeyOpening | None,
        option(
            "What the key is used with from now on; default: as before, or both if it had no certificate."
        ),
    ] = None,
) -> None:
    """Bind a client certificate to a key, replacing the previous one, or change what the key is used with."""
    certificate = None if cert is None else read_certificate(cert)
    _refuse_expired(certificate, core.clock.now())
    accounts = core.store.accounts
    existing = next((k for k in await accounts.list_keys() if k.id == id), None)
    if existing is None:
        raise NotFound(f"there is no API key {id}", hint="list them with: gateway tokens list")
    old_certificate = existing.certificate if way is not KeyOpening.SECRET else None
    new_certificate = certificate or old_certificate
    opened_by = _choose_opening(way, existing.way, new_certificate)
    call.ask(
        "cli.ask.bind_token",
        id=id,
        name=existing.principal.name,
        way=call.word(f"keys.way.{opened_by}"),
        certificate=new_certificate.name if new_certificate else "–",
    )
    key = await accounts.bind_certificate(id, opened_by, new_certificate)
    output.record(call, {"id": id, "name": key.principal.name, **_opening(key)})
    _say_if_off(call, core.settings, key)


def read_certificate(file: Path) -> ClientCertificate:
    """Read a client certificate; raise BadParameter with its fault."""
    with file.open("rb") as stream:
        raw = stream.read(client_certificate.LARGEST + 1)
    try:
        return client_certificate.read_file(raw)
    except client_certificate.NotACertificate as error:
        raise typer.BadParameter(f"{file}: {_WRONG[error.code]}") from error


def _refuse_expired(certificate: ClientCertificate | None, now: datetime) -> None:
    if certificate is not None and certificate.ends_at <= now:
        raise typer.BadParameter(f"the certificate ended at {output.stamp(certificate.ends_at)}")


def _choose_opening(
    requested: KeyOpening | None, current: KeyAuth, certificate: ClientCertificate | None
) -> KeyAuth:
    """Choose the way that opens a key: as asked, else as before, but both where a certificate comes to a secret."""
    default = KeyAuth.BOTH if certificate is not None and current is KeyAuth.SECRET else current
    choice = default if requested is None else KeyAuth(requested.value)
    if choice is KeyAuth.SECRET and certificate is not None:
        raise typer.BadParameter(
            "a key that its secret alone opens takes no certificate: --way both, or no --cert"
        )
    if choice is not KeyAuth.SECRET and certificate is None:
        raise typer.BadParameter(f"--way {choice} needs the certificate: --cert FILE")
    return choice


def _opening(key: ApiKey) -> dict[str, Any]:
    return output.fields(
        key,
        "way certificate certificate_sha256=certificate.sha256 certificate_ends_at=certificate.ends_at",
        certificate=output.plain(key.certificate.name) if key.certificate else None,
    )


def _certificate_cell(call: Invocation, key: ApiKey) -> str:
    if key.certificate is None:
        return ""
    end_text = output.clock(key.certificate.ends_at)
    return f"{call.word(f'keys.way.{key.way}')}: {output.plain(key.certificate.name)}, {end_text}"


def _say_if_off(call: Invocation, settings: Settings, key: ApiKey) -> None:
    if key.certificate is not None and settings.api.client_certificates != "on":
        call.say("cli.token.certificates_off")


def read_scopes(names: Sequence[str] | None) -> frozenset[ApiScope]:
    """Read the scopes; those of daily work without any."""
    return output.members(ApiScope, names or DAILY, "scope")


def read_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    if len(texts) > MOST_KEY_NETWORKS:
        raise typer.BadParameter(f"a key has {MOST_KEY_NETWORKS} networks at most")
    networks = []
    for text in texts:
        try:
            networks.append(account.read_network(text))
        except ValueError as error:
            raise typer.BadParameter(f"neither an address nor a network: {error}") from error
    return tuple(dict.fromkeys(networks))


def read_day(text: str) -> datetime | None:
    """Return the beginning of that day."""
    return datetime.fromisoformat(day(text)).replace(tzinfo=VIETNAM) if text else None


async def hand_over_before(
    call: Invocation, agencies: Collection[str], program: str, day: datetime | None
) -> None:
    """Mark older documents as handed over, because the agency worked without this system until that day. Done before the
    key is made: where this fails, there is no key."""
    if day is None:
        return
    async with at_node(call.settings()) as node:
        acting = await operator(node.store)
        scopes = [AgencyScope(agency_id=a, principal_id=acting.id) for a in agencies]
        count = sum([await handover.hand_over_before(node.inn, scope, program, day) for scope in scopes])
    call.say("cli.token.since", count=count)


async def make(
    core: NodeCore,
    agency: HostedAgency,
    name: str,
    scopes: tuple[str, ...],
    life: timedelta | None,
    networks: tuple[Network, ...] = (),
    auth: KeyAuth | None = None,
    certificate: ClientCertificate | None = None,
) -> tuple[str, ApiKey]:
    """Make a new key for the agency; return its secret, which can never be read again, and its row. A key that only a
    certificate opens has no secret."""
    accounts, auth = core.store.accounts, auth or KeyAuth.SECRET
    has_secret = auth is not KeyAuth.CERTIFICATE
    prefix = key_prefix(core.settings.node.trial)
    secret = prefix + random_source.token_urlsafe(32) if has_secret else ""
    principal = await accounts.principal_for(PrincipalKind.PROGRAM, name, agency.id)
    key = await accounts.add_key(
        secret_hash=hashlib.sha256(secret.encode()).hexdigest() if has_secret else None,
        principal=principal,
        agency_ids=(agency.id,),
        scopes=[ApiScope(s) for s in scopes],
        expires_at=core.clock.now() + life if life else None,
        prefix=secret[:KEY_PREFIX_LENGTH],
        networks=networks,
        way=auth,
        certificate=certificate,
    )
    return secret, key


@verb("key_01J…", "key_01J… --overlap 14d --yes", writes=True)
async def rotate(call: Invocation, core: NodeCore, id: KeyId, overlap: Overlap = "24h") -> None:
    """Give a key another secret, printed now and only once; the earlier one is valid until the overlap is over."""
    ends_at = core.clock.now() + span(overlap)
    call.ask("cli.ask.rotate_token", id=id)
    secret = key_prefix(core.settings.node.trial) + random_source.token_urlsafe(32)
    secret_hash = hashlib.sha256(secret.encode()).hexdigest()
    key = await core.store.accounts.rotate_secret(id, secret_hash, secret[:KEY_PREFIX_LENGTH], ends_at)
    record = {
        "id": id,
        "name": key.principal.name,
        "earlier_ends_at": output.stamp(ends_at),
        "secret": secret,
    }
    output.record(call, record, id_key="secret")
    call.say("cli.secret_once")


@verb("key_01J…", ask="cli.ask.retire_token")
async def retire(call: Invocation, core: NodeCore, id: KeyId) -> None:
    """End the earlier secret of a key at once; the present one stays."""
    output.record(call, {"id": id, "retired_now": await core.store.accounts.end_earlier_secret(id)})


@verb("key_01J…", ask="cli.ask.revoke")
async def revoke(call: Invocation, core: NodeCore, id: KeyId) -> None:
    """End a key at once; pause the webhooks of its program whose events no other key of it may read."""
    revoked_now = await core.store.accounts.revoke_key(id)
    key = next(key for key in await core.store.accounts.list_keys() if key.id == id)
    paused = await core.store.webhooks.pause_without_key(key.principal.id, "operator")
    hooks = await core.store.webhooks.made_by(key.principal.id)
    webhooks = [{"id": hook.id, "host": hook.host, "state": hook.state.value} for hook in hooks]
    paused_now = [{"id": hook.id, "host": hook.host} for hook in paused]
    facts = {"revoked_now": revoked_now, "webhooks_paused": paused_now, "webhooks": webhooks}
    output.record(call, {"id": id, **facts})
    if paused:
        call.say(
            "cli.token.webhooks_paused",
            count=len(paused),
            hooks=", ".join(f"{h.id} ({h.host})" for h in paused),
        )


def _key_record(key: ApiKey, codes: dict[str, str]) -> dict[str, Any]:
    agencies = [codes.get(id, id) for id in key.agency_ids]
    names = "id name=principal.name agencies scopes networks"
    record = output.fields(key, names, agencies=agencies, scopes=sorted(key.scopes))
    return record | _opening(key) | output.fields(key, "created_at expires_at revoked_at earlier_ends_at")
