"""`gateway proposals`: changes of trust that wait for a second person. In: a proposal's id or a root certificate, and the
acting person. Out: the proposed change, with the end of each fingerprint left out, because the approver gets that by
another channel; a certificate in force. Certificates of agencies are proposed by `gateway keys`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from gateway.cli import output, people
from gateway.cli.command import Invocation, OutputFormat, argument, noun, option, piped
from gateway.cli.people import As, ForApprover, KeptReason
from gateway.deciding import approvals, proposals
from gateway.domain.person import (
    DIGITS,
    AnchorChange,
    Proposal,
    ProposalContent,
    ProposalState,
    SignedIn,
)
from gateway.domain.registry_reform import Reform

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.bootstrap.core import NodeCore

MOST_PROPOSALS = 50
_COLUMNS = output.columns("id code state:cli.proposal proposed_by until=expires_at")
Id = Annotated[str, argument("Id of the proposal, from: gateway proposals list")]


verb = noun("proposals").verb


@verb("", "--all -o json")
async def list_(
    call: Invocation,
    core: NodeCore,
    all_: Annotated[bool, option("Also decided ones.", "--all")] = False,
) -> None:
    """List the proposals that wait, newest first."""
    async with core.deciding.decisions.read() as view:
        listed = await view.proposals.list_in_states(() if all_ else (ProposalState.OPEN,), MOST_PROPOSALS)
        names = await view.people.names(set().union(*(p.people for p in listed)))
        now = core.clock.now()
    cells = [{"code": " ".join(sorted(codes_of(p.content))) or "–"} for p in listed]
    output.rows(call, [proposal_record(p, names, now) for p in listed], _COLUMNS, cells)


@verb("prp_01")
async def show(call: Invocation, core: NodeCore, id: Id) -> None:
    """Show what a proposal would change. The last 16 digits of each fingerprint come from another channel."""
    proposal = await approvals.get_proposal(core.deciding, id)
    async with core.deciding.decisions.read() as view:
        names = await view.people.names(proposal.people)
        now = core.clock.now()
    print_proposal(call, proposal, names, now)


@verb("prp_01 --as 'A. Leader'", "prp_01 --as 'A. Leader' --yes -o json", writes=True)
async def approve(call: Invocation, core: NodeCore, id: Id, as_: As) -> None:
    """Approve another person's proposal: type the last 16 digits of each fingerprint, as its owner told them to
    you."""
    from gateway.ops.certificates import check_never_signed_pdfs

    proposal = await approvals.get_proposal(core.deciding, id)
    async with core.deciding.decisions.read() as view:
        names = await view.people.names(proposal.people)
    # Checked again, because the key may have signed a PDF since the proposal.
    await check_never_signed_pdfs(core.store, [b.certificate_der for b in proposal.content.bindings])
    if call.output is OutputFormat.TABLE:
        print_proposal(call, proposal, names, core.clock.now())
    call.ask("cli.ask.approve", id=id)
    await approve_signed_in(call, core, proposal, await people.sign_in(call, core, as_))


async def approve_signed_in(call: Invocation, core: NodeCore, proposal: Proposal, person: SignedIn) -> None:
    """Ask this person for the digits and approve the proposal as it was shown."""
    typed_digits = [
        people.ask(call, "cli.person.digits", n=n, of=_subject(change))
        for n, change in enumerate(proposal.content.certificates, 1)
    ]
    by_number = (*proposal.content.reforms, *proposal.content.imports, *proposal.content.sealing_rights)
    typed_digits += [people.ask(call, "cli.reform.number") for _ in by_number]
    officers = [der for policy in proposal.content.delegations for der in policy.officers_der]
    typed_digits += [
        people.ask(call, "cli.person.digits", n=n, of=_certificate(der)["subject"])
        for n, der in enumerate(officers, 1)
    ]
    typed_digits += [
        people.ask(call, "delegated.ask.digest", issuer=output.plain(listed.issuer), number=listed.sequence)
        for listed in proposal.content.lists
    ]
    approved = await approvals.approve(core.deciding, person, proposal.id, typed_digits, proposal.digest)
    async with core.deciding.decisions.read() as view:
        names = await view.people.names(approved.people)
    now = core.clock.now()
    if call.output is not OutputFormat.TABLE or call.quiet:
        output.record(call, proposal_record(approved, names, now))
    call.say("cli.proposal.in_force", id=proposal.id)
    if proposal.content.anchors:
        call.say("cli.proposal.restart")


@verb(
    "prp_01 --as 'A. Leader' --reason 'Not what they told us'",
    "prp_01 --as 'A. Leader' --reason 'Wrong file' --yes",
    ask="cli.ask.reject_proposal",
)
async def reject(call: Invocation, core: NodeCore, id: Id, as_: As, reason: KeptReason) -> None:
    """Reject a proposal: nothing changes, and it can never be approved."""
    person = await people.sign_in(call, core, as_)
    rejected = await approvals.reject(core.deciding, person, id, reason)
    output.record(call, proposal_record(rejected, {}, core.clock.now()))


@verb(
    "root.pem --as 'A. Clerk'",
    "root.pem --as 'A. Clerk' --reason 'New root of the authority' --yes",
    writes=True,
)
async def anchor(
    call: Invocation,
    core: NodeCore,
    file: Annotated[Path, piped("A root certificate, in PEM; - is standard input.")],
    as_: As,
    reason: ForApprover = "",
) -> None:
    """Propose one more root certificate under which certificates of agencies are trusted."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.trust.keys import read_certificate

    der = read_certificate(file.read_bytes(), str(file)).public_bytes(Encoding.DER)
    content = ProposalContent(anchors=(AnchorChange(certificate=base64.b64encode(der).decode()),))
    await make_proposal(call, core, content, as_, reason)


async def make_proposal(
    call: Invocation, core: NodeCore, content: ProposalContent, as_: str, reason: str
) -> None:
    """Make the proposal and print the next step."""
    call.ask("cli.ask.propose", what=", ".join(map(_subject, content.changes)))
    person = await people.sign_in(call, core, as_)
    show_proposed(call, core, person, await proposals.propose(core.deciding, person, content, reason))


def show_proposed(call: Invocation, core: NodeCore, person: SignedIn, proposal: Proposal) -> None:
    """Print a proposal of this person, and the next step."""
    now, content = core.clock.now(), proposal.content
    # The proposer knows the whole fingerprint anyway, and reads it to the owner of the certificate.
    output.record(
        call,
        proposal_record(proposal, {person.person.id: person.person.name}, now)
        | {"sha256": [*content.fingerprints, *(f for c in content.delegations for f in c.fingerprints)]},
    )
    call.say("cli.proposal.next", id=proposal.id)


def codes_of(content: ProposalContent) -> set[str]:
    """Return every agency code that the content is about."""
    of_reforms = {code for r in content.reforms for code in r.codes}
    return of_reforms | {b.code for b in content.bindings} | set(content.sealing_codes)


def proposal_record(proposal: Proposal, names: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Return the proposal for programs; the end of each fingerprint is left out."""
    content = proposal.content
    record = output.fields(
        proposal,
        "id state digest proposed_by proposed_at expires_at reason decided_by decided_at",
        state=_state(proposal, now),
        proposed_by=names.get(proposal.proposed_by, proposal.proposed_by),
        decided_by=names.get(proposal.decided_by or "", proposal.decided_by),
    )
    return record | {
        "bindings": [
            _certificate(b.certificate_der)
            | output.fields(b, "code valid_from valid_to ends ends_at=earlier_end", ends=list(b.earlier))
            for b in content.bindings
        ],
        "anchors": [_certificate(a.certificate_der) for a in content.anchors],
        "seals": [
            _certificate(s.certificate_der)
            | output.fields(s, "code kind name position capacity valid_from valid_to")
            for s in content.seals
        ],
        # The number of the act is the approver's to type.
        "sealing_rights": [
            output.fields(r, "acting_code code act_date valid_from valid_to") for r in content.sealing_rights
        ],
        "reforms": [
            output.fields(r, "kind codes effective_on decision=decision.number", codes=list(r.codes))
            for r in content.reforms
        ],
        # The number of the decision is the approver's to type.
        "imports": [output.fields(i, "file=name added changed closed") for i in content.imports],
        "policies": [
            output.fields(
                d,
                "issuer codes most_per_day most_share wait_hours",
                officers=[_certificate(der) for der in d.officers_der],
            )
            for d in content.delegations
        ],
        "lists": [
            output.fields(
                c, "kind issuer sequence bound ended conflicts", digest=c.trust[:-DIGITS] + "·" * DIGITS
            )
            for c in content.lists
        ],
    }


def print_proposal(call: Invocation, proposal: Proposal, names: Mapping[str, str], now: datetime) -> None:
    """Print a proposal without the digits that the approver types."""
    record = proposal_record(proposal, names, now)
    if call.output is not OutputFormat.TABLE or call.quiet:
        output.record(call, record)
        return
    output.record(call, {key: v for key, v in record.items() if not isinstance(v, list)})
    names_of_changes = "bindings anchors seals reforms imports sealing_rights policies lists"
    for change in (change for name in names_of_changes.split() for change in record[name]):
        output.print_lines(
            call, ["", *(f"  {key:<10}  {output.plain(output.cell(v))}" for key, v in change.items() if v)]
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


def _state(proposal: Proposal, now: datetime) -> str:
    return "expired" if proposal.state == "open" and now >= proposal.expires_at else str(proposal.state)
