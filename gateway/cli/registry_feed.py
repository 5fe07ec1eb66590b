"""`gateway registry export|diff|verify|sync|publish` and `gateway registry feed`: signed lists of agencies between nodes.
In: a registry, a feed key, feed files. Out: files for other nodes, the effect that a file would have here, and a file put
in force. For the list that this node follows: the list in force, refused feeds with their reasons, and certificates that
wait for two people; a person can take up each as a proposal."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, OutputFormat, argument, existing, noun, option, piped
from gateway.cli.node import operator_id
from gateway.cli.output import NETWORK, REFUSED, VERIFICATION
from gateway.cli.people import As, ForApprover
from gateway.cli.proposals import make_proposal
from gateway.deciding import delegation
from gateway.deciding import proposals as deciding_proposals
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.domain.person import ProposalContent
from gateway.domain.proof import Binding
from gateway.errors import Clash, Misconfigured
from gateway.ports.axis import TO_NODE, Fate, Outcome, Parcel

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.registry_authoring.feed import FeedOutcome, FeedProposal
    from gateway.registry_authoring.feed_file import Header
    from gateway.registry_authoring.snapshot import Difference
    from gateway.trust.keys import FileSigner

PASSWORD = "REGISTRY_FEED_PASSWORD"  # noqa: S105 - the name of a variable
PasswordFile = Annotated[Path | None, option(f"Its first line opens the key; else ${PASSWORD}.", exists=True)]
Feed = Annotated[Path, piped("A feed file; - is standard input.")]

_ROUTES = output.columns("to=node state=fate:cli.feed.fate reason=detail")


verb = noun("registry").verb
feed = noun("registry").noun("feed", "Signed lists of agencies that this node accepts.")
MOST_ROWS = 20
_REFUSALS = output.columns("at finding=code issuer sequence reason")
_PROPOSALS = output.columns("code fingerprint=sha256 valid=valid_from-valid_to issuer")
_RECEIPTS = output.columns("host=node code sequence state:delegated.list at=received_at lacks=behind_since")
_OF_RECEIPT = ("sequence", "state", "taken_at", "said_at", "received_at", "version")


@verb(
    "list-8.feed --sign feed.key.pem --certificate feed.pem --since list-7.feed",
    "new.feed --sign feed.key.pem --certificate feed.pem --since list-7.feed --changes",
    local=True,
)
async def export(
    call: Invocation,
    core: NodeCore,
    file: Annotated[Path, argument("The feed to write.", dir_okay=False)],
    sign: Annotated[Path, existing("The feed key, in PEM.")],
    certificate: Annotated[Path, existing("Its certificate, in PEM.")],
    password_file: PasswordFile = None,
    since: Annotated[Path | None, existing("The previous snapshot; the number follows it.")] = None,
    changes: Annotated[bool, option("Only the changes since then.", "--changes")] = False,
    trust: Annotated[
        bool, option("In the form that officers sign, with revoked certificates.", "--trust")
    ] = False,
    sequence: Annotated[int, option("Number of a first snapshot.", min=1)] = 1,
) -> None:
    """Write the registry as a signed list for other nodes; rows of the starter list are left out."""
    if changes and since is None:
        raise typer.BadParameter("changes need --since: the snapshot that the other nodes have")
    from gateway.trust.key_material import FEEDS

    signer = _signer(sign, certificate, password_file, FEEDS)
    by = await operator_id(core.store)
    if changes and since is not None:
        header = await core.feed.export_changes(file, signer, since, with_trust=trust, by=by)
    else:
        header = await core.feed.export(file, signer, sequence=sequence, since=since, with_trust=trust, by=by)
    output.record(call, _header(header) | {"file": str(file)})


@verb("list-8.feed --sign officer.key.pem --certificate officer.pem --password-file secret")
def countersign(
    call: Invocation,
    file: Annotated[Path, argument("A list that was exported with --trust.", exists=True)],
    sign: Annotated[Path, existing("The officer's key, in PEM.")],
    certificate: Annotated[Path, existing("The officer's certificate, in PEM.")],
    password_file: PasswordFile = None,
) -> None:
    """Sign a list as an officer of its issuer, after comparing the digest of its certificates. Nodes that delegated trust
    to the issuer need two such signatures."""
    from gateway.registry_authoring.snapshot import sign_as_officer
    from gateway.trust.key_material import OFFICERS

    signer = _signer(sign, certificate, password_file, OFFICERS)
    output.record(call, _header(sign_as_officer(file, signer)) | {"file": str(file)})


@verb("list-7.feed list-8.feed", "list-7.feed list-8.feed -o ndjson")
def diff(call: Invocation, older: Feed, newer: Feed) -> None:
    """Show the differences between two snapshots, row by row. Signatures are not checked: see verify."""
    from gateway.registry_authoring.snapshot import differences

    if call.output is OutputFormat.JSON:
        output.document({"data": [_difference(d) for d in differences(older, newer)]})
        return
    for difference in differences(older, newer):
        if call.quiet:
            output.lines([difference.code])
        elif call.output is OutputFormat.NDJSON:
            output.stream(_difference(difference))
        else:
            output.print_lines(call, (output.plain(line) for line in _difference_lines(call, difference)))


@verb("list-8.feed", local=True)
async def verify(call: Invocation, core: NodeCore, file: Feed) -> None:
    """Say whether this node would accept a feed now, and if not, why; nothing is changed. Exit 7 if it would not."""
    outcome = await core.feed.check(file)
    _print_outcome(call, outcome, refused=VERIFICATION)


@verb("list-8.feed", "list-8.feed --yes -o json", writes=True, local=True)
async def sync(call: Invocation, core: NodeCore, file: Feed) -> None:
    """Put a feed in force, whole or not at all. A refused one is kept with its reason; exit 4."""
    call.ask("cli.ask.sync", file=file.name)
    outcome = await core.feed.accept(file, await operator_id(core.store))
    await delegation.judge_undecided(core.deciding)
    _print_outcome(call, outcome, refused=REFUSED)


@verb("list-8.feed --to north --to south", "list-8.feed --all --yes", writes=True, local=True)
async def publish(
    call: Invocation,
    core: NodeCore,
    file: Feed,
    to: Annotated[list[str] | None, option("A node; may be repeated.")] = None,
    all_: Annotated[bool, option("Every node that the registry names.", "--all")] = False,
) -> None:
    """Send a feed to nodes over the axis; each node judges it for itself. Exit 6 if one could not be reached."""
    from gateway.bootstrap.axis import open_axis

    if all_ == bool(to):
        raise typer.BadParameter("name nodes with --to, or give --all")
    parcel = _parcel(file, core.settings.node.name)
    nodes = list(to or ()) or [h for h in await core.feed.hosts() if h != core.settings.node.name]
    if not nodes:
        call.say("cli.nothing")
        return
    call.ask("cli.ask.publish_feed", packet=parcel.packet_id, nodes=", ".join(nodes))
    async with open_axis(core.settings) as axis:
        outcomes = await axis.publish(parcel, [f"{TO_NODE}{node}" for node in nodes])
    results = [(node, outcomes[f"{TO_NODE}{node}"]) for node in nodes]
    output.rows(call, [_sent_record(*r) for r in results], _ROUTES)
    if any(outcome.fate is not Fate.DELIVERED for _, outcome in results):
        raise typer.Exit(NETWORK)


def _parcel(file: Path, node: str) -> Parcel:
    """Make a parcel of the file, named by the file's own header."""
    from gateway.registry_authoring.feed_file import ends

    header = ends(file).header
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Parcel(
        packet_id=f"registry-{header.sequence}-{digest[:16]}",
        kind="registry",
        sender=f"{TO_NODE}{node}",
        lane=Lane.NORMAL,
        digest=Digest(digest),
        size=file.stat().st_size,
        open=lambda: file.open("rb"),
    )


def _signer(key: Path, certificate: Path, password_file: Path | None, purpose: bytes) -> FileSigner:
    """Open a key that signs feeds, or headers as an officer. Misconfigured when it does not open, or the certificate
    belongs to another key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from gateway.trust.keys import FileSigner, password_from, read_certificate

    password = password_from(password_file, PASSWORD)
    try:
        private_key = load_pem_private_key(key.read_bytes(), password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise Misconfigured(
            f"the feed key {key.name} does not open with the given password",
            hint=f"give it with --password-file, or in the variable {PASSWORD}",
        ) from cause
    if not isinstance(private_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Misconfigured(f"the feed key {key.name} is neither RSA nor elliptic curve")
    return FileSigner("", private_key, read_certificate(certificate.read_bytes(), str(certificate)), purpose)


def _header(header: Header) -> dict[str, Any]:
    return output.fields(header, "id=digest kind issuer sequence base made_at rows bytes trust")


def _print_outcome(call: Invocation, outcome: FeedOutcome, *, refused: int) -> None:
    """Print the actual or expected outcome of a feed; `refused` is the exit code of a refused one."""
    record = asdict(outcome)
    record |= {name: record[name] or None for name in ("code", "reason", "issuer", "sequence")}
    output.record(call, record)
    if outcome.verdict == "refused":
        call.say(f"clash.{outcome.code}")
        raise typer.Exit(refused)


def _difference(difference: Difference) -> dict[str, Any]:
    kind = "changed" if difference.older and difference.newer else "added" if difference.newer else "gone"
    row_kind = "proposal" if difference.is_proposal else "agency"
    return output.fields(
        difference, "id=code code what kind fields", what=row_kind, kind=kind, fields=dict(difference.fields)
    )


def _difference_lines(call: Invocation, diff: Difference) -> list[str]:
    mark = "~" if diff.older and diff.newer else "+" if diff.newer else "–"
    title = call.word("cli.feed.certificate", code=diff.code) if diff.is_proposal else diff.code
    lines = [f"{mark} {title}"]
    return lines + [f"    {name}: {old or '∅'} → {new or '∅'}" for name, (old, new) in diff.fields.items()]


def _sent_record(node: str, outcome: Outcome) -> dict[str, Any]:
    reason = {"code": outcome.code or None, "detail": outcome.detail or None}
    return {"id": node, "node": node, "fate": outcome.fate, **reason}


@feed.verb(name="status")
async def feed_status(call: Invocation, core: NodeCore) -> None:
    """Show the list in force, since when it is, and the lists refused lately."""
    from gateway.registry_authoring.feed import InForce

    in_force = await core.feed.in_force()
    refused = await core.feed.refusals(MOST_ROWS)
    waiting = await core.feed.proposals(MOST_ROWS)
    record: dict[str, Any] = asdict(in_force) if in_force else dict.fromkeys(f.name for f in fields(InForce))
    if call.output is not OutputFormat.TABLE:
        output.record(call, record | {"refused": [asdict(r) for r in refused], "proposals": len(waiting)})
        return
    output.record(call, record)
    if waiting:
        call.say("cli.feed.proposals_wait", count=len(waiting))
    if refused:
        call.say("cli.feed.refused_lately", count=len(refused), code=refused[0].code)


@feed.verb("", "--limit 100 -o ndjson")
async def refusals(
    call: Invocation, core: NodeCore, limit: Annotated[int, typer.Option(min=1, max=200)] = MOST_ROWS
) -> None:
    """List refused feeds, newest first. Issuer and number are those that each claims."""
    rows = await core.feed.refusals(limit)
    output.rows(call, [asdict(r) for r in rows], _REFUSALS)


@feed.verb()
async def receipts(call: Invocation, core: NodeCore) -> None:
    """Show which nodes told that they have the lists that this node issued: who lacks the newest one, since when, and for
    each change of the organisation which nodes lack it."""
    overview = await core.feed.receipts.overview(core.settings.node.name)
    rows = [
        {
            "id": node.node,
            **(asdict(node.receipt) if node.receipt else dict.fromkeys(_OF_RECEIPT)),
            **output.fields(node, "node code codes behind_since"),
        }
        for node in overview.nodes
    ]
    newest = overview.issued
    extra = {"issued": asdict(newest) if newest else None, "changes": [asdict(x) for x in overview.changes]}
    if newest is not None:
        time = output.clock(newest.made_at)
        call.say("cli.feed.issued", issuer=newest.issuer, number=newest.sequence, time=time)
    output.rows(call, rows, _RECEIPTS, extra=extra)
    for change in overview.changes if call.output is OutputFormat.TABLE else ():
        call.say(
            "cli.feed.change" if change.sequence else "cli.feed.change_unlisted",
            decision=change.decision,
            day=change.effective_on.isoformat(),
            number=change.sequence,
            nodes=", ".join(change.lacking) or "–",
        )


@feed.verb()
async def proposals(
    call: Invocation, core: NodeCore, limit: Annotated[int, typer.Option(min=1, max=1000)] = 100
) -> None:
    """List certificates that the issuer proposes and no one has approved; none of them is bound yet."""
    names = "id=fingerprint code sha256=fingerprint valid_from valid_to issuer sequence"
    output.rows(call, [output.fields(p, names) for p in await core.feed.proposals(limit)], _PROPOSALS)


@feed.verb(
    "Z91.07 SHA256 --as 'A. Clerk'",
    "Z91.07 SHA256 --as 'A. Clerk' --yes -o json",
    name="propose",
    writes=True,
)
async def take_up(
    call: Invocation,
    core: NodeCore,
    code: Annotated[str, argument("The agency of the certificate.")],
    fingerprint: Annotated[str, argument("Its SHA-256, from: gateway registry feed proposals")],
    as_: As,
    reason: ForApprover = "",
) -> None:
    """Make a proposal of the issuer your own; it takes effect once another person approves."""
    from cryptography import x509

    proposal = await core.feed.proposal(code, fingerprint)
    _refuse_unfit(proposal)
    certificate = x509.load_der_x509_certificate(proposal.certificate_der)
    binding = Binding(
        code=proposal.code,
        certificate_der=proposal.certificate_der,
        valid_from=proposal.valid_from or certificate.not_valid_before_utc,
        valid_to=proposal.valid_to or certificate.not_valid_after_utc,
    )
    bindings = await core.directory.bindings(proposal.code)
    overlap = timedelta(days=core.settings.keys.overlap_days)
    change = deciding_proposals.binding_change(bindings, binding, core.clock.now(), overlap)
    await make_proposal(call, core, ProposalContent(bindings=(change,)), as_, reason)


def _refuse_unfit(proposal: FeedProposal) -> None:
    """Raise Clash for a certificate that every receiver would refuse."""
    from cryptography import x509

    from gateway.trust.chain import usage_holds

    if not usage_holds(x509.load_der_x509_certificate(proposal.certificate_der)):
        raise Clash(
            f"the certificate {proposal.fingerprint} is not made for signing: no receiver would take what it signed",
            code="CERT-USAGE",
            hint="the issuer has to propose one with the key usage digitalSignature or nonRepudiation",
        )
