"""Pairs the attachments with the manifest, both ways. In: what the manifest lists and what the file carries. Out: for
each attachment the line it belongs to, and a finding for whatever does not agree. Content ids are compared without
their `cid:`, however often it stands there; then names, then places (edxml.md 2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.edxml.envelope import Attachment, Reference
    from gateway.edxml.tree import Notes


def pair(
    manifest: Sequence[Reference], attachments: Sequence[Attachment], notes: Notes, *, strict: bool
) -> list[Reference | None]:
    """The manifest's line of each attachment, None where it has none. `strict` refuses what is not one to one."""
    _refuse_doubled([line.content_id for line in manifest], "manifest", notes, strict=strict)
    _refuse_doubled([one.content_id for one in attachments], "attachments", notes, strict=strict)
    lines: dict[int, int] = {}
    _match(lines, manifest, attachments, _cid_of_line, _cid)
    by_id = len(lines)
    _match(lines, manifest, attachments, lambda line: line.attachment_name, lambda one: one.attachment_name)
    by_name = len(lines)
    for n in range(min(len(manifest), len(attachments))):
        if n not in lines and n not in lines.values():
            lines[n] = n
    _note_how(len(attachments), by_id, by_name, len(lines), notes, strict=strict)
    _note_unpaired(lines, manifest, attachments, notes, strict=strict)
    _note_differences(lines, manifest, attachments, notes)
    return [manifest[lines[n]] if n in lines else None for n in range(len(attachments))]


def bare_content_id(text: str | None) -> str | None:
    """Without `cid:`, which the library writes twice when it made the id itself."""
    while text and text[:4].lower() == "cid:":
        text = text[4:]
    return text or None


def _cid(one: Attachment) -> str | None:
    return bare_content_id(one.content_id)


def _cid_of_line(line: Reference) -> str | None:
    return bare_content_id(line.content_id)


def _match(
    lines: dict[int, int],
    manifest: Sequence[Reference],
    attachments: Sequence[Attachment],
    of_line: Callable[[Reference], str | None],
    of_attachment: Callable[[Attachment], str | None],
) -> None:
    """Pairs what is still unpaired by one value; equal values pair in order."""
    taken = set(lines.values())
    waiting: dict[str, list[int]] = {}
    for at, line in enumerate(manifest):
        value = of_line(line)
        if at not in taken and value is not None:
            waiting.setdefault(value, []).append(at)
    for n, one in enumerate(attachments):
        value = of_attachment(one)
        if n not in lines and value is not None and waiting.get(value):
            lines[n] = waiting[value].pop(0)


def _refuse_doubled(ids: Sequence[str | None], where: str, notes: Notes, *, strict: bool) -> None:
    seen: set[str] = set()
    for text in ids:
        bare = bare_content_id(text)
        if bare is not None and bare in seen:
            _refuse("CID-DOUBLED", where, "one content id stands twice", notes, strict=strict)
        elif bare is not None:
            seen.add(bare)


def _note_how(count: int, by_id: int, by_name: int, paired: int, notes: Notes, *, strict: bool) -> None:
    if by_name > by_id:
        notes.add(
            "PAIRED-BY-NAME", "edXMLManifest", f"{by_name - by_id} of {count} files have no common content id"
        )
    if paired > by_name:
        detail = f"{paired - by_name} of {count} files have neither a content id nor a name of the manifest"
        _refuse("PAIRED-BY-POSITION", "edXMLManifest", detail, notes, strict=strict)


def _note_unpaired(
    lines: dict[int, int],
    manifest: Sequence[Reference],
    attachments: Sequence[Attachment],
    notes: Notes,
    *,
    strict: bool,
) -> None:
    if attachments and not manifest:
        _refuse("MANIFEST-ABSENT", "edXMLManifest", "files came without a manifest", notes, strict=strict)
        return
    for n in range(len(attachments)):
        if n not in lines:
            detail = "a file that the manifest does not list"
            _refuse("MANIFEST-MISSING", f"Attachment[{n + 1}]", detail, notes, strict=strict)
    for at in sorted(set(range(len(manifest))) - set(lines.values())):
        detail = "the manifest lists a file that did not come"
        _refuse("MANIFEST-EXTRA", f"edXMLManifest/Reference[{at + 1}]", detail, notes, strict=strict)


def _note_differences(
    lines: dict[int, int], manifest: Sequence[Reference], attachments: Sequence[Attachment], notes: Notes
) -> None:
    for n, at in sorted(lines.items()):
        one, line = attachments[n], manifest[at]
        if _differ(one.content_type, line.content_type):
            notes.add("TYPE-DIFFERS", f"Attachment[{n + 1}]/ContentType", "another type than the manifest's")
        if _differ(one.attachment_name, line.attachment_name):
            notes.add(
                "NAME-DIFFERS", f"Attachment[{n + 1}]/AttachmentName", "another name than the manifest's"
            )


def _differ(mine: str | None, other: str | None) -> bool:
    return mine is not None and other is not None and mine != other


def _refuse(code: str, where: str, detail: str, notes: Notes, *, strict: bool) -> None:
    if strict:
        raise MalformedXml("ENV-DIALECT", f"{where}: {detail}", step=4, where=where)
    notes.add(code, where, detail)
