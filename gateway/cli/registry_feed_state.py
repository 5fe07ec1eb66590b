"""`gateway registry feed`: the signed list that this node follows. In: the node's registry. Out: the list in force, what
was refused and why, and the certificates that wait for two people; one of them taken up as a proposal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, noun, verb
from gateway.cli.node import at_ground, run
from gateway.cli.person import As
from gateway.errors import Clash

if TYPE_CHECKING:
    from gateway.registry.feed import Proposal, Refusal

SHOWN = 20

_REFUSALS = (
    ("cli.column.at", ""),
    ("cli.column.finding", ""),
    ("cli.column.issuer", ""),
    ("cli.column.sequence", ""),
    ("cli.column.reason", ""),
)
_PROPOSALS = (
    ("cli.column.code", ""),
    ("cli.column.fingerprint", ""),
    ("cli.column.valid", ""),
    ("cli.column.issuer", ""),
)


def register(group: typer.Typer) -> None:
    """Adds the commands to the `registry` group."""
    feed = noun("feed", "Signed lists of agencies that this node takes.")
    verb(feed, "status", examples=("gateway registry feed status", "gateway registry feed status -o json"))(
        status
    )
    verb(
        feed,
        "refusals",
        examples=("gateway registry feed refusals", "gateway registry feed refusals --limit 100 -o ndjson"),
    )(refusals)
    verb(
        feed,
        "proposals",
        examples=("gateway registry feed proposals", "gateway registry feed proposals -o json"),
    )(proposals)
    verb(
        feed,
        "propose",
        examples=(
            "gateway registry feed propose Z91.07 SHA256 --as 'A. Clerk'",
            "gateway registry feed propose Z91.07 SHA256 --as 'A. Clerk' --yes -o json",
        ),
        writes=True,
    )(propose)
    group.add_typer(feed)


def status(call: Call) -> None:
    """Say which list is in force, since when, and what was refused lately."""
    run(_status(call))


async def _status(call: Call) -> None:
    async with at_ground(call.settings()) as ground:
        found = await ground.feed.in_force()
        refused = await ground.feed.refusals(SHOWN)
        waiting = await ground.feed.proposals(SHOWN)
    told: dict[str, Any] = {
        "issuer": found.issuer if found else None,
        "sequence": found.sequence if found else None,
        "digest": found.digest if found else None,
        "kind": found.kind if found else None,
        "made_at": output.stamp(found.made_at) if found else None,
        "applied_at": output.stamp(found.applied_at) if found else None,
        "by": found.by if found else None,
    }
    if call.output is not Format.TABLE:
        output.record(
            call, told | {"refused": [_refusal(each) for each in refused], "proposals": len(waiting)}
        )
        return
    output.record(call, told)
    if waiting:
        call.say("cli.feed.proposals_wait", count=len(waiting))
    if refused:
        call.say("cli.feed.refused_lately", count=len(refused), code=refused[0].code)


def refusals(call: Call, limit: Annotated[int, typer.Option(min=1, max=200)] = SHOWN) -> None:
    """List feeds that were not taken, newest first. Issuer and number are what each says itself."""
    run(_refusals(call, limit))


async def _refusals(call: Call, limit: int) -> None:
    async with at_ground(call.settings()) as ground:
        found = await ground.feed.refusals(limit)
    output.rows(call, [_refusal(each) for each in found], _REFUSALS, [_refusal_cells(each) for each in found])


def proposals(call: Call, limit: Annotated[int, typer.Option(min=1, max=1000)] = 100) -> None:
    """List certificates that the issuer proposes and nobody has approved; none of them speaks for anybody yet."""
    run(_proposals(call, limit))


async def _proposals(call: Call, limit: int) -> None:
    async with at_ground(call.settings()) as ground:
        found = await ground.feed.proposals(limit)
    output.rows(
        call, [_proposal(each) for each in found], _PROPOSALS, [_proposal_cells(each) for each in found]
    )


def propose(
    call: Call,
    code: Annotated[str, typer.Argument(help="The agency that the certificate is meant for.")],
    fingerprint: Annotated[str, typer.Argument(help="Its SHA-256, from: gateway registry feed proposals")],
    as_: As,
    reason: Annotated[str, typer.Option(help="Why; the approver reads it.")] = "",
) -> None:
    """Take up what the issuer proposes, as your own proposal: it counts once another person approves."""
    run(_propose(call, code, fingerprint, as_, reason))


async def _propose(call: Call, code: str, fingerprint: str, as_: str, reason: str) -> None:
    from cryptography import x509

    from gateway.cli.proposals import proposed
    from gateway.deciding.propose import binding
    from gateway.domain.proof import Binding
    from gateway.domain.proposal import Content

    settings = call.settings()
    async with at_ground(settings) as ground:
        found = await ground.feed.proposal(code, fingerprint)
        _refuse_unfit(found)
        certificate = x509.load_der_x509_certificate(found.certificate_der)
        wanted = Binding(
            code=found.code,
            certificate_der=found.certificate_der,
            valid_from=found.valid_from or certificate.not_valid_before_utc,
            valid_to=found.valid_to or certificate.not_valid_after_utc,
        )
        known = await ground.directory.bindings(found.code)
        change = binding(known, wanted, ground.clock.now(), timedelta(days=settings.keys.overlap_days))
    await proposed(call, Content(bindings=(change,)), as_, reason)


def _refuse_unfit(proposal: Proposal) -> None:
    """Clash for a certificate that every receiver would refuse."""
    from cryptography import x509

    from gateway.trust.chain import usage_holds

    if not usage_holds(x509.load_der_x509_certificate(proposal.certificate_der)):
        raise Clash(
            f"the certificate {proposal.fingerprint} is not made for signing: no receiver would take what it signed",
            code="CERT-USAGE",
            hint="the issuer has to propose one with the key usage digitalSignature or nonRepudiation",
        )


def _refusal(each: Refusal) -> dict[str, Any]:
    return {
        "id": each.id,
        "at": output.stamp(each.at),
        "code": each.code,
        "reason": each.reason,
        "issuer": each.issuer,
        "sequence": each.sequence,
        "by": each.by,
    }


def _refusal_cells(each: Refusal) -> tuple[str, ...]:
    number = "" if each.sequence is None else str(each.sequence)
    return output.clock(each.at), each.code, each.issuer or "", number, each.reason


def _proposal(each: Proposal) -> dict[str, Any]:
    return {
        "id": each.fingerprint,
        "code": each.code,
        "sha256": each.fingerprint,
        "valid_from": output.stamp(each.valid_from),
        "valid_to": output.stamp(each.valid_to),
        "issuer": each.issuer,
        "sequence": each.sequence,
    }


def _proposal_cells(each: Proposal) -> tuple[str, ...]:
    valid = f"{output.clock(each.valid_from)} – {output.clock(each.valid_to)}".strip(" –")
    return each.code, each.fingerprint, valid, each.issuer
