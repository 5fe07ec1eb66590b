"""`gateway audit`: the sealed log of events. In: search terms, or a seal. Out: events, a part of the log with its proofs,
or a seal that leaves the node. Exporting a part of the log, or deleting texts, is an event itself. `verify` examines the
log of this node, or of a copy of its database. In: seals that had left the node. Out: every failed check by name, and every
check that was not possible; exit 0 when the log holds, 7 when not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, OutputFormat, argument, existing, noun, option
from gateway.cli.node import at_registry, chosen, operator_id
from gateway.cli.output import VERIFICATION
from gateway.cli.verify import moment
from gateway.domain import sealed_log
from gateway.domain.account import AgencyScope
from gateway.domain.event import BindingDifference, EventKind
from gateway.domain.sealed_log import PublishedSeal

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from gateway.bootstrap.stored import OpenStore
    from gateway.domain.notes import NoteKey
    from gateway.ops.audit_checks import AuditReport
    from gateway.settings import Settings
    from gateway.store.log_reading import EventFilter, Hit
    from gateway.store.loss_audit import LossCount
    from gateway.store.state_audit import StateCount

_COLUMNS = output.columns("leaf at event=kind about=subject principal id", dim="leaf id")
_LOSSES = output.columns("day node sender recipient own other open", dim="node")
_STATES = output.columns("day node document own other first_at repaired", dim="node")
Kind = Annotated[str | None, option("Kind of event; may end in *, such as 'inbox.*'.")]
Subject = Annotated[str | None, option("Id of the object of the event.")]
Principal = Annotated[str | None, option("Id of the person or program that acted.")]
Since = Annotated[str | None, option("From this time on (RFC 3339).")]
UntilOption = Annotated[str | None, option("Before this time (RFC 3339).")]


verb = noun("audit").verb
_REPORT_EVERY = 100_000


@verb("--seal published.seal", "--database sqlite:///copy.db --seal published.seal -o json", local=True)
async def verify(
    call: Invocation,
    seal: Annotated[list[Path] | None, existing("A published seal; may be repeated.")] = None,
    since: Annotated[
        Path | None,
        existing("Only entries after this seal, up to which the log was already checked.", "--from"),
    ] = None,
    database: Annotated[str | None, option("Address of a copy; default: the node's.")] = None,
    tsa_ca: Annotated[Path | None, existing("Root certificates of timestamp authorities, in PEM.")] = None,
) -> None:
    """Check the log from the first event to the newest seal. Exit 7 if an event was removed, changed, moved or
    added."""
    from gateway.ops.audit import Inputs, with_witnesses
    from gateway.ops.audit import verify as examine
    from gateway.ops.witness_view import read_anchoring

    settings = call.settings()
    if database is not None:
        settings = replace(settings, database=replace(settings.database, url=database))
    inputs = Inputs(
        published=[_read_seal(path) for path in seal or ()],
        since=_read_seal(since) if since else None,
        roots=_roots(settings, tsa_ca),
        tell=lambda count, total: _say_progress(call, count, total),
    )
    async with at_registry(settings) as core:
        report = await examine(core.store, inputs, core.pool)
        report = with_witnesses(report, await read_anchoring(core.store, settings, core.pool))
        differences = await core.directory.differences()
    output.answer(call, _report_json(report, differences), _report_lines(call, report, differences))
    if not report.holds or differences:
        raise typer.Exit(VERIFICATION)


@verb(
    "--kind 'inbox.*' --since 2026-11-20T00:00:00+07:00", "--subject msg_01M7V7FAM00000000000000001 -o json"
)
async def search(
    call: Invocation,
    core: OpenStore,
    kind: Kind = None,
    subject: Subject = None,
    principal: Principal = None,
    since: Since = None,
    until: UntilOption = None,
    limit: Annotated[int, option("Maximum number; the newest are kept.", min=1, max=10_000)] = 100,
) -> None:
    """List events, the newest last; of every agency unless one is named."""
    from gateway.store.log_reading import search_log as search_events

    terms = _terms(kind, subject, principal, since, until)
    terms = await _of_agency(call, core, terms)
    hits = await search_events(core.store, terms, limit=limit, newest=True)
    output.rows(call, [_hit_record(hit) for hit in hits], _COLUMNS)


@verb(
    "--agency Z91.02 --until 2026-12-01T00:00:00+07:00 > november.jsonl",
    "--subject msg_01M7V7FAM00000000000000001 --texts",
    local=True,
)
async def export(
    call: Invocation,
    core: OpenStore,
    kind: Kind = None,
    subject: Subject = None,
    principal: Principal = None,
    since: Since = None,
    until: UntilOption = None,
    texts: Annotated[bool, option("With the texts that people wrote.", "--texts")] = False,
) -> None:
    """Print leaves of the log with their proofs into the newest seal, one JSON object per line; the export is an
    event too."""
    from gateway.ops.audit import export as take_out
    from gateway.store.events import NODE
    from gateway.store.log_reading import seal_numbered

    terms = _terms(kind, subject, principal, since, until)
    seal, terms = await seal_numbered(core.store), await _of_agency(call, core, terms)
    facts = {"seal": seal.signed.seal.number, "texts": texts, "asked": _terms_json(terms)}
    # The event is written first: an interrupted reader has seen some of it too.
    scope = AgencyScope(agency_id=terms.agency_id or NODE, principal_id=await operator_id(core.store))
    async with core.store.changing(scope) as work:
        await work.events.append(EventKind.LOG_EXPORTED, "log", core.clock.now(), facts)
    async for line in take_out(core.store, terms, seal, texts=texts):
        output.lines([output.compact(line)])


@verb("--to node.seal --key node.pem", "--paper", local=True)
async def publish(
    call: Invocation,
    core: OpenStore,
    to: Annotated[Path | None, option("File to write; default: the screen.", dir_okay=False)] = None,
    paper: Annotated[bool, option("A short text to print and sign.", "--paper")] = False,
    number: Annotated[int | None, option("Another seal than the newest.", min=1)] = None,
    key: Annotated[Path | None, option("File for the log's public key, in PEM.", dir_okay=False)] = None,
    checkpoint: Annotated[
        Path | None, option("File for the same as a checkpoint (C2SP), for other programs.", dir_okay=False)
    ] = None,
    policy: Annotated[
        Path | None,
        option("File logs.policy: the keys of this log, for those who check its proofs.", dir_okay=False),
    ] = None,
) -> None:
    """Publish a seal outside the node: its holder can find out later whether the log before it was changed."""
    from gateway.store.log_reading import seal_numbered
    from gateway.trust import seals

    seal = await seal_numbered(core.store, number)
    head = seal.signed.seal
    if to is not None:
        seals.write_seal_file(to, seal.to_bytes())
    if key is not None:
        seals.write_seal_file(key, seals.key_pem(seal))
    if checkpoint is not None or policy is not None:
        from gateway.ops.witness_view import witness_keys
        from gateway.store.witnesses import former_keys

        keys = await former_keys(core.store), await witness_keys(core.store, call.settings())
        await core.pool.run(
            partial(_write_notes, call.settings(), core.clock.now(), seal, checkpoint, policy, *keys)
        )
    await core.store.log.record_published(head.number, core.clock.now())
    if paper:
        output.lines(f"{call.word(f'audit.paper.{name}'):<12} {text}" for name, text in seals.on_paper(seal))
    elif to is None and call.output is OutputFormat.TABLE:
        typer.echo(seal.to_bytes().decode("ascii"), nl=False)
    else:
        facts = {"number": head.number, "size": head.tree_size, "root": head.root.hex()}
        output.record(
            call, facts | {"key": seal.signed.key_id, "stamped": seal.stamp is not None, "path": to}
        )
    call.say("audit.published", number=head.number)


def _write_notes(
    settings: Settings,
    now: datetime,
    seal: PublishedSeal,
    checkpoint: Path | None,
    policy: Path | None,
    former_keys: Sequence[NoteKey],
    witness_keys: Mapping[str, Sequence[NoteKey]],
) -> None:
    """Write the seal as a checkpoint, and the policy that trusts its keys and those of witnesses."""
    from gateway.bootstrap.core import log_signer_opener
    from gateway.domain.notes import checkpoint_of
    from gateway.ops.evidence.proof_text import policy_of
    from gateway.trust.seals import write_seal_file

    signer = log_signer_opener(settings)(seal.signed.seal.log_id)
    if checkpoint is not None:
        write_seal_file(checkpoint, signer.sign(checkpoint_of(seal), now).to_text().encode())
    if policy is not None:
        quorum = settings.log.witnesses_needed
        trusted = policy_of(signer, former_keys, witness_keys, quorum)
        write_seal_file(policy, trusted.to_text().encode())


def _terms(
    kind: str | None, subject: str | None, principal: str | None, since: str | None, end: str | None
) -> EventFilter:
    from gateway.store.log_reading import EventFilter

    return EventFilter(
        kind=kind,
        subject_id=subject,
        principal_id=principal,
        since=moment(since) if since else None,
        ends_before=moment(end) if end else None,
    )


async def _of_agency(call: Invocation, core: OpenStore, terms: EventFilter) -> EventFilter:
    agency = chosen(await core.store.hosted(), call.agency) if call.agency else None
    return replace(terms, agency_id=agency.id if agency else None)


def _terms_json(terms: EventFilter) -> dict[str, object]:
    subjects = {"kind": terms.kind, "subject": terms.subject_id, "principal": terms.principal_id}
    period = {"since": output.stamp(terms.since), "until": output.stamp(terms.ends_before)}
    return {name: v for name, v in (subjects | period).items() if v is not None}


def _hit_record(hit: Hit) -> dict[str, Any]:
    names = "id=event.id leaf at=event.at kind=event.kind subject=event.subject_id principal=event.principal_id agency"
    return output.fields(hit, names, agency=hit.event.agency_id or None, data=hit.event.data)


@verb(
    "evt_01M7V7FAM00000000000000001 --reason 'Decision 12'",
    "evt_01M7V7FAM00000000000000001 --name why --reason 'Decision 12' --yes",
    ask="audit.ask.erase",
    local=True,
)
async def erase(
    call: Invocation,
    core: OpenStore,
    event: Annotated[str, argument("Id of the event, from: gateway audit search")],
    reason: Annotated[str, option("Ground of the deletion; it is recorded.")],
    name: Annotated[list[str] | None, option("Only this text; may be repeated.")] = None,
) -> None:
    """Delete from one event the texts that people wrote, permanently; the log stays intact and records the
    deletion."""
    from gateway.store.log_reading import erase_texts as delete

    operator = await operator_id(core.store)
    erased = await delete(core.store, core.clock, event, name or [], operator, reason)
    output.record(call, {"id": event, "erased": list(erased)})


@verb("", "--days 30 -o json")
async def losses(
    call: Invocation,
    core: OpenStore,
    days: Annotated[int, option("Days to look back.", min=1, max=366)] = 30,
    all_: Annotated[bool, option("Also comparisons without a difference.", "--all")] = False,
) -> None:
    """List what the daily comparison with other nodes found: packets that one of the two lacks. Exit 7 if one is open."""
    from gateway.domain.wall_clock import local
    from gateway.store.loss_audit import list_counts

    since = local(core.clock.now()).date() - timedelta(days=days)
    counts = [c for c in await list_counts(core.store, since) if all_ or c.differences]
    output.rows(call, [_loss_record(count) for count in counts], _LOSSES)
    if any(count.open_differences for count in counts):
        raise typer.Exit(VERIFICATION)


@verb("", "--days 7 -o json")
async def states(
    call: Invocation,
    core: OpenStore,
    days: Annotated[int, option("Days to look back.", min=1, max=366)] = 30,
) -> None:
    """List documents whose state differs from that at the other node, and those that agree again. Exit 7 if one differs."""
    from gateway.domain.wall_clock import local
    from gateway.store.state_audit import list_counts

    counts = await list_counts(core.store, local(core.clock.now()).date() - timedelta(days=days))
    output.rows(call, [record for count in counts for record in _state_records(count)], _STATES)
    if any(count.open_differences for count in counts):
        raise typer.Exit(VERIFICATION)


def _state_records(count: StateCount) -> Iterator[dict[str, Any]]:
    for difference in count.differences:
        if difference.is_open or difference.closed_at is not None:
            repair = f"{difference.settled_as} ({difference.repaired_at})" if difference.closed_at else ""
            names = "own other first_at closed_at settled_as repaired_at"
            record = output.fields(count, "day node sender recipient is_sender compared_at")
            record |= output.fields(difference, names, document=difference.name or difference.key)
            yield record | {"repaired": repair}


def _loss_record(count: LossCount) -> dict[str, Any]:
    differences = [
        {
            "document": difference.name,
            "hash": difference.key,
            "lacking": count.node if difference.is_here else "here",
            "found_at": output.stamp(difference.found_at),
            "closed_at": output.stamp(difference.closed_at),
            "told": difference.is_open,
        }
        for difference in count.differences
    ]
    names = "day node sender recipient is_sender own=own_count other=other_count compared_at"
    open_differences = ", ".join(
        f"{d.name or d.key}{'' if d.is_here else ' ←'}" for d in count.open_differences
    )
    return output.fields(count, names, open=open_differences, differences=differences)


def _read_seal(path: Path) -> PublishedSeal:
    with path.open("rb") as file:
        return sealed_log.read_seal(file.read(sealed_log.MOST_SEAL_BYTES + 1))


def _roots(settings: Settings, path: Path | None) -> Sequence[Certificate]:
    """Read the named roots, else the node's own where it has some."""
    from gateway.trust.seals import read_time_roots

    own = settings.trust.folder / "tsa" / "ca.pem"
    file = path or (own if own.is_file() else None)
    return read_time_roots(file) if file is not None else ()


def _say_progress(call: Invocation, count: int, total: int) -> None:
    if count % _REPORT_EVERY == 0:
        call.say("audit.progress", done=count, of=total)


def _report_json(report: AuditReport, differences: Sequence[BindingDifference]) -> dict[str, Any]:
    return {
        "verdict": "holds" if report.holds and not differences else "broken",
        **output.fields(
            report,
            "anchored log=log_id leaves root seals timestamps=stamps keys first_at last_at",
            root=report.root.hex(),
        ),
        "count": report.count + len(differences),
        "findings": [
            *({"code": f.code, "where": f.place, "params": dict(f.params)} for f in report.findings),
            *(
                {"code": "binding_differs", "where": d.code, "params": {"detail": d.detail}}
                for d in differences
            ),
        ],
        "notes": [{"code": n.code, "params": dict(n.params)} for n in report.notes],
    }


def _report_lines(
    call: Invocation, report: AuditReport, differences: Sequence[BindingDifference]
) -> Iterator[str]:
    for finding in report.findings:
        yield output.plain(f"✗ {finding.place}: {call.word(f'audit.{finding.code}', **finding.params)}")
    for diff in differences:
        yield output.plain(f"✗ {diff.code}: {call.word('audit.binding_differs', detail=diff.detail)}")
    if report.count > len(report.findings):
        yield call.word("audit.more", count=report.count - len(report.findings))
    for note in report.notes:
        yield f"! {call.word(f'audit.note.{note.code}', **note.params)}"
    counts = {"leaves": report.leaves, "seals": report.seals, "stamps": report.stamps}
    holds = report.holds and not differences
    yield call.word("audit.holds" if holds else "audit.broken", **counts)
    if holds:
        yield from (call.word("audit.key", fingerprint=key) for key in report.keys)
