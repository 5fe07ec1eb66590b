"""`gateway keys`: the exchange keys of the agency, with which the node signs its packets. In: an agency, a certificate
file. Out: a new key, its signing request, or the list with what expires when. Private keys are never printed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import keys_bind, keys_end, output
from gateway.cli.command import Call, noun, verb
from gateway.cli.node import at_ground, chosen, run
from gateway.cli.nouns import NOUNS
from gateway.errors import Clash, Misconfigured, NotFound

if TYPE_CHECKING:
    from gateway.bootstrap.ground import Ground
    from gateway.domain.key_use import KeyEnd, KeyUse
    from gateway.trust.keys import KeyEntry, KeyKind


class Where(StrEnum):
    """Where a new key lies."""

    FILE = "file"
    TOKEN = "token"  # noqa: S105 - a place, no secret


class Kind(StrEnum):
    """What our axis takes (W8)."""

    P256 = "ecdsa-p256"
    P384 = "ecdsa-p384"
    RSA = "rsa-3072"


_COLUMNS = (
    ("cli.column.id", ""),
    ("cli.column.code", ""),
    ("cli.column.algorithm", ""),
    ("cli.column.where", ""),
    ("cli.column.serial", "dim"),
    ("cli.column.valid", ""),
    ("cli.column.state", ""),
)


def register(app: typer.Typer) -> None:
    group = noun("keys", NOUNS["keys"])
    verb(group, "list", examples=("gateway keys list", "gateway keys list --agency Z91.02 -o json"))(list_)
    verb(group, "new", examples=("gateway keys new", "gateway keys new --kind rsa-3072 --yes"), writes=True)(
        new
    )
    verb(
        group,
        "csr",
        examples=(
            "gateway keys csr 0123456789abcdef > request.pem",
            "gateway keys csr 0123456789abcdef --organisation 'UBND Z91'",
        ),
    )(csr)
    verb(
        group,
        "import",
        examples=("gateway keys import issued.pem", "gateway keys import issued.pem --agency Z91.02 -o json"),
        writes=True,
    )(import_)
    keys_bind.register(group)
    keys_end.register(group)
    app.add_typer(group)


def list_(call: Call) -> None:
    """List the agency's keys: where each lies, until when it is good, and whether it signs now."""
    run(_list(call))


async def _list(call: Call) -> None:
    from gateway.outgoing import keys as signing

    async with at_ground(call.settings()) as ground:
        agency = chosen(await ground.store.hosted(), call.agency)
        entries = ground.keys.entries(agency.code)
        now = ground.clock.now()
        use = await signing.of(ground.directory, ground.store, agency.code, now)
        signs = _signing(ground, agency.code, now, use)
    shown = [_shown(each) | {"state": _state(each, signs, use)} for each in entries]
    cells = [_cells(call, each, told["state"]) for each, told in zip(entries, shown, strict=True)]
    output.rows(call, shown, _COLUMNS, cells)


def _signing(ground: Ground, code: str, now: datetime, use: KeyUse) -> str:
    """The certificate that signs now, by SHA-256; nothing where none does."""
    try:
        return hashlib.sha256(ground.keys.signer(code, now, use).certificate_der).hexdigest()
    except (NotFound, Misconfigured):
        return ""


def _state(entry: KeyEntry, signs: str, use: KeyUse) -> str:
    if entry.fingerprint is None:
        return "waiting"
    if entry.fingerprint in use.ended:
        return "ended"
    if entry.fingerprint == signs:
        return "signs"
    return "unbound" if use.fault(entry.fingerprint) else "ready"


def new(
    call: Call,
    kind: Annotated[Kind, typer.Option(help="Algorithm of the key.")] = Kind.P256,
    where: Annotated[
        Where | None, typer.Option(help="In a file or on the token; default: the token, where one is set up.")
    ] = None,
) -> None:
    """Make a key pair and its signing request; have that signed, then import the certificate."""
    run(_new(call, kind.value, where))


async def _new(call: Call, kind: KeyKind, where: Where | None) -> None:
    async with at_ground(call.settings()) as ground:
        agency = chosen(await ground.store.hosted(), call.agency)
        place = where or (Where.TOKEN if ground.keys.has_token else Where.FILE)
        if not call.agrees("cli.ask.new_key", code=agency.code, kind=kind):
            return
        entry = ground.keys.generate(agency.code, kind, place.value)
        ground.keys.request(agency.code, entry.key_id, agency.name)
    output.record(call, _shown(entry))
    call.say("cli.todo", command=f"gateway keys csr {entry.key_id} --agency {agency.code} > request.pem")


def csr(
    call: Call,
    key_id: Annotated[str, typer.Argument(help="Id of the key, from: gateway keys list")],
    organisation: Annotated[
        str | None, typer.Option(help="Name in the certificate; default: the agency's.")
    ] = None,
) -> None:
    """Print the certificate signing request of a key, in PEM."""
    run(_csr(call, key_id, organisation))


async def _csr(call: Call, key_id: str, organisation: str | None) -> None:
    async with at_ground(call.settings()) as ground:
        agency = chosen(await ground.store.hosted(), call.agency)
        pem = ground.keys.request(agency.code, key_id, organisation or agency.name)
    output.lines([pem.decode("ascii").rstrip()])


def import_(
    call: Call,
    file: Annotated[
        Path,
        typer.Argument(
            help="The certificate, in PEM; - is standard input.", exists=True, dir_okay=False, allow_dash=True
        ),
    ],
) -> None:
    """Put an issued certificate beside its key. Where others of the agency are bound here, it signs once bound too."""
    run(_import(call, file))


async def _import(call: Call, file: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.ops.exchange_certificates import made_for_signing, never_for_pdfs
    from gateway.trust.key_material import key_id, public_key_of, sha256
    from gateway.trust.keys import read_certificate

    pem = file.read_bytes()
    certificate = read_certificate(pem, str(file))
    made_for_signing(certificate, str(file))
    der = certificate.public_bytes(Encoding.DER)
    async with at_ground(call.settings()) as ground:
        agency = chosen(await ground.store.hosted(), call.agency)
        mine = key_id(public_key_of(certificate, str(file)))
        _refuse_stolen(mine, await ground.store.key_ends(agency.code))
        await never_for_pdfs(ground.store, [der])
        await _refuse_to_stop(ground, agency.code, mine, sha256(der))
        if not call.agrees("cli.ask.import_certificate", file=file, code=agency.code):
            return
        entry = ground.keys.import_certificate(agency.code, pem)
    output.record(call, _shown(entry))
    call.say("cli.key.announce", code=agency.code, file=file)


def _refuse_stolen(key_id: str, ends: Sequence[KeyEnd]) -> None:
    if any(each.key_id == key_id and each.stolen_since is not None for each in ends):
        raise Clash(
            f"the key {key_id} was reported stolen: no certificate makes it good again",
            hint="make a new one with: gateway keys new",
        )


async def _refuse_to_stop(ground: Ground, code: str, key_id: str, fingerprint: str) -> None:
    """A key has one certificate beside it. One that may sign does not make way for one that may not yet."""
    from gateway.outgoing import keys as signing

    use = await signing.of(ground.directory, ground.store, code, ground.clock.now())
    here = {each.key_id: each.fingerprint for each in ground.keys.entries(code)}.get(key_id)
    if (
        here not in (None, fingerprint)
        and use.fault(str(here)) is None
        and use.fault(fingerprint) is not None
    ):
        raise Clash(
            f"the key {key_id} signs under a certificate that is bound here, and under this one it could not sign yet",
            code="KEY-NOT-BOUND",
            hint="bind this one first: gateway keys propose, then gateway keys approve",
        )


def _shown(entry: KeyEntry) -> dict[str, Any]:
    return {
        "id": entry.key_id,
        "agency": entry.agency_code,
        "algorithm": entry.algorithm,
        "where": entry.where,
        "sha256": entry.fingerprint,
        "subject": entry.subject,
        "serial": entry.serial,
        "not_before": output.stamp(entry.not_before),
        "not_after": output.stamp(entry.not_after),
    }


def _cells(call: Call, entry: KeyEntry, state: str) -> tuple[str, ...]:
    if entry.certificate_der is None:
        valid = call.word("cli.no_certificate")
    else:
        valid = f"{output.clock(entry.not_before)} – {output.clock(entry.not_after)}"
    where, word = call.word(f"cli.key.in_{entry.where}"), call.word(f"cli.key.{state}")
    return entry.key_id, entry.agency_code, entry.algorithm, where, entry.serial or "", valid, word
