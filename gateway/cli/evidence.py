"""`gateway evidence`: packs that prove that a document was sent or received, and proofs that are a small text. In: on a
node an id or a number; anywhere, without a node, a pack and a folder of trusted certificates. Out: one ZIP file, or the
list of packs made here; of `verify` each check that passed, failed or stayed undecided, and for what time; exit 7 unless
all passed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.atomic_files import new_file
from gateway.cli import documents, output
from gateway.cli.command import Invocation, argument, noun, option
from gateway.cli.node import CommandContext, StoreContext
from gateway.cli.output import VERIFICATION
from gateway.cli.verify import moment
from gateway.clock import SystemClock
from gateway.domain.event import Event
from gateway.domain.evidence import STORY, SUBJECT, Story, StoryPacket
from gateway.errors import Clash, NotFound, StoreFailure
from gateway.ops.evidence import pack_file
from gateway.ops.evidence.page import clock, packet_word, party, sealed_times, trusted_time
from gateway.stored_content import Door, note_reading
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.ops.evidence.pack_file import PreparedPack
    from gateway.store.work import SqlWork

File = Annotated[Path, argument("The pack: one ZIP file; - is standard input.")]
_COLUMNS = output.columns("pack=id made=made_at document size sha256=manifest_sha256", dim="pack sha256")


verb = noun("evidence").verb
_MARKS = {True: "✓", False: "✗", None: "?"}


@verb("15/SNV-VP", "msg_01J… --to case.zip", "15/SNV-VP --proof --to 15.tlog-proof", local=True)
async def make(
    call: Invocation,
    context: CommandContext,
    document: Annotated[str, argument("Id, or number/symbol, of a document sent or received.")],
    to: Annotated[Path | None, option("File or folder; default: this folder.")] = None,
    proof: Annotated[
        bool, option("A small text instead: the line of the log with its path and checkpoint.", "--proof")
    ] = False,
) -> None:
    """Put everything that proves one document into one file that can be checked without this node."""
    from gateway.ops.evidence import proof_text
    from gateway.ops.evidence.make import EvidenceMaker

    async with context.node.store.read(context.scope) as work:
        id = await _find_id(work, document)
    target = to or Path()
    if proof:
        text_proof = await proof_text.make(context.node, context.scope, id)
        target = (target / f"{id}.tlog-proof" if target.is_dir() else target).absolute()
        await context.node.pool.run(lambda: _write_new(target, (text_proof.to_text().encode(),)))
        size, checkpoint = target.stat().st_size, text_proof.signed.checkpoint
        facts = {"id": id, "path": target, "size": size, "index": text_proof.index, "log": checkpoint.origin}
        output.record(call, facts | {"leaves": checkpoint.size})
        return
    if not target.is_dir():
        _must_not_exist(target)
    pack = await EvidenceMaker(context.node).make(context.scope, id)
    await note_reading(context.node.out, context.scope, id, pack.name, Door.COMMAND)
    target = (target / pack.name if target.is_dir() else target).absolute()
    await context.node.pool.run(lambda: _write_pack(pack, target))
    names, count = "id path size members manifest_sha256=digest", len(pack.manifest.members)
    output.record(call, output.fields(pack, names, path=target, members=count))


async def _find_id(work: SqlWork, text: str) -> str:
    """Find the id of a sent or received document; a number may be either."""
    if text.startswith("inb_"):
        return (await documents.find_incoming(work, text)).id
    try:
        return (await documents.find_outgoing(work, text)).id
    except NotFound:
        if text.startswith("msg_"):
            raise
    return (await documents.find_incoming(work, text)).id


def _must_not_exist(target: Path) -> None:
    if target.exists():
        raise Clash(f"{target} exists; a pack never overwrites anything, name another file")


def _write_pack(pack: PreparedPack, target: Path) -> None:
    """Write the pack. Read it again, as it may be needed in ten years."""
    _write_new(target, pack.pieces(), pack_file.read_pack)


def _write_new(target: Path, pieces: Iterable[bytes], check: Callable[[Path], object] | None = None) -> None:
    """Write a file that must not exist; its name appears when it is complete and checked."""
    _must_not_exist(target)
    try:
        with new_file(target, 0o600, alone=True) as file:
            file.writelines(pieces)
            file.flush()
            if check is not None:
                check(Path(file.name))
    except OSError as cause:
        raise StoreFailure(
            f"the pack could not be written to {target}: {cause.strerror or cause}; free space or name another place"
        ) from cause


@verb("case.zip --trust trust/", "case.zip --trust trust/ --seal published.seal -o json")
def verify(
    call: Invocation,
    file: File,
    trust: Annotated[
        Path | None,
        option(
            "Folder with ca.pem, bindings.csv, chain/, crl/, ocsp/, nodes/ and tsa/.", envvar="GATEWAY_TRUST"
        ),
    ] = None,
    seal: Annotated[Path | None, option("A seal of the log that was published outside the node.")] = None,
    at: Annotated[str | None, option("As of this time (RFC 3339); default: now.")] = None,
) -> None:
    """Check a pack offline: every byte, every signature, every time. Exit 7 unless all of it holds."""
    from gateway.ops.evidence import verify as checking

    report = checking.verify(file, trust, seal, moment(at) if at else SystemClock().now())
    report_json = report.to_json()
    output.answer(call, report_json, _report_lines(call, report_json))
    if report.verdict != "valid":
        raise typer.Exit(VERIFICATION)


def _row(event: Event) -> dict[str, object]:
    facts = event.data
    return {
        "id": facts.get("pack"),
        "made_at": event.at,
        "document": facts.get("document"),
        "size": facts.get("size"),
        "members": facts.get("members"),
        "manifest_sha256": facts.get("manifest"),
    }


@verb("case.zip")
def show(call: Invocation, file: File) -> None:
    """List the content of a pack. Only the integrity of the file is checked."""
    from gateway.ops.evidence import contents

    pack = pack_file.read_pack(file)
    story = contents.read_story(pack.read(STORY, contents.MOST_STORY))
    call.say("evidence.unverified", file=file)
    facts = {
        "id": pack.manifest.pack,
        "story": contents.story_json(story),
        "members": [asdict(m) for m in pack.manifest.members],
    }
    output.answer(call, facts, (output.plain(line) for line in _story_lines(call, story)))


@verb("--to kiem-tra.html", "--to check.html --lang en", local=True)
async def page(
    call: Invocation,
    context: CommandContext,
    to: Annotated[Path, option("File to write; it must not exist.", dir_okay=False)],
) -> None:
    """Write a page that checks proofs in any new browser, offline; it trusts the log of this node."""
    from gateway.ops.evidence import proof_text
    from gateway.ops.evidence.page import proof_page

    policy = await proof_text.own_policy(context.node)
    page = proof_page(policy, call.lang.value).encode()
    await context.node.pool.run(lambda: _write_new(to, (page,)))
    output.record(call, {"path": to.absolute(), "size": len(page), "log": policy.logs[0].name})


def _report_lines(call: Invocation, report: dict[str, Any]) -> Iterator[str]:
    for anchor in report["anchors"]:
        kind = call.word(f"evidence.anchor.{anchor['kind']}")
        yield output.plain(f"  {kind}: {anchor['name']}  SHA-256 {anchor['sha256']}")
    if not report["anchored"]:
        yield f"  {call.word('evidence.no_anchors')}"
    for step in (*report["steps"], *report["pdf"]):
        yield _step(call, step)
    failed: dict[str, Any] = next((step for step in report["steps"] if step["ok"] is False), {})
    member = failed.get("member") or ""
    yield output.plain(call.word(f"evidence.verdict.{report['verdict']}", member=member))


def _step(call: Invocation, step: dict[str, Any]) -> str:
    mark = _MARKS[step["ok"]] if step["decides"] or step["ok"] is not None else "·"
    note = call.word(f"evidence.note.{step['note']}", **_readable_params(call, step.get("params", {})))
    text = f"{mark} {call.word('evidence.step.' + step['step'])}: {note}"
    if step["proved_at"]:
        key = "evidence.proved_at" if step["trusted_time"] else "evidence.proved_now"
        text += f"; {call.word(key, time=_clock(step['proved_at']))}"
    if step["member"]:
        text += f"  [{step['member']}]"
    detail = step["detail"] or ""
    if labels.has(f"code.{detail}"):
        detail = call.word(f"code.{detail}")
    return output.plain(text + (f"  ({detail})" if detail else ""))


def _readable_params(call: Invocation, params: dict[str, str]) -> dict[str, str]:
    """Put a code's meaning beside it, and a time as people read it."""
    readable = dict(params)
    if labels.has(f"code.{readable.get('code', '')}"):
        readable["code"] = f"{readable['code']}: {call.word('code.' + readable['code'])}"
    if "time" in readable:
        readable["time"] = _clock(readable["time"])
    return readable


def _clock(iso: str) -> str:
    """Format a time with seconds and offset, as a court needs it."""
    try:
        return clock(datetime.fromisoformat(iso))
    except ValueError:
        return iso


@verb("", "--document msg_01J… -o json")
async def list_(
    call: Invocation,
    context: StoreContext,
    document: Annotated[str | None, option("Only of this document (its id).")] = None,
) -> None:
    """List the packs that were made here, oldest first."""
    async with context.node.store.read(context.scope) as work:
        events = [
            e
            for e in await work.events.of_subject(SUBJECT)
            if document is None or e.data.get("document") == document
        ]
    output.rows(call, [_row(e) for e in events], _COLUMNS)


def _story_lines(call: Invocation, story: Story) -> Iterator[str]:
    maker = {"agency": party(story.made_by), "time": clock(story.made_at), "node": story.node}
    yield call.word("evidence.page.made", **maker, software=story.software, pack=story.pack)
    yield f"{story.code}  {story.issued_on}  {story.subject}"
    if story.absent is not None:
        yield call.word(f"evidence.page.absent.{story.absent}")
    times = sealed_times(story)
    for packet in story.packets:
        yield _packet_line(call, packet, trusted_time(call.word, times, packet))
    for seal in story.seals:
        stamped = clock(seal.stamped_at) if seal.stamped_at else call.word("evidence.page.untrusted")
        yield f"{call.word('evidence.page.seal')} {seal.number}: {clock(seal.at)}; {stamped}"


def _packet_line(call: Invocation, packet: StoryPacket, when: str) -> str:
    direction = call.word(f"evidence.page.direction.{packet.direction}")
    to = ", ".join(party(p) for p in packet.to)
    line = f"{clock(packet.at)}  {direction}  {packet_word(packet, call.lang.value)}: {party(packet.sender)} → {to}"
    return f"{line}  [{packet.member or packet.sha256}]  {when}"
