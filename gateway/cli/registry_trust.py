"""`gateway registry trust` and `gateway registry bindings`: trust in an issuer's lists. In: an issuer, certificates of its
officers and limits for a policy; a list by its number; the acting person. Out: policies and lists with the outcome of each
row, the digest that two people compare, and what every binding rests on. A policy or a whole list is proposed and needs a
second person; recalling a policy, striking an officer off and ending the bindings of a list take effect at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, people
from gateway.cli.command import Invocation, OutputFormat, argument, existing, noun, option
from gateway.cli.output import VERIFICATION
from gateway.cli.people import As, ForApprover, KeptReason
from gateway.cli.proposals import show_proposed
from gateway.deciding import delegation
from gateway.domain.delegated import AGENCY, EXCHANGE, RowStanding
from gateway.domain.person import DelegationChange

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.deciding.delegation import JudgedList, TrustedIssuer
    from gateway.domain.delegated import BindingOrigin, JudgedRow
    from gateway.registry_authoring.lists import ReceivedList

Issuer = Annotated[str, argument("Name of the issuer, as its certificate has it.")]
Number = Annotated[int, argument("Number of the list.", min=1)]
MOST_ROWS = 100
_LISTS = output.columns("issuer sequence state=state:delegated.list bound conflict held trust", dim="trust")
_ROWS = output.columns(
    "code finding=standing:delegated.standing reason=reason:delegated.reason detail sha256"
)
_BINDINGS = output.columns("code source since valid=valid_from-valid_to sha256")
_SOURCES = output.columns("source count since")

verb = noun("registry").verb
trust = noun("registry").noun("trust", "Trust in issuers of lists, and what their lists bind here.")


@verb("", "--by-source", "--code Z91.07 -o json")
async def bindings(
    call: Invocation,
    core: NodeCore,
    by_source: Annotated[bool, option("One line for each source.", "--by-source")] = False,
    code: Annotated[list[str] | None, option("Only of this code; may be repeated.")] = None,
) -> None:
    """List the certificates bound to codes: what each rests on, and since when."""
    async with core.deciding.decisions.read() as view:
        sources = await view.listed.sources() if by_source else ()
        origins = (
            () if by_source else await core.directory.origins([c.upper() for c in code] if code else None)
        )
        binding_origins = [s.origin for s in sources] or origins
        names = await view.people.names({p for o in binding_origins for p in (o.proposed_by, o.approved_by)})
    if by_source:
        records = [
            {"id": s.origin.batch or s.origin.proposed_by, "count": s.count, **_origin(s.origin, names)}
            for s in sources
        ]
        cells = [{"source": source_text(call, s.origin, names)} for s in sources]
        output.rows(call, records, _SOURCES, cells)
        return
    records = [
        {"id": o.fingerprint, "code": o.code, "sha256": o.fingerprint, **_origin(o, names)} for o in origins
    ]
    output.rows(call, records, _BINDINGS, [{"source": source_text(call, o, names)} for o in origins])


def _origin(origin: BindingOrigin, names: Mapping[str, str]) -> dict[str, Any]:
    return output.fields(
        origin,
        "kind since valid_from valid_to batch issuer sequence trust policy officers proof",
        proposed_by=names.get(origin.proposed_by, origin.proposed_by),
        approved_by=names.get(origin.approved_by, origin.approved_by),
    )


def source_text(call: Invocation, origin: BindingOrigin, names: Mapping[str, str]) -> str:
    """Say in words what a binding rests on."""
    return call.word(
        f"delegated.source.{origin.kind}",
        issuer=output.plain(origin.issuer),
        number=origin.sequence or 0,
        version=origin.policy or 0,
        proposed_by=output.plain(names.get(origin.proposed_by, origin.proposed_by)),
        approved_by=output.plain(names.get(origin.approved_by, origin.approved_by)),
    )


@trust.verb()
async def show(call: Invocation, core: NodeCore) -> None:
    """Show the issuers of lists, the policy for each, and how many bindings rest on it."""
    issuers = await delegation.list_issuers(core.deciding)
    output.answer(
        call, {"data": [_issuer(i) for i in issuers]}, (line for i in issuers for line in _lines(call, i))
    )


def _issuer(issuer: TrustedIssuer) -> dict[str, Any]:
    trusted, newest = issuer.trusted, issuer.newest
    return output.fields(
        issuer,
        "issuer=trusted.issuer stopped=trusted.stopped policy bindings",
        policy=asdict(trusted.policy) if trusted.policy is not None else None,
        list=_list(newest) if newest is not None else None,
    )


def _lines(call: Invocation, issuer: TrustedIssuer) -> Sequence[str]:
    trusted, policy = issuer.trusted, issuer.trusted.policy
    lines = [call.word("delegated.issuer", issuer=output.plain(trusted.issuer), count=issuer.bindings)]
    if policy is None:
        lines.append(f"    {call.word('delegated.no_policy')}")
    else:
        under = ", ".join(policy.codes) or call.word("delegated.everywhere")
        limits = {"day": policy.most_per_day, "share": policy.most_share, "hours": policy.wait_hours}
        lines.append(f"    {call.word('delegated.policy', version=policy.version, under=under, **limits)}")
        lines += [
            f"    {output.plain(o.name)}  {output.clock(o.until)}  {o.fingerprint}" for o in policy.officers
        ]
    if trusted.stopped is not None:
        lines.append(f"  ✗ {call.word('delegated.stopped', number=trusted.stopped)}")
    return lines


@trust.verb(
    "'Registry of Z91' --officer one.pem --officer two.pem --under Z91 --per-day 200 --wait 24 --as 'A. Clerk'",
    "'Registry of Z91' --officer one.pem --officer two.pem --as 'A. Clerk' --yes",
    writes=True,
)
async def propose(
    call: Invocation,
    core: NodeCore,
    issuer: Issuer,
    officer: Annotated[list[Path], existing("Certificate of an officer, in PEM; two or more.")],
    as_: As,
    under: Annotated[
        list[str] | None, option("Only codes of this agency and below; may be repeated.")
    ] = None,
    per_day: Annotated[int, option("Most bindings in a day.", min=1)] = 100,
    share: Annotated[
        int, option("Most bindings in a day, in percent of those in force.", min=1, max=100)
    ] = 10,
    wait: Annotated[int, option("Hours that a list waits before it takes effect.", min=0)] = 24,
    reason: ForApprover = "",
) -> None:
    """Propose a policy: lists of this issuer that two of its officers signed bind certificates here, within limits."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.trust.keys import read_certificate

    ders = [read_certificate(f.read_bytes(), str(f)).public_bytes(Encoding.DER) for f in officer]
    change = DelegationChange(
        issuer=issuer,
        officers=tuple(map(delegation.officer_of, ders)),
        codes=tuple(sorted({code.strip().upper() for code in under or ()})),
        most_per_day=per_day,
        most_share=share,
        wait_hours=wait,
    )
    call.ask("cli.ask.propose", what=issuer)
    person = await people.sign_in(call, core, as_)
    proposal = await delegation.propose_policy(core.deciding, person, change, reason)
    show_proposed(call, core, person, proposal)


@trust.verb("'Registry of Z91' --as 'A. Leader' --reason 'Its key was stolen'", ask="delegated.ask.recall")
async def recall(call: Invocation, core: NodeCore, issuer: Issuer, as_: As, reason: KeptReason) -> None:
    """Recall a policy at once. Bindings that came into force by it stay until you end them: their ids are printed."""
    person = await people.sign_in(call, core, as_)
    batches = await delegation.recall_policy(core.deciding, person, issuer, reason)
    output.record(call, {"id": issuer, "in_force": list(batches)})
    if batches:
        call.say("delegated.end_next", batches=" ".join(batches))


@trust.verb(
    "'Registry of Z91' SHA256 --as 'A. Leader' --reason 'Left the office'", ask="delegated.ask.strike"
)
async def strike(
    call: Invocation,
    core: NodeCore,
    issuer: Issuer,
    sha256: Annotated[str, argument("The officer's certificate, from: gateway registry trust show")],
    as_: As,
    reason: KeptReason,
) -> None:
    """Strike an officer off a policy at once: that signature counts no more."""
    person = await people.sign_in(call, core, as_)
    await delegation.strike_officer(core.deciding, person, issuer, sha256.lower(), reason)
    output.record(call, {"id": sha256.lower(), "issuer": issuer})


@trust.verb(
    "bnd_01 --as 'A. Leader' --reason 'The list was forged'",
    "bnd_01 bnd_02 --as 'A. Leader' --reason 'The list was forged' --yes",
    ask="delegated.ask.end",
)
async def end(
    call: Invocation,
    core: NodeCore,
    batch: Annotated[list[str], argument("Ids from: gateway registry bindings --by-source -o json")],
    as_: As,
    reason: KeptReason,
) -> None:
    """End at once every binding that came into force with these lists."""
    person = await people.sign_in(call, core, as_)
    count = await delegation.end_bindings(core.deciding, person, batch, reason)
    output.record(call, {"id": " ".join(batch), "ended": count})


@trust.verb("", "--limit 5 -o json")
async def lists(
    call: Invocation, core: NodeCore, limit: Annotated[int, typer.Option(min=1, max=1000)] = 20
) -> None:
    """List received lists with certificates, newest first, with what became of them."""
    async with core.deciding.decisions.read() as view:
        received = await view.lists.newest(limit)
    output.rows(call, [_list(r) for r in received], _LISTS)


def _list(received: ReceivedList) -> dict[str, Any]:
    counts = {"bound": 0, "ended": 0, "moved": 0, "conflict": 0, "held": 0, "limit": "", **received.counts}
    return {
        "id": f"{received.issuer} {received.sequence}",
        **output.fields(received, "issuer sequence digest trust made_at received_at due_at state"),
        "certificates": received.size,
        **counts,
    }


@trust.verb("'Registry of Z91' 8", "'Registry of Z91' 8 --all -o ndjson")
async def rows(
    call: Invocation,
    core: NodeCore,
    issuer: Issuer,
    number: Number,
    all_: Annotated[bool, option("Also the rows without a conflict.", "--all")] = False,
) -> None:
    """Judge a list on the present registry: its digest, how many rows of each agency it would bind, what it changes in who
    speaks for codes, and each conflict with its reason. Nothing is changed."""
    async with core.deciding.decisions.read() as view:
        received = await view.lists.get(issuer, number)
        judged = await delegation.judge_list(core.deciding, view, received)
    rows = [row for row in judged.rows if all_ or row.changes or row.standing is RowStanding.CONFLICT]
    if call.output is OutputFormat.TABLE:
        output.print_lines(call, _groups(call, judged))
        rows = rows if all_ else rows[:MOST_ROWS]
    output.rows(call, [_row(row) for row in rows], _ROWS, extra={"list": _list(received), **judged.counts})


def _groups(call: Invocation, judged: JudgedList) -> Sequence[str]:
    """Say the digest, and how many rows of each agency have which outcome."""
    groups = Counter((row.row.code.rpartition(".")[0] or row.row.code, row.standing) for row in judged.rows)
    return [
        call.word("delegated.digest", digest=judged.received.trust, count=len(judged.rows)),
        *(
            f"  {code}: {call.word(f'delegated.standing.{standing}')} {count}"
            for (code, standing), count in sorted(groups.items())
        ),
    ]


def _row(judged: JudgedRow) -> dict[str, Any]:
    names = "id=fingerprint kind code valid_from valid_to revoked_at sha256=fingerprint"
    changed = "; ".join(f"{name} {old or '–'} → {new or '–'}" for name, old, new in judged.changes)
    return output.fields(judged.row, names) | output.fields(
        judged, "standing reason detail", detail=changed or judged.detail
    )


@trust.verb(
    "'Registry of Z91' 8 --as 'A. Clerk'",
    "'Registry of Z91' 8 --as 'A. Clerk' --yes -o json",
    name="propose-list",
    writes=True,
)
async def propose_list(
    call: Invocation,
    core: NodeCore,
    issuer: Issuer,
    number: Number,
    as_: As,
    reason: ForApprover = "",
    codes: Annotated[
        bool, option("What it changes in who speaks for codes, in place of its certificates.", "--codes")
    ] = False,
) -> None:
    """Propose that a list takes effect at once, whatever its policy says; the second person types the end of its digest,
    as the issuer told it. Rows in conflict are left out."""
    call.ask("cli.ask.propose", what=f"{issuer} {number}")
    person = await people.sign_in(call, core, as_)
    kind = AGENCY if codes else EXCHANGE
    proposal = await delegation.propose_list(core.deciding, person, issuer, number, reason, kind)
    show_proposed(call, core, person, proposal)


@trust.verb("'Registry of Z91' 8 DIGEST")
async def compare(
    call: Invocation,
    core: NodeCore,
    issuer: Issuer,
    number: Number,
    digest: Annotated[str, argument("Digest of the list at another node, from: trust lists -o json")],
) -> None:
    """Compare a list with the one of that number at another node. Exit 7 if they differ: the issuer gave two lists, or its
    key was stolen."""
    async with core.deciding.decisions.read() as view:
        received = await view.lists.get(issuer, number)
    is_same = digest.strip().lower() in (received.digest, received.trust)
    output.record(call, {"id": received.digest, "trust": received.trust, "same": is_same})
    if not is_same:
        call.say("delegated.differs", issuer=output.plain(issuer), number=number)
        raise typer.Exit(VERIFICATION)
