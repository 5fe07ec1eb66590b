"""`gateway send`: hand in a document and its files, as a document system would. In: files, and their data as flags or a
JSON file with the names of the API. Out: the accepted document, on disk and queued; with --wait, its state once
recipients reached the goal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.api import message_view
from gateway.cli import documents, output
from gateway.cli.command import Invocation, OutputFormat, argument, existing, option, verb
from gateway.cli.node import CommandContext, at_agency
from gateway.cli.typed_times import day
from gateway.cli.waiting import Goal, parse_goal, wait_until
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.api.models import MessageIn
    from gateway.outgoing.intake import Accepted, Order, RequestFiles


_PIECE = 256 * 1024
Files = Annotated[list[Path], argument("The lead file, then appendixes.", exists=True, dir_okay=False)]
FilesOrNone = Annotated[
    list[Path] | None, argument("The lead file, then appendixes.", exists=True, dir_okay=False)
]
Envelope = Annotated[
    Path | None, existing("An edXML envelope that was built elsewhere, instead of files and their data.")
]
Source = Annotated[list[Path] | None, existing("A source file.")]
Meta = Annotated[
    Path | None,
    option(
        "JSON with the names of the API; flags win; - is standard input.",
        exists=True,
        allow_dash=True,
        dir_okay=False,
    ),
]
To = Annotated[list[str] | None, option("CODE, or CODE=ROLE (to_act, to_coordinate, to_know, to_report).")]
Text = Annotated[str | None, typer.Option()]
Urgency = Annotated[str | None, option("thuong, khan, thuong_khan, hoa_toc or hoa_toc_hen_gio.")]
Reply = Annotated[bool | None, option("Whether a reply is required (R53).", "--reply/--no-reply")]
Wait = Annotated[
    str | None, option("Wait until every recipient has this state: sent, delivered, accepted or done.")
]
Confirm = Annotated[
    list[str] | None, option("Code of a refusal that you have read and accept, such as secrecy-stamp.")
]
Timeout = Annotated[str, option("How long to wait: 90s, 30m, 2h.")]


@verb(
    "letter.pdf --to Z91.02 --number 88 --symbol VP --date 2026-11-20 --type cong_van"
    ' --subject "Annual report" --signer "A Signer" --no-reply',
    "letter.pdf table.xlsx --meta letter.json --wait accepted --timeout 30m -o json",
    "--envelope letter.edxml --no-reply",
    writes=True,
)
async def send(
    call: Invocation,
    files: FilesOrNone = None,
    to: To = None,
    meta: Meta = None,
    source: Source = None,
    envelope: Envelope = None,
    number: Text = None,
    symbol: Text = None,
    date: Annotated[str | None, option("2026-11-20 or 20/11/2026.")] = None,
    type: Annotated[str | None, option("Key of a type (cong_van), or its name.")] = None,
    subject: Text = None,
    signer: Text = None,
    signer_title: Text = None,
    urgency: Urgency = None,
    reply: Reply = None,
    external_id: Annotated[str | None, option("Your own id; the same id is never sent twice.")] = None,
    draft: Annotated[bool, option("Keep it as a draft; send it later.", "--draft")] = False,
    confirm: Confirm = None,
    wait: Wait = None,
    timeout: Timeout = "30m",
) -> None:
    """Send a document. If it breaks rules, all of them are reported at once and nothing is stored (exit 4)."""
    from gateway.outgoing.intake import Order

    goal = parse_goal(wait, timeout)
    values = {
        "number": number,
        "symbol": symbol,
        "date": day(date) if date else None,
        "type": type,
        "subject": subject,
        "signer": {"name": signer, "title": signer_title} if signer else None,
        "urgency": urgency,
        "reply_required": reply,
        "external_id": external_id or None,
        "recipients": recipients(to) if to else None,
        "send": False if draft else None,
    }
    values = {name: v for name, v in values.items() if v is not None}
    if envelope is not None:
        if files or source or meta or values.keys() - {"reply_required", "external_id", "send"}:
            raise typer.BadParameter(
                "--envelope says all of the document; beside it: --reply, --external-id, --confirm"
            )
        await _send_envelope(call, envelope, values, confirm or (), goal)
        return
    if not files:
        raise typer.BadParameter("name the files of the document, or --envelope")
    letter = read_message(meta, values)
    async with at_agency(call.settings(), call.agency) as context:
        order = Order(draft=letter.to_draft(), send=letter.send, confirm=(*letter.confirm, *(confirm or ())))
        accepted = await hand_in(call, context, order, files, source or [])
        if accepted is None or accepted.document is None:
            return
        if goal is not None:
            await wait_until(call, context, accepted.document.id, goal)
        await show_accepted(call, context, accepted)


async def _send_envelope(
    call: Invocation, file: Path, values: dict[str, Any], confirm: Sequence[str], goal: Goal | None
) -> None:
    from gateway.outgoing import accept, ready_envelope
    from gateway.outgoing.intake import receive_files

    extras = ready_envelope.EnvelopeExtras(
        reply_required=values.get("reply_required"),
        external_id=values.get("external_id"),
        send=values.get("send", True),
        confirm=tuple(confirm),
    )
    async with at_agency(call.settings(), call.agency) as context:
        services, scope = context.node.out, context.scope
        async with receive_files(services) as files:
            envelope = await ready_envelope.take(services, scope, files, _read_pieces(file), extras)
            if call.dry_run:
                await _preview(call, context, envelope.order, files)
                return
            accepted = await accept.accept(services, scope, envelope.order, files, None, envelope.signed)
        if goal is not None and accepted.document is not None:
            await wait_until(call, context, accepted.document.id, goal)
        await show_accepted(call, context, accepted)


def recipients(to: list[str]) -> list[dict[str, str]]:
    """Parse `CODE` or `CODE=ROLE`; the default role is to act."""
    parts = [t.partition("=") for t in to]
    return [{"code": code.strip(), "role": role.strip() or "to_act"} for code, _, role in parts]


def read_message(meta: Path | None, values: dict[str, Any]) -> MessageIn:
    """Read the message with the API's own model, so that both ways in refuse alike."""
    from gateway.api.models import MessageIn
    from gateway.api.parsing import parse_json
    from gateway.domain.request_fault import BadCall

    try:
        base = json.loads(meta.read_text(encoding="utf-8-sig")) if meta else {}
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{meta} is not JSON in UTF-8: {error}") from error
    if not isinstance(base, dict):
        raise typer.BadParameter(f"{meta} holds no JSON object")
    try:
        return parse_json(json.dumps(base | values).encode(), MessageIn).value
    except BadCall as error:
        faults = "; ".join(
            f"{fault.pointer or '/'}: {fault.code}"
            + (f" (did you mean {fault.suggest}?)" if fault.suggest else "")
            for fault in error.faults
        )
        raise typer.BadParameter(f"the document's data cannot be used: {faults or error.slug}") from error


async def hand_in(
    call: Invocation, context: CommandContext, order: Order, files: list[Path], sources: list[Path]
) -> Accepted | None:
    """Accept the order with its files; in a dry run check it, print the findings, and return None."""
    from gateway.outgoing import accept
    from gateway.outgoing.intake import receive_files

    async with receive_files(context.node.out) as request_files:
        request_files.declare(order.draft)
        await fill(request_files, files, sources)
        if not call.dry_run:
            return await accept.accept(context.node.out, context.scope, order, request_files)
        await _preview(call, context, order, request_files)
    return None


async def _preview(call: Invocation, context: CommandContext, order: Order, files: RequestFiles) -> None:
    """Print what sending would do."""
    from gateway.outgoing import check

    draft, verdict = await check.check_for_preview(context.node.out, context.scope, order, files)
    warn(call, verdict.warnings)
    verdict.raise_if_refused()
    call.say("cli.would_send", count=len(draft.recipients), to=", ".join(r.code for r in draft.recipients))


async def fill(request_files: RequestFiles, files: list[Path], sources: list[Path]) -> None:
    """Add the lead file first, then appendixes, then sources."""
    from gateway.domain.document import FileRole

    roles = [FileRole.LEAD, *[FileRole.APPENDIX] * (len(files) - 1), *[FileRole.SOURCE] * len(sources)]
    for path, role in zip([*files, *sources], roles, strict=True):
        await request_files.add(role.value, path.name, role, _read_pieces(path))


def warn(call: Invocation, warnings: Any) -> None:
    """Print warnings, which stop nothing."""
    if warnings:
        call.say("cli.warnings")
    for warning in warnings:
        text = labels.reason_text(warning.code, warning.params, call.lang.value, suggest=warning.suggest)
        call.say("cli.line", text=output.plain(text))


async def show_accepted(call: Invocation, context: CommandContext, accepted: Accepted) -> None:
    """Print the accepted document: its id for people, the API's view for programs."""
    document = accepted.document
    if document is None:
        return
    warn(call, accepted.warnings)
    if call.quiet or call.output is OutputFormat.TABLE:
        output.lines([document.id])
        call.say("cli.accepted", id=document.id)
        call.say("cli.recipients", count=len(document.draft.recipients))
        call.say("cli.todo", command=f"gateway outbox show {document.id}")
        return
    async with context.node.store.read(context.scope) as work:
        stored = [await work.outgoing.get(document.id)]
        (view,) = await message_view.load_messages(work, stored, call.lang.value, context.today())
    output.record(call, documents.as_json(view))


async def _read_pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
