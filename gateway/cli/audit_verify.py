"""`gateway audit verify`: examines the sealed log of this node, or of a copy of its database. In: seals that had left the
node. Out: everything that does not hold, by name, and what could not be checked; exit 0 when it holds, 7 when not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format
from gateway.cli.failures import VERIFICATION
from gateway.cli.node import at_ground, run

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from gateway.domain.binding_history import Difference
    from gateway.domain.seal import PublishedSeal
    from gateway.ops.audit.found import Report
    from gateway.settings import Settings

_EVERY = 100_000


def verify(
    call: Call,
    seal: Annotated[
        list[Path] | None,
        typer.Option(help="A seal that was published; once for each.", exists=True, dir_okay=False),
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Only what came after this seal, up to which it was examined.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    database: Annotated[str | None, typer.Option(help="Address of a copy; default: the node's.")] = None,
    tsa_ca: Annotated[
        Path | None,
        typer.Option(help="Root certificates of timestamp authorities, in PEM.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Examine the log from the first event to the newest seal: nothing removed, changed, moved, added. Exit 7 if so."""
    report, differences = run(_verify(call, seal or [], since, database, tsa_ca))
    if call.output is Format.TABLE:
        _read_aloud(call, report, differences)
    else:
        output.data(call, _shown(report, differences))
    if not report.holds or differences:
        raise typer.Exit(VERIFICATION)


async def _verify(
    call: Call, seals: Sequence[Path], since: Path | None, database: str | None, tsa_ca: Path | None
) -> tuple[Report, Sequence[Difference]]:
    from gateway.ops.audit.verify import Given
    from gateway.ops.audit.verify import verify as examine

    settings = call.settings()
    if database is not None:
        settings = replace(settings, database=replace(settings.database, url=database))
    given = Given(
        published=[_read(path) for path in seals],
        since=_read(since) if since else None,
        roots=_roots(settings, tsa_ca),
        tell=lambda done, of: _tell(call, done, of),
    )
    async with at_ground(settings) as ground:
        report = await examine(ground.store, given, ground.pool)
        return report, await ground.directory.differences()


def _read(path: Path) -> PublishedSeal:
    from gateway.domain import seal

    with path.open("rb") as file:
        return seal.read(file.read(seal.MOST_BYTES + 1))


def _roots(settings: Settings, given: Path | None) -> Sequence[Certificate]:
    """Those named, else the node's own where it has some."""
    from gateway.trust.timestamp import read_roots

    own = settings.trust.folder / "tsa" / "ca.pem"
    chosen = given or (own if own.is_file() else None)
    return read_roots(chosen) if chosen is not None else ()


def _tell(call: Call, done: int, of: int) -> None:
    if done % _EVERY == 0:
        call.say("audit.progress", done=done, of=of)


def _shown(report: Report, differences: Sequence[Difference]) -> dict[str, Any]:
    return {
        "verdict": "holds" if report.holds and not differences else "broken",
        "anchored": report.anchored,
        "log": report.log_id,
        "leaves": report.leaves,
        "root": report.root.hex(),
        "seals": report.seals,
        "timestamps": report.stamps,
        "keys": list(report.keys),
        "first_at": output.stamp(report.first_at),
        "last_at": output.stamp(report.last_at),
        "count": report.count + len(differences),
        "findings": [
            *(
                {"code": each.code, "where": each.where, "params": dict(each.params)}
                for each in report.findings
            ),
            *(
                {"code": "binding_differs", "where": each.code, "params": {"detail": each.detail}}
                for each in differences
            ),
        ],
        "notes": [{"code": each.code, "params": dict(each.params)} for each in report.notes],
    }


def _read_aloud(call: Call, report: Report, differences: Sequence[Difference]) -> None:
    output.aloud(
        call,
        (
            output.plain(f"✗ {each.where}: {call.word(f'audit.{each.code}', **each.params)}")
            for each in report.findings
        ),
    )
    output.aloud(
        call,
        (
            output.plain(f"✗ {each.code}: {call.word('audit.binding_differs', detail=each.detail)}")
            for each in differences
        ),
    )
    if report.count > len(report.findings):
        output.aloud(call, [call.word("audit.more", count=report.count - len(report.findings))])
    output.aloud(call, (f"! {call.word(f'audit.note.{each.code}', **each.params)}" for each in report.notes))
    whole = {"leaves": report.leaves, "seals": report.seals, "stamps": report.stamps}
    holds = report.holds and not differences
    output.aloud(call, [call.word("audit.holds" if holds else "audit.broken", **whole)])
    if holds and report.keys:
        output.aloud(call, [call.word("audit.key", fingerprint=each) for each in report.keys])
