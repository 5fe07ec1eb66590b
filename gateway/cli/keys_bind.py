"""`gateway keys propose`, `propose-all`, `approve`, `withdraw`: which certificates speak for which agencies. In: codes and
certificate files, and who decides. Out: a proposal for a second person; a certificate in force; or one that is no more."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output, proposals
from gateway.cli.command import Call, verb
from gateway.cli.node import at_ground, operator, run
from gateway.cli.person import As

if TYPE_CHECKING:
    from gateway.domain.proof import Binding

Reason = Annotated[str, typer.Option(help="Why; the approver reads it.")]
Start = Annotated[
    str | None,
    typer.Option("--from", help="From this time on (RFC 3339); default: the certificate's first day."),
]
Overlap = Annotated[
    int | None,
    typer.Option(
        "--overlap-days", min=0, max=365, help="How long earlier certificates stay good; default: a setting."
    ),
]


def register(group: typer.Typer) -> None:
    """Adds the commands to the `keys` group."""
    verb(
        group,
        "propose",
        examples=(
            "gateway keys propose Z91.07 partner.pem --as 'A. Clerk'",
            "gateway keys propose Z91.07 partner.pem --as 'A. Clerk' --from 2026-12-01T00:00:00+07:00 --yes",
        ),
        writes=True,
    )(propose)
    verb(
        group,
        "propose-all",
        examples=(
            "gateway keys propose-all bindings.csv --as 'A. Clerk'",
            "gateway keys propose-all bindings.csv --as 'A. Clerk' --reason 'First set-up' --yes",
        ),
        writes=True,
    )(propose_all)
    verb(
        group,
        "approve",
        examples=(
            "gateway keys approve prp_01 --as 'A. Leader'",
            "gateway keys approve prp_01 --as 'A. Leader' --yes -o json",
        ),
        writes=True,
    )(proposals.approve)
    verb(
        group,
        "withdraw",
        examples=(
            "gateway keys withdraw Z91.07 SHA256 --reason 'Told by telephone'",
            "gateway keys withdraw Z91.07 SHA256 --reason 'Told by telephone' --yes",
        ),
        writes=True,
    )(withdraw)


def propose(
    call: Call,
    code: Annotated[str, typer.Argument(help="The agency that the certificate shall speak for.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="Its certificate, in PEM; - is standard input.", exists=True, dir_okay=False, allow_dash=True
        ),
    ],
    as_: As,
    from_: Start = None,
    overlap_days: Overlap = None,
    reason: Reason = "",
) -> None:
    """Propose that a certificate speaks for an agency. It does once another person approves."""
    run(_propose(call, [_read(code, file)], as_, from_, overlap_days, reason))


def propose_all(
    call: Call,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns code,certificate: PEM files beside it.", exists=True, dir_okay=False
        ),
    ],
    as_: As,
    from_: Start = None,
    overlap_days: Overlap = None,
    reason: Reason = "",
) -> None:
    """Propose many certificates at once; they are approved together or not at all."""
    run(_propose(call, list(_listed(file)), as_, from_, overlap_days, reason))


async def _propose(
    call: Call, wanted: list[Binding], as_: str, from_: str | None, overlap_days: int | None, reason: str
) -> None:
    from gateway.cli.verify import moment
    from gateway.deciding import propose as proposing
    from gateway.domain.proposal import Content
    from gateway.ops.exchange_certificates import never_for_pdfs

    settings = call.settings()
    overlap = timedelta(days=settings.keys.overlap_days if overlap_days is None else overlap_days)
    async with at_ground(settings) as ground:
        await never_for_pdfs(ground.store, [each.certificate_der for each in wanted])
        at, now = moment(from_) if from_ else None, ground.clock.now()
        changes = [
            proposing.binding(await ground.directory.bindings(each.code), each, now, overlap, at)
            for each in wanted
        ]
    await proposals.proposed(call, Content(bindings=tuple(changes)), as_, reason)


def withdraw(
    call: Call,
    code: Annotated[str, typer.Argument(help="The agency that the certificate speaks for.")],
    sha256: Annotated[str, typer.Argument(help="The certificate, from: gateway registry show CODE")],
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
) -> None:
    """End a certificate at once: packets signed with it are refused from now on. One person is enough."""
    run(_withdraw(call, code, sha256.strip().lower(), reason))


async def _withdraw(call: Call, code: str, sha256: str, reason: str) -> None:
    from gateway.deciding import end

    async with at_ground(call.settings()) as ground:
        if call.agrees("cli.ask.withdraw", code=code, fingerprint=sha256):
            principal = await operator(ground.store)
            await end.withdraw(ground.deciding, principal.id, code, sha256, reason)
            output.record(call, {"id": sha256, "code": code, "withdrawn": True})


def _read(code: str, file: Path) -> Binding:
    from gateway.ops import exchange_certificates

    return exchange_certificates.binding(code, file.read_bytes(), str(file))


def _listed(file: Path) -> Iterable[Binding]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        table = csv.DictReader(opened)
        if not {"code", "certificate"} <= set(table.fieldnames or ()):
            raise typer.BadParameter(f"{file} needs the columns code,certificate in its first line")
        for line in table:
            named = file.parent / (line["certificate"] or "")
            if not named.is_file():
                raise typer.BadParameter(f"{file}: there is no certificate {named}")
            yield _read(line["code"] or "", named)
