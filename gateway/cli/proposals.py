"""`gateway proposals`: changes of trust that wait for a second person. In: a proposal's id or a root certificate, and who
asks. Out: what it would change, with the end of each fingerprint left out, because the approver has that from somebody
else; a certificate in force. Certificates of agencies are proposed by `gateway keys`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, people
from gateway.cli.command import Invocation, OutputFormat, noun, piped
from gateway.cli.people import As, ForApprover, Kept
from gateway.deciding import approvals, proposals
from gateway.domain.person import DIGITS, AnchorChange, Proposal, ProposalContent, ProposalState
from gateway.domain.registry_reform import Reform

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.bootstrap.ground import Ground

SHOWN = 50
_COLUMNS = output.columns("id code state:cli.proposal proposed_by until=expires_at")
Id = Annotated[str, typer.Argument(help="Id of the proposal, from: gateway proposals list")]


verb = noun("proposals").verb


@verb("", "--all -o json")
async def list_(
    call: Invocation,
    ground: Ground,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
) -> None:
    """List the proposals that wait, newest first."""
    async with ground.deciding.decisions.read() as view:
        found = await view.proposals.listed(() if all_ else (ProposalState.OPEN,), SHOWN)
        names = await view.people.names(set().union(*(each.people for each in found)))
        now = ground.clock.now()
    cells = [{"code": " ".join(sorted(codes_of(each.content))) or "–"} for each in found]
    output.rows(call, [shown(each, names, now) for each in found], _COLUMNS, cells)


@verb("prp_01")
async def show(call: Invocation, ground: Ground, id: Id) -> None:
    """Show what a proposal would change. The last 16 digits of each fingerprint come from another channel."""
    async with ground.deciding.decisions.read() as view:
        found = await view.proposals.get(id)
        names = await view.people.names(found.people)
        now = ground.clock.now()
    _print(call, found, names, now)


@verb("prp_01 --as 'A. Leader'", "prp_01 --as 'A. Leader' --yes -o json", writes=True)
async def approve(call: Invocation, ground: Ground, id: Id, as_: As) -> None:
    """Approve what another person proposed: type the last 16 digits of each fingerprint, as its owner told them to you."""
    from gateway.ops.certificates import never_for_pdfs

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


@verb(
    "prp_01 --as 'A. Leader' --reason 'Not what they told us'",
    "prp_01 --as 'A. Leader' --reason 'Wrong file' --yes",
    ask="cli.ask.reject_proposal",
)
async def reject(call: Invocation, ground: Ground, id: Id, as_: As, reason: Kept) -> None:
    """Say no: nothing changes, and it can never be approved."""
    who = await people.signed_in(call, ground, as_)
    done = await approvals.reject(ground.deciding, who, id, reason)
    output.record(call, shown(done, {}, ground.clock.now()))


@verb(
    "root.pem --as 'A. Clerk'",
    "root.pem --as 'A. Clerk' --reason 'New root of the authority' --yes",
    writes=True,
)
async def anchor(
    call: Invocation,
    ground: Ground,
    file: Annotated[Path, piped("A root certificate, in PEM; - is standard input.")],
    as_: As,
    reason: ForApprover = "",
) -> None:
    """Propose one more root below which certificates of agencies are believed."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.trust.keys import read_certificate

    der = read_certificate(file.read_bytes(), str(file)).public_bytes(Encoding.DER)
    content = ProposalContent(anchors=(AnchorChange(certificate=base64.b64encode(der).decode()),))
    await proposed(call, ground, content, as_, reason)


async def proposed(call: Invocation, ground: Ground, content: ProposalContent, as_: str, reason: str) -> None:
    """Makes the proposal and says what is next."""
    call.ask("cli.ask.propose", what=", ".join(map(_subject, content.changes)))
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

    digest = hashlib.sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = (certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string())
    except ValueError:
        names = ("?", "?")
    return {"subject": names[0], "issuer": names[1], "sha256": digest[:-DIGITS] + "·" * DIGITS}


def _subject(change: object) -> str:
    if isinstance(change, Reform):
        return " ".join(change.codes)
    der: bytes = getattr(change, "certificate_der", b"")
    return str(getattr(change, "code", "")) or str(_certificate(der)["subject"])


def _state(one: Proposal, now: datetime) -> str:
    return "expired" if one.state == "open" and now >= one.expires_at else str(one.state)
