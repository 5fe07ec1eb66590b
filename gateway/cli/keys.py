"""`gateway keys`: the exchange keys of the agency, with which the node signs its packets. In: an agency, a certificate
file. Out: a new key, its signing request, or the list with what expires when. Private keys are never printed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, noun, verb
from gateway.cli.node import at_office, chosen, run
from gateway.errors import Clash

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from gateway.trust.keys import KeyEntry, KeyKind


class Kind(StrEnum):
    """What our axis takes (W8)."""

    P256 = "ecdsa-p256"
    P384 = "ecdsa-p384"
    RSA = "rsa-3072"


_COLUMNS = (
    ("cli.column.id", ""),
    ("cli.column.code", ""),
    ("cli.column.algorithm", ""),
    ("cli.column.serial", "dim"),
    ("cli.column.valid", ""),
)


def register(app: typer.Typer) -> None:
    group = noun("keys", "Exchange keys: those with which the node signs packets for the agency.")
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
    verb(
        group,
        "pin",
        examples=(
            "gateway keys pin Z91.07 partner.pem --proposed-by 'A. Clerk' --approved-by 'A. Leader'",
            "gateway keys pin Z91.07 partner.pem --proposed-by 'A. Clerk' --approved-by 'A. Leader' --yes",
        ),
        writes=True,
    )(pin)
    app.add_typer(group)


def list_(call: Call) -> None:
    """List the agency's keys; one without a certificate waits for it."""
    run(_list(call))


async def _list(call: Call) -> None:
    async with at_office(call.settings()) as office:
        agency = chosen(await office.store.hosted(), call.agency)
        entries = office.keys.entries(agency.code)
    output.rows(call, [_shown(each) for each in entries], _COLUMNS, [_cells(call, each) for each in entries])


def new(
    call: Call,
    kind: Annotated[Kind, typer.Option(help="Algorithm of the key.")] = Kind.P256,
) -> None:
    """Make a key pair and its signing request; have that signed, then import the certificate."""
    run(_new(call, kind.value))


async def _new(call: Call, kind: KeyKind) -> None:
    async with at_office(call.settings()) as office:
        agency = chosen(await office.store.hosted(), call.agency)
        if not call.agrees("cli.ask.new_key", code=agency.code, kind=kind):
            return
        entry = office.keys.generate(agency.code, kind)
        office.keys.request(agency.code, entry.key_id, agency.name)
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
    async with at_office(call.settings()) as office:
        agency = chosen(await office.store.hosted(), call.agency)
        pem = office.keys.request(agency.code, key_id, organisation or agency.name)
    output.lines([pem.decode("ascii").rstrip()])


def import_(
    call: Call,
    file: Annotated[Path, typer.Argument(help="The certificate, in PEM.", exists=True, dir_okay=False)],
) -> None:
    """Put an issued certificate beside its key; from its first day the node signs with it."""
    run(_import(call, file))


async def _import(call: Call, file: Path) -> None:
    from gateway.trust.keys import read_certificate

    pem = file.read_bytes()
    _made_for_signing(read_certificate(pem, str(file)), file)
    async with at_office(call.settings()) as office:
        agency = chosen(await office.store.hosted(), call.agency)
        if not call.agrees("cli.ask.import_certificate", file=file, code=agency.code):
            return
        entry = office.keys.import_certificate(agency.code, pem)
    output.record(call, _shown(entry))


def pin(
    call: Call,
    code: Annotated[str, typer.Argument(help="The agency that the certificate speaks for.")],
    file: Annotated[Path, typer.Argument(help="Its certificate, in PEM.", exists=True, dir_okay=False)],
    proposed_by: Annotated[str, typer.Option(help="Who compared the fingerprint with the partner.")],
    approved_by: Annotated[str, typer.Option(help="Who approved it; another person (K6).")],
) -> None:
    """Bind a certificate to an agency code: from now on packets signed with it count as that agency's."""
    run(_pin(call, code, file, proposed_by, approved_by))


async def _pin(call: Call, code: str, file: Path, proposed_by: str, approved_by: str) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.registry.binding import fingerprint
    from gateway.trust.keys import read_certificate

    certificate = read_certificate(file.read_bytes(), str(file))
    _made_for_signing(certificate, file)
    der = certificate.public_bytes(Encoding.DER)
    async with at_office(call.settings()) as office:
        if not call.agrees("cli.ask.pin", code=code, fingerprint=fingerprint(der)):
            return
        bound = await office.directory.bind(
            code,
            der,
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            proposed_by,
            approved_by,
        )
    output.record(
        call,
        {
            "id": fingerprint(der),
            "code": bound.code,
            "valid_from": output.stamp(bound.valid_from),
            "valid_to": output.stamp(bound.valid_to),
        },
    )


def _made_for_signing(certificate: Certificate, file: Path) -> None:
    """Clash for a certificate that every receiver would refuse at step 9: better told here than found in quarantines."""
    from gateway.trust.chain import usage_holds

    if not usage_holds(certificate):
        raise Clash(
            f"{file} is not made for signing: no receiver would take what is signed with it",
            code="CERT-USAGE",
            hint="have it issued anew with the key usage digitalSignature or nonRepudiation, and without CA rights",
        )


def _shown(entry: KeyEntry) -> dict[str, Any]:
    return {
        "id": entry.key_id,
        "agency": entry.agency_code,
        "algorithm": entry.algorithm,
        "subject": entry.subject,
        "serial": entry.serial,
        "not_before": output.stamp(entry.not_before),
        "not_after": output.stamp(entry.not_after),
    }


def _cells(call: Call, entry: KeyEntry) -> tuple[str, ...]:
    if entry.certificate_der is None:
        valid = call.word("cli.no_certificate")
    else:
        valid = f"{output.clock(entry.not_before)} – {output.clock(entry.not_after)}"
    return entry.key_id, entry.agency_code, entry.algorithm, entry.serial or "", valid
