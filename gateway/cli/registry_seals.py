"""`gateway registry seals`: which certificates sign PDFs for which agency, and which agency may seal for another. In: a
specimen (a signed PDF) or a certificate in PEM, an agency's code, the acting person. Out: certificates offered from the
file; an open proposal, approved as in `proposals`; the registered ones, also as the file `seals.json` for checks without a
node; the end of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, argument, noun, option
from gateway.cli.node import operator_id
from gateway.cli.people import As, ForApprover, KeptReason
from gateway.cli.proposals import make_proposal
from gateway.cli.registry import entry_of
from gateway.cli.typed_times import day
from gateway.cli.verify import moment
from gateway.deciding import proposals
from gateway.domain.person import ProposalContent
from gateway.domain.seals import CAPACITIES, CertificateKind, SealingRightChange
from gateway.errors import Clash, NotFound
from gateway.ops import seal_file, specimen

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.ops.specimen import OfferedCertificate

_COLUMNS = output.columns("id code kind:certificate.kind name position valid state:cli.seal", dim="position")
_RIGHTS = output.columns("id acting_code code decision=act_number valid state:cli.seal")
_OFFERS = output.columns("n kind:certificate.kind name organisation sha256 agencies")
Code = Annotated[str | None, argument("Only of this agency.")]
Specimen = Annotated[Path, argument("A signed PDF, or a certificate in PEM.", exists=True)]
Start = Annotated[str | None, option("From this time on (RFC 3339).", "--from")]
End = Annotated[str | None, option("Until this time (RFC 3339).", "--until")]

_seals = noun("registry").noun(
    "seals", "Seals and persons' certificates on PDFs, and rights to seal for another."
)
verb = _seals.verb


@verb("", "Z91.07 -o json")
async def list_(call: Invocation, core: NodeCore, code: Code = None) -> None:
    """List the registered seals and persons' certificates, by agency."""
    async with core.deciding.decisions.read() as view:
        certificates = await view.seals.list_certificates(_capitals(code))
    spans = (f"{output.clock(c.valid_from)} – {output.clock(c.valid_to)}" for c in certificates)
    records = [seal_file.certificate_json(c) for c in certificates]
    output.rows(call, records, _COLUMNS, [{"valid": span} for span in spans])


@verb("", "Z91.07 -o json")
async def rights(call: Invocation, core: NodeCore, code: Code = None) -> None:
    """List the agencies that may seal for another one, each with its written act."""
    async with core.deciding.decisions.read() as view:
        listed = await view.seals.list_rights(_capitals(code))
    spans = (f"{r.valid_from.isoformat()} – {r.valid_to.isoformat() if r.valid_to else ''}" for r in listed)
    output.rows(call, [seal_file.right_json(r) for r in listed], _RIGHTS, [{"valid": s} for s in spans])


@verb("sea_01")
async def show(
    call: Invocation, core: NodeCore, id: Annotated[str, argument("From: registry seals list")]
) -> None:
    """Show one registered certificate with its PEM and the two persons."""
    async with core.deciding.decisions.read() as view:
        certificates = [c for c in await view.seals.list_certificates() if c.id == id]
        people = {person for c in certificates for person in (c.proposed_by, c.approved_by)}
        names = await view.people.names(people)
    if not certificates:
        raise NotFound(f"no certificate is registered as {id}", hint="list: gateway registry seals list")
    (certificate,) = certificates
    output.record(
        call,
        seal_file.certificate_json(certificate)
        | {
            "proposed_by": names.get(certificate.proposed_by, certificate.proposed_by),
            "approved_by": names.get(certificate.approved_by, certificate.approved_by),
            "created_at": certificate.created_at,
            "certificate": certificate.certificate_pem,
        },
    )


@verb("mau-dau.pdf", local=True)
async def read(call: Invocation, core: NodeCore, file: Specimen) -> None:
    """Show the certificates of a specimen, and the agencies that their subjects may mean; nothing is registered."""
    offers = await _read(core, file)
    records = []
    for offer in offers:
        entries = await core.directory.search(offer.organisation or offer.name, 3)
        records.append(_offer_record(offer) | {"agencies": [f"{e.code} {e.name}" for e in entries]})
    output.rows(call, records, _OFFERS)


@verb(
    "Z91.07 mau-dau.pdf --as 'A. Clerk'",
    "Z91.07 giam-doc.pem --as 'A. Clerk' --position Director --yes",
    writes=True,
)
async def propose(
    call: Invocation,
    core: NodeCore,
    code: Annotated[str, argument("The agency for which the certificate signs.")],
    file: Specimen,
    as_: As,
    n: Annotated[
        int | None, option("Which certificate of the file: registry seals read", "--n", min=1)
    ] = None,
    kind: Annotated[CertificateKind | None, option("Default: as its subject says.")] = None,
    name: Annotated[str, option("The person's name; default: as in the certificate.")] = "",
    position: Annotated[str, option("The person's position.")] = "",
    capacity: Annotated[str, option(f"In which capacity: {' '.join(CAPACITIES)}")] = "",
    from_: Start = None,
    until: End = None,
    reason: ForApprover = "",
) -> None:
    """Propose a seal or a person's certificate of an agency. It counts once another person approves."""
    offers = await _read(core, file)
    if n is None and len(offers) > 1:
        raise Clash(
            f"{file.name} has {len(offers)} certificates",
            hint="choose one with --n, from: gateway registry seals read FILE",
        )
    if n is not None and n > len(offers):
        raise NotFound(f"{file.name} has {len(offers)} certificates", hint="gateway registry seals read FILE")
    offer = offers[(n or 1) - 1]
    kind = kind or offer.kind
    change = proposals.seal_change(
        (await entry_of(core.directory, code)).code,
        kind,
        offer.certificate_der,
        since=moment(from_) if from_ else None,
        until=moment(until) if until else None,
        name=(name or offer.name) if kind is CertificateKind.PERSON else name,
        position=position,
        capacity=capacity,
    )
    await make_proposal(call, core, ProposalContent(seals=(change,)), as_, reason)


@verb("Z91 Z91.07 --act 12/QD-UBND --act-date 2026-01-02 --from 2026-01-05 --as 'A. Clerk'", writes=True)
async def entitle(
    call: Invocation,
    core: NodeCore,
    acting: Annotated[str, argument("The agency that seals.")],
    code: Annotated[str, argument("The agency for whose documents it may.")],
    act: Annotated[str, option("Number and notation of the written act; the approver types it.")],
    act_date: Annotated[str, option("Date of the act.")],
    from_: Annotated[str, option("First day.", "--from")],
    as_: As,
    until: Annotated[str | None, option("Last day; default: until withdrawn.", "--until")] = None,
    reason: ForApprover = "",
) -> None:
    """Propose that one agency may seal for another, by a written act. Being above it gives no such right."""
    if not act.strip():
        raise typer.BadParameter("name the written act")
    change = SealingRightChange(
        acting_code=(await entry_of(core.directory, acting)).code,
        code=(await entry_of(core.directory, code)).code,
        act_number=act.strip()[:100],
        act_date=date.fromisoformat(day(act_date)),
        valid_from=date.fromisoformat(day(from_)),
        valid_to=date.fromisoformat(day(until)) if until else None,
    )
    await make_proposal(call, core, ProposalContent(sealing_rights=(change,)), as_, reason)


@verb(
    "sea_01 --reason 'Lost'",
    "sea_01 --reason 'Left office' --at 2026-12-01T00:00:00+07:00 --yes",
    writes=True,
)
async def withdraw(
    call: Invocation,
    core: NodeCore,
    id: Annotated[str, argument("Id of a certificate or a right, from: registry seals list")],
    reason: KeptReason,
    at: Annotated[str | None, option("From this time on (RFC 3339); default: now.")] = None,
) -> None:
    """End a registered certificate or right: it counts no more for what comes later. One person is enough."""
    call.ask("cli.ask.withdraw_seal", id=id)
    when = moment(at) if at else core.clock.now()
    code = await proposals.withdraw_seal(core.deciding, await operator_id(core.store), id, when, reason)
    output.record(call, {"id": id, "code": code, "withdrawn": True})


@verb("", "> trust/pdf/seals.json", local=True)
async def export(call: Invocation, core: NodeCore) -> None:
    """Print everything registered as the file pdf/seals.json, for gateway verify on a machine without a node."""
    async with core.deciding.decisions.read() as view:
        content = seal_file.to_json(await view.seals.list_certificates(), await view.seals.list_rights())
    output.document(content)


async def _read(core: NodeCore, file: Path) -> Sequence[OfferedCertificate]:
    folder, now = core.settings.trust.folder / "pdf", core.clock.now()
    return await core.deciding.pool.run(lambda: specimen.read_specimen(file, folder, now))


def _offer_record(offer: OfferedCertificate) -> dict[str, Any]:
    names = "id=fingerprint n kind name organisation subject sha256=fingerprint valid_from valid_to verdict"
    return output.fields(offer, names)


def _capitals(code: str | None) -> str | None:
    return code.strip().upper() if code else None
