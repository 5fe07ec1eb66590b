"""`gateway registry export|diff|verify|sync|publish` and `gateway registry feed`: signed lists of agencies between
nodes. In: a registry, a feed key, feed files. Out: files that other nodes take, what a file would do here, and a file
put in force.

Of the list that this node follows: which is in force, what was refused and why, and the certificates that wait for
two people, each of which a person can take up as a proposal."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, OutputFormat, existing, noun, piped
from gateway.cli.node import operator_id
from gateway.cli.output import NETWORK, REFUSED, VERIFICATION
from gateway.cli.people import As, ForApprover
from gateway.cli.proposals import proposed
from gateway.deciding.proposals import binding_change
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.domain.person import ProposalContent
from gateway.domain.proof import Binding
from gateway.errors import Clash, Misconfigured
from gateway.ports.axis import TO_NODE, Fate, Outcome, Parcel

if TYPE_CHECKING:
    from gateway.bootstrap.ground import Ground
    from gateway.registry.feed import FeedOutcome, FeedProposal
    from gateway.registry.feed_file import Header
    from gateway.registry.snapshot import Difference
    from gateway.trust.keys import FileSigner

PASSWORD = "REGISTRY_FEED_PASSWORD"  # noqa: S105 - the name of a variable
Feed = Annotated[Path, piped("A feed file; - is standard input.")]

_ROUTES = output.columns("to=node state=fate:cli.feed.fate reason=detail")


verb = noun("registry").verb
feed = noun("registry").noun("feed", "Signed lists of agencies that this node takes.")


@verb(
    "list-8.feed --sign feed.key.pem --certificate feed.pem --since list-7.feed",
    "new.feed --sign feed.key.pem --certificate feed.pem --since list-7.feed --changes",
)
async def export(
    call: Invocation,
    ground: Ground,
    file: Annotated[Path, typer.Argument(help="The feed to write.", dir_okay=False)],
    sign: Annotated[Path, existing("The feed key, in PEM.")],
    certificate: Annotated[Path, existing("Its certificate, in PEM.")],
    password_file: Annotated[
        Path | None, typer.Option(help=f"Its first line opens the key; else ${PASSWORD}.", exists=True)
    ] = None,
    since: Annotated[Path | None, existing("The snapshot before; the number follows it.")] = None,
    changes: Annotated[bool, typer.Option("--changes", help="Only what changed since then.")] = False,
    sequence: Annotated[int, typer.Option(help="Number of a first snapshot.", min=1)] = 1,
) -> None:
    """Write the registry as a signed list for other nodes; rows of the starter list are left out."""
    if changes and since is None:
        raise typer.BadParameter("changes need --since: the snapshot that the other nodes have")
    signer = _signer(sign, certificate, password_file)
    if changes and since is not None:
        header = await ground.feed.export_changes(file, signer, since)
    else:
        header = await ground.feed.export(file, signer, sequence=sequence, since=since)
    output.record(call, _header(header) | {"file": str(file)})


@verb("list-7.feed list-8.feed", "list-7.feed list-8.feed -o ndjson")
def diff(call: Invocation, older: Feed, newer: Feed) -> None:
    """Say what two snapshots differ in, row by row. Signatures are not looked at: see verify."""
    from gateway.registry.snapshot import differences

    if call.output is OutputFormat.JSON:
        output.document({"data": [_difference(each) for each in differences(older, newer)]})
        return
    for each in differences(older, newer):
        if call.quiet:
            output.lines([each.code])
        elif call.output is OutputFormat.NDJSON:
            output.stream(_difference(each))
        else:
            output.aloud(call, (output.plain(line) for line in _read_aloud(call, each)))


@verb("list-8.feed")
async def verify(call: Invocation, ground: Ground, file: Feed) -> None:
    """Say whether this node would take a feed now, and why not; nothing is changed. Exit 7 when it would not."""
    outcome = await ground.feed.check(file)
    _tell(call, outcome, refused=VERIFICATION)


@verb("list-8.feed", "list-8.feed --yes -o json", writes=True)
async def sync(call: Invocation, ground: Ground, file: Feed) -> None:
    """Put a feed in force, whole or not at all. A refused one is kept with its reason; exit 4."""
    call.ask("cli.ask.sync", file=file.name)
    outcome = await ground.feed.accept(file, await operator_id(ground.store))
    _tell(call, outcome, refused=REFUSED)


@verb("list-8.feed --to north --to south", "list-8.feed --all --yes", writes=True)
async def publish(
    call: Invocation,
    ground: Ground,
    file: Feed,
    to: Annotated[list[str] | None, typer.Option(help="A node; may stand more than once.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every node that the registry names.")] = False,
) -> None:
    """Send a feed to nodes over the axis; each judges it for itself. Exit 6 when one could not be reached."""
    from gateway.bootstrap.axis import open_axis

    if all_ == bool(to):
        raise typer.BadParameter("name nodes with --to, or give --all")
    parcel = _parcel(file, ground.settings.node.name)
    nodes = list(to or ()) or [
        each for each in await ground.feed.hosts() if each != ground.settings.node.name
    ]
    if not nodes:
        call.say("cli.nothing")
        return
    call.ask("cli.ask.publish_feed", packet=parcel.packet_id, nodes=", ".join(nodes))
    async with open_axis(ground.settings) as axis:
        outcomes = await axis.publish(parcel, [f"{TO_NODE}{node}" for node in nodes])
    told = [(node, outcomes[f"{TO_NODE}{node}"]) for node in nodes]
    output.rows(call, [_sent(*each) for each in told], _ROUTES)
    if any(outcome.fate is not Fate.DELIVERED for _, outcome in told):
        raise typer.Exit(NETWORK)


def _parcel(file: Path, node: str) -> Parcel:
    """The file as the axis moves it, named by what it says of itself."""
    from gateway.registry.feed_file import ends

    header = ends(file).header
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return Parcel(
        packet_id=f"registry-{header.sequence}-{digest[:16]}",
        kind="registry",
        sender=f"{TO_NODE}{node}",
        lane=Lane.NORMAL,
        digest=Digest(digest),
        size=file.stat().st_size,
        open=lambda: file.open("rb"),
    )


def _signer(key: Path, certificate: Path, password_file: Path | None) -> FileSigner:
    """The feed key. Misconfigured when it does not open, or the certificate is not of it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from gateway.trust.key_material import FEEDS
    from gateway.trust.keys import FileSigner, password_from, read_certificate

    password = password_from(password_file, PASSWORD)
    try:
        opened = load_pem_private_key(key.read_bytes(), password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise Misconfigured(
            f"the feed key {key.name} does not open with the given password",
            hint=f"give it with --password-file, or in the variable {PASSWORD}",
        ) from cause
    if not isinstance(opened, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Misconfigured(f"the feed key {key.name} is neither RSA nor elliptic curve")
    return FileSigner("", opened, read_certificate(certificate.read_bytes(), str(certificate)), FEEDS)


def _header(header: Header) -> dict[str, Any]:
    return output.fields(header, "id kind issuer sequence base made_at rows bytes", id=header.digest)


def _tell(call: Invocation, outcome: FeedOutcome, *, refused: int) -> None:
    """What became of a feed, or would; `refused` is the exit code of one that is not taken."""
    told = asdict(outcome)
    told |= {name: told[name] or None for name in ("code", "reason", "issuer", "sequence")}
    output.record(call, told)
    if outcome.verdict == "refused":
        call.say(f"clash.{outcome.code}")
        raise typer.Exit(refused)


def _difference(each: Difference) -> dict[str, Any]:
    kind = "changed" if each.older and each.newer else "added" if each.newer else "gone"
    return {
        "id": each.code,
        "code": each.code,
        "what": "proposal" if each.is_proposal else "agency",
        "kind": kind,
        "fields": {name: list(pair) for name, pair in each.fields.items()},
    }


def _read_aloud(call: Invocation, each: Difference) -> list[str]:
    mark = "~" if each.older and each.newer else "+" if each.newer else "–"
    named = call.word("cli.feed.certificate", code=each.code) if each.is_proposal else each.code
    told = [f"{mark} {named}"]
    return told + [f"    {name}: {old or '∅'} → {new or '∅'}" for name, (old, new) in each.fields.items()]


def _sent(node: str, outcome: Outcome) -> dict[str, Any]:
    told = {"code": outcome.code or None, "detail": outcome.detail or None}
    return {"id": node, "node": node, "fate": outcome.fate, **told}


SHOWN = 20

_REFUSALS = output.columns("at finding=code issuer sequence reason")
_PROPOSALS = output.columns("code fingerprint=sha256 valid issuer")


@feed.verb(name="status")
async def feed_status(call: Invocation, ground: Ground) -> None:
    """Say which list is in force, since when, and what was refused lately."""
    from gateway.registry.feed import InForce

    found = await ground.feed.in_force()
    refused = await ground.feed.refusals(SHOWN)
    waiting = await ground.feed.proposals(SHOWN)
    told: dict[str, Any] = asdict(found) if found else dict.fromkeys(each.name for each in fields(InForce))
    if call.output is not OutputFormat.TABLE:
        output.record(call, told | {"refused": [asdict(each) for each in refused], "proposals": len(waiting)})
        return
    output.record(call, told)
    if waiting:
        call.say("cli.feed.proposals_wait", count=len(waiting))
    if refused:
        call.say("cli.feed.refused_lately", count=len(refused), code=refused[0].code)


@feed.verb("", "--limit 100 -o ndjson")
async def refusals(
    call: Invocation, ground: Ground, limit: Annotated[int, typer.Option(min=1, max=200)] = SHOWN
) -> None:
    """List feeds that were not taken, newest first. Issuer and number are what each says itself."""
    found = await ground.feed.refusals(limit)
    output.rows(call, [asdict(each) for each in found], _REFUSALS)


@feed.verb()
async def proposals(
    call: Invocation, ground: Ground, limit: Annotated[int, typer.Option(min=1, max=1000)] = 100
) -> None:
    """List certificates that the issuer proposes and nobody has approved; none of them speaks for anybody yet."""
    found = await ground.feed.proposals(limit)
    rows = [
        output.fields(
            each,
            "id code sha256 valid_from valid_to issuer sequence",
            id=each.fingerprint,
            sha256=each.fingerprint,
        )
        for each in found
    ]
    spans = (f"{output.clock(each.valid_from)} – {output.clock(each.valid_to)}" for each in found)
    output.rows(call, rows, _PROPOSALS, [{"valid": span.strip(" –")} for span in spans])


@feed.verb(
    "Z91.07 SHA256 --as 'A. Clerk'",
    "Z91.07 SHA256 --as 'A. Clerk' --yes -o json",
    name="propose",
    writes=True,
)
async def take_up(
    call: Invocation,
    ground: Ground,
    code: Annotated[str, typer.Argument(help="The agency that the certificate is meant for.")],
    fingerprint: Annotated[str, typer.Argument(help="Its SHA-256, from: gateway registry feed proposals")],
    as_: As,
    reason: ForApprover = "",
) -> None:
    """Take up what the issuer proposes, as your own proposal: it counts once another person approves."""
    from cryptography import x509

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
    overlap = timedelta(days=ground.settings.keys.overlap_days)
    change = binding_change(known, wanted, ground.clock.now(), overlap)
    await proposed(call, ground, ProposalContent(bindings=(change,)), as_, reason)


def _refuse_unfit(proposal: FeedProposal) -> None:
    """Clash for a certificate that every receiver would refuse."""
    from cryptography import x509

    from gateway.trust.chain import usage_holds

    if not usage_holds(x509.load_der_x509_certificate(proposal.certificate_der)):
        raise Clash(
            f"the certificate {proposal.fingerprint} is not made for signing: no receiver would take what it signed",
            code="CERT-USAGE",
            hint="the issuer has to propose one with the key usage digitalSignature or nonRepudiation",
        )
