"""`gateway evidence verify` and `show`: what anybody does with a pack, without a node. In: a file, a folder with whom one
believes. Out: each thing that holds, does not hold or cannot be told, and for what time; exit 7 unless all of it holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, verb
from gateway.cli.failures import VERIFICATION
from gateway.cli.verify import moment
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.domain.evidence_story import PacketTold, Story

File = Annotated[Path, typer.Argument(help="The pack: one ZIP file; - is standard input.")]
_MARKS = {True: "✓", False: "✗", None: "?"}


def register(group: typer.Typer) -> None:
    verb(
        group,
        "verify",
        examples=(
            "gateway evidence verify case.zip --trust trust/",
            "gateway evidence verify case.zip --trust trust/ --seal published.seal -o json",
        ),
    )(verify)
    verb(
        group, "show", examples=("gateway evidence show case.zip", "gateway evidence show case.zip -o json")
    )(show)


def verify(
    call: Call,
    file: File,
    trust: Annotated[
        Path | None,
        typer.Option(
            envvar="GATEWAY_TRUST",
            help="Folder with ca.pem, bindings.csv, chain/, crl/, ocsp/, nodes/ and tsa/.",
        ),
    ] = None,
    seal: Annotated[
        Path | None, typer.Option(help="A seal of the log that was published outside the node.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="As of this time (RFC 3339); default: now.")] = None,
) -> None:
    """Check a pack offline: every byte, every signature, every time. Exit 7 unless all of it holds."""
    from gateway.clock import SystemClock
    from gateway.ops.evidence import verify as checking

    report = checking.verify(file, trust, seal, moment(at) if at else SystemClock().now())
    if call.output is Format.TABLE:
        _read_aloud(call, report.told())
    else:
        output.data(call, report.told())
    if report.verdict != "valid":
        raise typer.Exit(VERIFICATION)


def _read_aloud(call: Call, found: dict[str, Any]) -> None:
    for anchor in found["anchors"]:
        kind = call.word(f"evidence.anchor.{anchor['kind']}")
        output.aloud(call, [output.plain(f"  {kind}: {anchor['name']}  SHA-256 {anchor['sha256']}")])
    if not found["anchored"]:
        output.aloud(call, [f"  {call.word('evidence.no_anchors')}"])
    for step in found["steps"]:
        output.aloud(call, [_step(call, step)])
    failed = next((step for step in found["steps"] if step["ok"] is False), None)
    member = (failed or {}).get("member") or ""
    output.aloud(call, [output.plain(call.word(f"evidence.verdict.{found['verdict']}", member=member))])


def _step(call: Call, step: dict[str, Any]) -> str:
    mark = _MARKS[step["ok"]] if step["decides"] or step["ok"] is not None else "·"
    told = call.word(f"evidence.note.{step['note']}", **_shown(call, step.get("params", {})))
    text = f"{mark} {call.word('evidence.step.' + step['step'])}: {told}"
    if step["proved_at"]:
        key = "evidence.proved_at" if step["trusted_time"] else "evidence.proved_now"
        text += f"; {call.word(key, time=_clock(step['proved_at']))}"
    if step["member"]:
        text += f"  [{step['member']}]"
    detail = step["detail"] or ""
    if labels.has(f"code.{detail}"):
        detail = call.word(f"code.{detail}")
    return output.plain(text + (f"  ({detail})" if detail else ""))


def _shown(call: Call, params: dict[str, str]) -> dict[str, str]:
    """A code beside its meaning, a time as people read it."""
    told = dict(params)
    if labels.has(f"code.{told.get('code', '')}"):
        told["code"] = f"{told['code']}: {call.word('code.' + told['code'])}"
    if "time" in told:
        told["time"] = _clock(told["time"])
    return told


def _clock(iso: str) -> str:
    """With seconds and offset, as a court needs it."""
    from gateway.ops.evidence.page import clock

    try:
        return clock(datetime.fromisoformat(iso))
    except ValueError:
        return iso


def show(call: Call, file: File) -> None:
    """Say what a pack holds. Nothing is verified but that the file is whole."""
    from gateway.domain.evidence import STORY
    from gateway.ops.evidence import parts, read

    pack = read.read(file)
    story = parts.read_story(pack.read(STORY, parts.MOST_STORY))
    call.say("evidence.unverified", file=file)
    if call.output is Format.TABLE:
        output.aloud(call, (output.plain(line) for line in _aloud(call, story)))
        return
    told = {
        "id": pack.manifest.pack,
        "story": parts.story_json(story),
        "members": [
            {"name": each.name, "size": each.size, "sha256": each.sha256, "media": each.media}
            for each in pack.manifest.members
        ],
    }
    output.data(call, told)


def _aloud(call: Call, story: Story) -> Iterator[str]:
    from gateway.ops.evidence.page import clock, party, sealed_times, trusted

    made = {"agency": party(story.made_by), "time": clock(story.made_at), "node": story.node}
    yield call.word("evidence.page.made", **made, software=story.software, pack=story.pack)
    yield f"{story.code}  {story.issued_on}  {story.subject}"
    if story.absent is not None:
        yield call.word(f"evidence.page.absent.{story.absent}")
    times = sealed_times(story)
    for each in story.packets:
        yield _packet(call, each, trusted(call.word, times, each))
    for seal in story.seals:
        stamped = clock(seal.stamped_at) if seal.stamped_at else call.word("evidence.page.untrusted")
        yield f"{call.word('evidence.page.seal')} {seal.number}: {clock(seal.at)}; {stamped}"


def _packet(call: Call, packet: PacketTold, when: str) -> str:
    from gateway.ops.evidence.page import clock, packet_word, party

    way = call.word(f"evidence.page.direction.{packet.direction}")
    to = ", ".join(party(each) for each in packet.to)
    said = f"{clock(packet.at)}  {way}  {packet_word(call.word, packet)}: {party(packet.sender)} → {to}"
    return f"{said}  [{packet.member or packet.sha256}]  {when}"
