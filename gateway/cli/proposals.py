"""`gateway proposals`: changes of trust that wait for a second person; and the commands of `gateway keys` that begin
or end one: `propose`, `propose-all`, `withdraw`. In: a proposal's id or certificate files, and who asks. Out: what it
would change, with the end of each fingerprint left out, because the approver has that from somebody else; a
certificate in force, or one that is no more. A root certificate is proposed by `gateway proposals`, certificates of
agencies by `gateway keys`."""

from __future__ import annotations

import base64
import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, people
from gateway.cli.command import Group, Invocation, OutputFormat, piped
from gateway.cli.node import at_ground, operator
from gateway.cli.people import As

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.domain.person import Proposal, ProposalContent
    from gateway.domain.proof import Binding

SHOWN = 50
_COLUMNS = output.columns("id", "code", "state:cli.proposal", "proposed_by", "until=expires_at")
Id = Annotated[str, typer.Argument(help="Id of the proposal, from: gateway proposals list")]


def register(app: Group) -> None:
    group = app.noun("proposals")
    group.verb(list_, "", "--all -o json")
    group.verb(show, "prp_01", "prp_01 -o json")
    group.verb(approve, "prp_01 --as 'A. Leader'", "prp_01 --as 'A. Leader' --yes -o json", writes=True)
    group.verb(
        reject,
        "prp_01 --as 'A. Leader' --reason 'Not what they told us'",
        "prp_01 --as 'A. Leader' --reason 'Wrong file' --yes",
        writes=True,
    )
    group.verb(
        anchor,
        "root.pem --as 'A. Clerk'",
        "root.pem --as 'A. Clerk' --reason 'New root of the authority' --yes",
        writes=True,
    )


async def list_(
    call: Invocation,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
) -> None:
    """List the proposals that wait, newest first."""
    from gateway.domain.person import ProposalState

    async with at_ground(call.settings()) as ground, ground.deciding.decisions.read() as view:
        found = await view.proposals.listed(() if all_ else (ProposalState.OPEN,), SHOWN)
        names = await view.people.names(set().union(*(each.people for each in found)))
        now = ground.clock.now()
    cells = [{"code": " ".join(sorted(codes_of(each.content))) or "–"} for each in found]
    output.rows(call, [shown(each, names, now) for each in found], _COLUMNS, cells)


async def show(call: Invocation, id: Id) -> None:
    """Show what a proposal would change. The last 16 digits of each fingerprint come from another channel."""
    async with at_ground(call.settings()) as ground, ground.deciding.decisions.read() as view:
        found = await view.proposals.get(id)
        names = await view.people.names(found.people)
        now = ground.clock.now()
    _print(call, found, names, now)


async def approve(call: Invocation, id: Id, as_: As) -> None:
    """Approve what another person proposed: type the last 16 digits of each fingerprint, as its owner told them to you."""
    from gateway.deciding import approvals
    from gateway.ops.certificates import never_for_pdfs

    async with at_ground(call.settings()) as ground:
        async with ground.deciding.decisions.read() as view:
            found = await view.proposals.get(id)
            names = await view.people.names(found.people)
        # Again: it may have signed one since it was proposed.
        await never_for_pdfs(ground.store, [each.certificate_der for each in found.content.bindings])
        if call.output is OutputFormat.TABLE:
            _print(call, found, names, ground.clock.now())
        call.ask("cli.ask.approve", id=id)
        who = await people.signed_in(call, ground, as_)
        typed = [
            people.seen(call, "cli.person.digits", n=n, of=_subject(each))
            for n, each in enumerate((*found.content.bindings, *found.content.anchors), 1)
        ]
        by_number = (*found.content.reforms, *found.content.imports)
        typed += [people.seen(call, "cli.reform.number") for _ in by_number]
        done = await approvals.approve(ground.deciding, who, id, typed, found.digest)
        async with ground.deciding.decisions.read() as view:
            names = await view.people.names(done.people)
        now = ground.clock.now()
    if call.output is not OutputFormat.TABLE or call.quiet:
        output.record(call, shown(done, names, now))
    call.say("cli.proposal.in_force", id=id)
    if found.content.anchors:
        call.say("cli.proposal.restart")


async def reject(
    call: Invocation, id: Id, as_: As, reason: Annotated[str, typer.Option(help="Why; it is kept.")]
) -> None:
    """Say no: nothing changes, and it can never be approved."""
    from gateway.deciding import approvals

    async with at_ground(call.settings()) as ground:
        call.ask("cli.ask.reject_proposal", id=id)
        who = await people.signed_in(call, ground, as_)
        done = await approvals.reject(ground.deciding, who, id, reason)
        output.record(call, shown(done, {}, ground.clock.now()))


async def anchor(
    call: Invocation,
    file: Annotated[Path, piped("A root certificate, in PEM; - is standard input.")],
    as_: As,
    reason: Annotated[str, typer.Option(help="Why; the approver reads it.")] = "",
) -> None:
    """Propose one more root below which certificates of agencies are believed."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.domain.person import AnchorChange, ProposalContent
    from gateway.trust.keys import read_certificate

    der = read_certificate(file.read_bytes(), str(file)).public_bytes(Encoding.DER)
    content = ProposalContent(anchors=(AnchorChange(certificate=base64.b64encode(der).decode()),))
    await proposed(call, content, as_, reason)


async def proposed(call: Invocation, content: ProposalContent, as_: str, reason: str) -> None:
    """Makes the proposal and says what is next."""
    from gateway.deciding import proposals

    async with at_ground(call.settings()) as ground:
        call.ask("cli.ask.propose", what=", ".join(_all_subjects(content)))
        who = await people.signed_in(call, ground, as_)
        made = await proposals.propose(ground.deciding, who, content, reason)
        now = ground.clock.now()
    # The proposer knows the whole fingerprint anyway, and reads it to the owner of the certificate.
    output.record(
        call, shown(made, {who.person.id: who.person.name}, now) | {"sha256": list(content.fingerprints)}
    )
    call.say("cli.proposal.next", id=made.id)


def codes_of(content: ProposalContent) -> set[str]:
    """Every agency code that it is about."""
    of_reforms = {code for each in content.reforms for code in each.codes}
    return of_reforms | {each.code for each in content.bindings}


def shown(one: Proposal, names: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The proposal for a program; of each fingerprint the end is left out."""
    return {
        "id": one.id,
        "state": _state(one, now),
        "digest": one.digest,
        "proposed_by": names.get(one.proposed_by, one.proposed_by),
        **output.fields(one, "proposed_at expires_at reason"),
        "decided_by": names.get(one.decided_by or "", one.decided_by),
        "decided_at": one.decided_at,
        "bindings": [
            _certificate(each.certificate_der)
            | output.fields(
                each,
                "code valid_from valid_to ends ends_at",
                ends=list(each.earlier),
                ends_at=each.earlier_end,
            )
            for each in one.content.bindings
        ],
        "anchors": [_certificate(each.certificate_der) for each in one.content.anchors],
        "reforms": [
            {
                "kind": str(each.kind),
                "codes": list(each.codes),
                "effective_on": each.effective_on.isoformat(),
                "decision": each.decision.number,
            }
            for each in one.content.reforms
        ],
        # The number of the decision is the approver's to type.
        "imports": [
            {"file": each.name, "added": each.added, "changed": each.changed, "closed": each.closed}
            for each in one.content.imports
        ],
    }


def _print(call: Invocation, one: Proposal, names: Mapping[str, str], now: datetime) -> None:
    told = shown(one, names, now)
    if call.output is not OutputFormat.TABLE or call.quiet:
        output.record(call, told)
        return
    output.record(call, {key: value for key, value in told.items() if not isinstance(value, list)})
    for each in [*told["bindings"], *told["anchors"], *told["reforms"], *told["imports"]]:
        output.aloud(
            call, ["", *(f"  {key:<10}  {output.plain(str(value))}" for key, value in each.items() if value)]
        )


def _certificate(der: bytes) -> dict[str, Any]:
    import hashlib

    from cryptography import x509

    from gateway.domain.person import DIGITS

    digest = hashlib.sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = (certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string())
    except ValueError:
        names = ("?", "?")
    return {"subject": names[0], "issuer": names[1], "sha256": digest[:-DIGITS] + "·" * DIGITS}


def _subject(change: object) -> str:
    from gateway.domain.registry_reform import Reform

    if isinstance(change, Reform):
        return " ".join(change.codes)
    der: bytes = getattr(change, "certificate_der", b"")
    return str(getattr(change, "code", "")) or str(_certificate(der)["subject"])


def _all_subjects(content: ProposalContent) -> Sequence[str]:
    return [_subject(each) for each in content.changes]


def _state(one: Proposal, now: datetime) -> str:
    return "expired" if one.state == "open" and now >= one.expires_at else str(one.state)


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


def register_in_keys(group: Group) -> None:
    """Adds `propose`, `propose-all` and `withdraw` to the `keys` group."""
    group.verb(
        propose_certificate,
        "Z91.07 partner.pem --as 'A. Clerk'",
        "Z91.07 partner.pem --as 'A. Clerk' --from 2026-12-01T00:00:00+07:00 --yes",
        name="propose",
        writes=True,
    )
    group.verb(
        propose_certificates,
        "bindings.csv --as 'A. Clerk'",
        "bindings.csv --as 'A. Clerk' --reason 'First set-up' --yes",
        name="propose-all",
        writes=True,
    )
    group.verb(approve, "prp_01 --as 'A. Leader'", "prp_01 --as 'A. Leader' --yes -o json", writes=True)
    group.verb(
        withdraw_certificate,
        "Z91.07 SHA256 --reason 'Told by telephone'",
        "Z91.07 SHA256 --reason 'Told by telephone' --yes",
        name="withdraw",
        writes=True,
    )


async def propose_certificate(
    call: Invocation,
    code: Annotated[str, typer.Argument(help="The agency that the certificate shall speak for.")],
    file: Annotated[Path, piped("Its certificate, in PEM; - is standard input.")],
    as_: As,
    from_: Start = None,
    overlap_days: Overlap = None,
    reason: Reason = "",
) -> None:
    """Propose that a certificate speaks for an agency. It does once another person approves."""
    await _propose_certificates(call, [_read_certificate_of(code, file)], as_, from_, overlap_days, reason)


async def propose_certificates(
    call: Invocation,
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
    await _propose_certificates(call, list(_certificates_listed(file)), as_, from_, overlap_days, reason)


async def _propose_certificates(
    call: Invocation,
    wanted: list[Binding],
    as_: str,
    from_: str | None,
    overlap_days: int | None,
    reason: str,
) -> None:
    from gateway.cli.verify import moment
    from gateway.deciding import proposals
    from gateway.domain.person import ProposalContent
    from gateway.ops.certificates import never_for_pdfs

    settings = call.settings()
    overlap = timedelta(days=settings.keys.overlap_days if overlap_days is None else overlap_days)
    async with at_ground(settings) as ground:
        await never_for_pdfs(ground.store, [each.certificate_der for each in wanted])
        at, now = moment(from_) if from_ else None, ground.clock.now()
        changes = [
            proposals.binding_change(await ground.directory.bindings(each.code), each, now, overlap, at)
            for each in wanted
        ]
    await proposed(call, ProposalContent(bindings=tuple(changes)), as_, reason)


async def withdraw_certificate(
    call: Invocation,
    code: Annotated[str, typer.Argument(help="The agency that the certificate speaks for.")],
    sha256: Annotated[str, typer.Argument(help="The certificate, from: gateway registry show CODE")],
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
) -> None:
    """End a certificate at once: packets signed with it are refused from now on. One person is enough."""
    from gateway.deciding import proposals

    sha256 = sha256.strip().lower()
    async with at_ground(call.settings()) as ground:
        call.ask("cli.ask.withdraw", code=code, fingerprint=sha256)
        principal = await operator(ground.store)
        await proposals.withdraw_binding(ground.deciding, principal.id, code, sha256, reason)
        output.record(call, {"id": sha256, "code": code, "withdrawn": True})


def _read_certificate_of(code: str, file: Path) -> Binding:
    from gateway.ops import certificates

    return certificates.binding_to_propose(code, file.read_bytes(), str(file))


def _certificates_listed(file: Path) -> Iterable[Binding]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        table = csv.DictReader(opened)
        if not {"code", "certificate"} <= set(table.fieldnames or ()):
            raise typer.BadParameter(f"{file} needs the columns code,certificate in its first line")
        for line in table:
            named = file.parent / (line["certificate"] or "")
            if not named.is_file():
                raise typer.BadParameter(f"{file}: there is no certificate {named}")
            yield _read_certificate_of(line["code"] or "", named)
