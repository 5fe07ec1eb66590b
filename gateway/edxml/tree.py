"""The light tree that a streamed envelope leaves behind: known elements with their short texts, attachments' bytes
not among them. In: what `reader` met. Out: values as the sender wrote them, and the findings about them.
Absent, empty and blank are the same thing here: None. Other text is kept exactly, spaces included, because what
was signed is what must be shown; only numbers, dates and flags are read through surrounding white space."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.domain.proof import Finding
from gateway.edxml import dates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

XML_SPACE = " \t\r\n"
MOST_FINDINGS = 200


@dataclass(slots=True)
class Node:
    """One element that the dialect's table knows, where it stands, and its children in order."""

    name: str
    where: str
    value: str = ""
    children: dict[str, list[Node]] = field(default_factory=dict)

    def one(self, name: str) -> Node | None:
        """The first child of that name; a doubled single element was reported when it was met."""
        found = self.children.get(name)
        return found[0] if found else None

    def many(self, name: str) -> list[Node]:
        return self.children.get(name, [])

    def path(self, *names: str) -> Node | None:
        """The first element down a path of single ones."""
        node: Node | None = self
        for name in names:
            node = node.one(name) if node else None
        return node


class Notes:
    """Gathers findings, at most `MOST_FINDINGS`, then one that says there were more."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._more = 0

    def add(self, code: str, where: str = "", detail: str = "") -> None:
        if len(self._found) < MOST_FINDINGS:
            self._found.append(Finding(code=code, where=where, detail=detail))
        else:
            self._more += 1

    def __iter__(self) -> Iterator[Finding]:
        yield from self._found
        if self._more:
            yield Finding(code="MORE", detail=f"{self._more} findings more are not listed")


class Leaves:
    """Reads typed values out of nodes and notes what is unusual about them."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def text(self, node: Node | None, name: str) -> str | None:
        leaf = node.one(name) if node is not None else None
        return leaf.value if leaf is not None and leaf.value.strip(XML_SPACE) else None

    def identity(self, node: Node | None, name: str) -> str | None:
        """Exactly as read (F10): what the certificate is bound to is this text, with no trimming or folding."""
        leaf = node.one(name) if node else None
        return None if leaf is None else self.own_identity(leaf)

    def own_identity(self, leaf: Node) -> str | None:
        bare = leaf.value.strip(XML_SPACE)
        if bare == "null":  # two files that an axis itself had written say so in OrganId
            self._notes.add("NULL-TEXT", leaf.where, "the text null stands for no value")
            return None
        if bare != leaf.value:
            self._notes.add("ID-SPACE", leaf.where, "white space around an identity, kept as it is")
        return leaf.value if bare else None

    def own_texts(self, node: Node | None, name: str) -> tuple[str, ...]:
        leaves = node.many(name) if node else []
        return tuple(leaf.value for leaf in leaves if leaf.value.strip(XML_SPACE))

    def number(self, node: Node | None, name: str, known: range | None = None) -> int | None:
        leaf, bare = self._bare(node, name)
        if leaf is None or not bare:
            return None
        digits = bare[1:] if bare[0] in "+-" else bare
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
            self._notes.add("NUMBER", leaf.where, f"not a whole number: {bare[:40]!r}")
            return None
        if known is not None and int(bare) not in known:
            self._notes.add("VALUE", leaf.where, f"{int(bare)} is outside {known.start} to {known.stop - 1}")
        return int(bare)

    def flag(self, node: Node | None, name: str) -> bool | None:
        leaf, bare = self._bare(node, name)
        if leaf is None or not bare:
            return None
        answer = {"true": True, "1": True, "false": False, "0": False}.get(bare.lower())
        if answer is None:
            self._notes.add("VALUE", leaf.where, f"neither true nor false: {bare[:40]!r}")
        return answer

    def date(self, node: Node | None, name: str) -> date | None:
        leaf, bare = self._bare(node, name)
        if leaf is None or not bare:
            return None
        value, usual = dates.read_date(bare)
        self._note_date(leaf, bare, value, usual)
        return value

    def time(self, node: Node | None, name: str) -> datetime | None:
        leaf, bare = self._bare(node, name)
        if leaf is None or not bare:
            return None
        value, usual = dates.read_time(bare)
        self._note_date(leaf, bare, value, usual)
        return value

    def _bare(self, node: Node | None, name: str) -> tuple[Node | None, str]:
        leaf = node.one(name) if node else None
        return leaf, leaf.value.strip(XML_SPACE) if leaf else ""

    def _note_date(self, leaf: Node, bare: str, value: object, usual: bool) -> None:
        if value is None:
            self._notes.add("DATE-UNREADABLE", leaf.where, f"not a date: {bare[:40]!r}")
        elif not usual:
            self._notes.add("DATE-FORM", leaf.where, f"read as {value}, written {bare[:40]!r}")
