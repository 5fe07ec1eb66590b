"""Collects the attachments of one envelope as they stream by. In: the text of each content element, piece by piece,
with its place in the source. Out: `Attachment` for the model and `FileSlice` for the index, the bytes themselves
decoded, measured, hashed and let go (edxml.md 2.6), or left closed for whoever opens them. Never holds a file whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.domain.proof import FileSlice
from gateway.edxml import attachment, dialects
from gateway.edxml.envelope import Attachment
from gateway.edxml.tree import Leaves, Node, Notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.edxml.envelope import Reference
    from gateway.edxml.policy import Limits


class Collected:
    """The attachments met so far, and the one whose content is passing, if any."""

    def __init__(self, limits: Limits, notes: Notes, source: str, *, opens: bool = True) -> None:
        self.attachments: list[Attachment] = []
        self._files: list[FileSlice] = []
        self._limits = limits
        self._notes = notes
        self._leaf = Leaves(notes)
        self._source = source
        self._opens = opens
        self._has_content = False
        self._decoder: attachment.Decoder | None = None
        self._begin: int | None = None
        self._end = 0
        self._inflated = 0
        self._length = self._breaks = 0

    def open(self, node: Node, type_name: str) -> None:
        """A content element begins. Its name may not have come yet: the .NET flavour writes it afterwards."""
        name, _ = dialects.ATTACHMENT_NAMES[type_name]
        if self._opens:
            left = self._limits
            if self._inflated:
                left = replace(left, inflated_bytes=max(left.inflated_bytes - self._inflated, 0))
            self._decoder = attachment.Decoder(self._leaf.text(node, name), left)
        self._has_content = True
        self._begin = None
        self._length = self._breaks = 0

    def feed(self, text: bytes, offset: int) -> None:
        if self._begin is None:
            self._begin = offset
        self._length += len(text)
        self._breaks += text.count(b"\n")
        if self._decoder is not None:
            self._decoder.feed(text)

    def close_content(self, offset: int) -> None:
        self._end = offset
        if self._begin is None:
            self._begin = offset

    def close(self, node: Node, type_name: str) -> None:
        """An attachment ends: everything that is said about it is known now."""
        name, content_type = dialects.ATTACHMENT_NAMES[type_name]
        one = Attachment(
            content_id=self._leaf.identity(node, "ContentId"),
            attachment_name=self._leaf.text(node, name),
            description=self._leaf.text(node, "Description"),
            content_type=self._leaf.text(node, content_type),
        )
        self.attachments.append(one)
        self._files.append(self._slice(one, node.where))
        self._decoder = None
        self._has_content = False

    def _slice(self, one: Attachment, where: str) -> FileSlice:
        blank = FileSlice(
            n=len(self.attachments),
            name=one.attachment_name or "",
            content_id=one.content_id,
            content_type=one.content_type,
            description=one.description,
            offset=self._begin or 0,
            length=0,
            coding="raw",
            size=None,
            sha256=None,
            source=self._source,
        )
        if not self._has_content:
            self._notes.add("ATTACHMENT-DAMAGED", where, "no content element")
            return replace(blank, offset=0, damaged="no content")
        blank = replace(blank, length=self._end - blank.offset)
        if self._decoder is None:
            return blank
        decoded = self._decoder.finish(one.attachment_name)
        self._inflated += self._decoder.inflated
        if decoded.damaged:
            self._notes.add("ATTACHMENT-DAMAGED", where, decoded.damaged)
        elif not 0 <= blank.length - self._length <= self._breaks:
            # a parser takes CR LF for one character; any other difference is a reference or CDATA
            self._notes.add("ATTACHMENT-SLICE", where, "base64 written with references or CDATA")
        return replace(
            blank,
            coding=decoded.coding,
            size=decoded.size,
            sha256=decoded.sha256,
            damaged=decoded.damaged,
        )

    def files(self, lines: Sequence[Reference | None]) -> tuple[FileSlice, ...]:
        """The slices; where an attachment names no file or type, its line of the manifest does."""
        return tuple(
            file
            if line is None
            else replace(
                file,
                name=file.name or line.attachment_name or "",
                content_id=file.content_id or line.content_id,
                content_type=file.content_type or line.content_type,
                description=file.description or line.description,
            )
            for file, line in zip(self._files, lines, strict=True)
        )
