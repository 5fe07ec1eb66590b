"""`gateway proposals`: changes of trust that wait for a second person. In: a proposal's id, who asks. Out: what it would
change, with the end of each fingerprint left out: the approver has that from somebody else. A root certificate is
proposed here; certificates of agencies by `gateway keys`."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, person
from gateway.cli.command import Call, Format, noun, verb
from gateway.cli.node import at_ground, run
from gateway.cli.nouns import NOUNS
from gateway.cli.person import As

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.domain.proposal import Content, Proposal

SHOWN = 50
_COLUMNS = (
    ("cli.column.id", ""),
    ("cli.column.code", ""),
    ("cli.column.state", ""),
    ("cli.column.proposed_by", ""),
    ("cli.column.until", ""),
)
Id = Annotated[str, typer.Argument(help="Id of the proposal, from: gateway proposals list")]


def register(app: typer.Typer) -> None:
    group = noun("proposals", NOUNS["proposals"])
    verb(group, "list", examples=("gateway proposals list", "gateway proposals list --all -o json"))(list_)
    verb(group, "show", examples=("gateway proposals show prp_01", "gateway proposals show prp_01 -o json"))(
        show
    )
    verb(
        group,
        "approve",
        examples=(
            "gateway proposals approve prp_01 --as 'A. Leader'",
            "gateway proposals approve prp_01 --as 'A. Leader' --yes -o json",
        ),
        writes=True,
    )(approve)
    verb(
        group,
        "reject",
        examples=(
            "gateway proposals reject prp_01 --as 'A. Leader' --reason 'Not what they told us'",
            "gateway proposals reject prp_01 --as 'A. Leader' --reason 'Wrong file' --yes",
        ),
        writes=True,
    )(reject)
    verb(
        group,
        "anchor",
        examples=(
            "gateway proposals anchor root.pem --as 'A. Clerk'",
            "gateway proposals anchor root.pem --as 'A. Clerk' --reason 'New root of the authority' --yes",
        ),
        writes=True,
    )(anchor)
    app.add_typer(group)


def list_(
    call: Call, all_: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False
) -> None:
    """List the proposals that wait, newest first."""
    run(_list(call, all_))


async def _list(call: Call, all_: bool) -> None:
    from gateway.domain.proposal import ProposalState

    async with at_ground(call.settings()) as ground, ground.deciding.decisions.read() as view:
        found = await view.proposals.listed(() if all_ else (ProposalState.OPEN,), SHOWN)
        names = await view.people.names(set().union(*(each.people for each in found)))
        now = ground.clock.now()
    cells = [
        (
            each.id,
            " ".join(sorted(codes_of(each.content))) or "–",
            call.word(f"cli.proposal.{_state(each, now)}"),
            names.get(each.proposed_by, each.proposed_by),
            output.clock(each.expires_at),
        )
        for each in found
    ]
    output.rows(call, [shown(each, names, now) for each in found], _COLUMNS, cells)


def show(call: Call, id: Id) -> None:
    """Show what a proposal would change. The last 16 digits of each fingerprint come from another channel."""
    run(_show(call, id))


async def _show(call: Call, id: str) -> None:
    async with at_ground(call.settings()) as ground, ground.deciding.decisions.read() as view:
        found = await view.proposals.get(id)
        names = await view.people.names(found.people)
        now = ground.clock.now()
    _print(call, found, names, now)


def approve(call: Call, id: Id, as_: As) -> None:
    """Approve what another person proposed: type the last 16 digits of each fingerprint, as its owner told them to you."""
    run(_approve(call, id, as_))


async def _approve(call: Call, id: str, as_: str) -> None:
    from gateway.deciding import approve as approving
    from gateway.ops.exchange_certificates import never_for_pdfs

    async with at_ground(call.settings()) as ground:
        async with ground.deciding.decisions.read() as view:
            found = await view.proposals.get(id)
            names = await view.people.names(found.people)
        # Again: it may have signed one since it was proposed.
        await never_for_pdfs(ground.store, [each.certificate_der for each in found.content.bindings])
        if call.output is Format.TABLE:
            _print(call, found, names, ground.clock.now())
        if not call.agrees("cli.ask.approve", id=id):
            return
        who = await person.signed_in(call, ground, as_)
        typed = [
            person.seen(call, "cli.person.digits", n=n, of=_subject(each))
            for n, each in enumerate((*found.content.bindings, *found.content.anchors), 1)
        ]
        by_number = (*found.content.reforms, *found.content.imports)
        typed += [person.seen(call, "cli.reform.number") for _ in by_number]
        done = await approving.run(ground.deciding, who, id, typed, found.digest)
        async with ground.deciding.decisions.read() as view:
            names = await view.people.names(done.people)
        now = ground.clock.now()
    if call.output is not Format.TABLE or call.quiet:
        output.record(call, shown(done, names, now))
    call.say("cli.proposal.in_force", id=id)
    if found.content.anchors:
        call.say("cli.proposal.restart")


def reject(
    call: Call, id: Id, as_: As, reason: Annotated[str, typer.Option(help="Why; it is kept.")]
) -> None:
    """Say no: nothing changes, and it can never be approved."""
    run(_reject(call, id, as_, reason))


async def _reject(call: Call, id: str, as_: str, reason: str) -> None:
    from gateway.deciding import approve as approving

    async with at_ground(call.settings()) as ground:
        if call.agrees("cli.ask.reject_proposal", id=id):
            who = await person.signed_in(call, ground, as_)
            done = await approving.reject(ground.deciding, who, id, reason)
            output.record(call, shown(done, {}, ground.clock.now()))


def anchor(
    call: Call,
    file: Annotated[
        Path,
        typer.Argument(
            help="A root certificate, in PEM; - is standard input.",
            exists=True,
            dir_okay=False,
            allow_dash=True,
        ),
    ],
    as_: As,
    reason: Annotated[str, typer.Option(help="Why; the approver reads it.")] = "",
) -> None:
    """Propose one more root below which certificates of agencies are believed."""
    run(_anchor(call, file, as_, reason))


async def _anchor(call: Call, file: Path, as_: str, reason: str) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.domain.proposal import AnchorChange, Content
    from gateway.trust.keys import read_certificate

    der = read_certificate(file.read_bytes(), str(file)).public_bytes(Encoding.DER)
    content = Content(anchors=(AnchorChange(certificate=base64.b64encode(der).decode()),))
    await proposed(call, content, as_, reason)


async def proposed(call: Call, content: Content, as_: str, reason: str) -> None:
    """Makes the proposal and says what is next."""
    from gateway.deciding import propose

    async with at_ground(call.settings()) as ground:
        if not call.agrees("cli.ask.propose", what=", ".join(_all_subjects(content))):
            return
        who = await person.signed_in(call, ground, as_)
        made = await propose.run(ground.deciding, who, content, reason)
        now = ground.clock.now()
    # The proposer knows the whole fingerprint anyway, and reads it to the owner of the certificate.
    output.record(
        call, shown(made, {who.person.id: who.person.name}, now) | {"sha256": list(content.fingerprints)}
    )
    call.say("cli.proposal.next", id=made.id)


def codes_of(content: Content) -> set[str]:
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
        "proposed_at": output.stamp(one.proposed_at),
        "expires_at": output.stamp(one.expires_at),
        "reason": one.reason,
        "decided_by": names.get(one.decided_by or "", one.decided_by),
        "decided_at": output.stamp(one.decided_at),
        "bindings": [
            _certificate(each.certificate_der)
            | {
                "code": each.code,
                "valid_from": output.stamp(each.valid_from),
                "valid_to": output.stamp(each.valid_to),
                "ends": list(each.earlier),
                "ends_at": output.stamp(each.earlier_end),
            }
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


def _print(call: Call, one: Proposal, names: Mapping[str, str], now: datetime) -> None:
    told = shown(one, names, now)
    if call.output is not Format.TABLE or call.quiet:
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

    from gateway.domain.proposal import DIGITS

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


def _all_subjects(content: Content) -> Sequence[str]:
    return [_subject(each) for each in content.changes]


def _state(one: Proposal, now: datetime) -> str:
    return "expired" if one.state == "open" and now >= one.expires_at else str(one.state)
