"""Parses a JSON answer while it comes in. In: pieces of bytes. Out: its small members; the elements of its one list,
each passed on at once; and one member that holds a file as a string, decoded piece by piece into its receiver, never in
memory whole. Unneeded members are skipped. Names are compared without letter case. BadAnswer for anything else."""

from __future__ import annotations

import binascii
import codecs
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

MOST_MEMBER = 64 * 1024
"""Limit of one member or list element, in characters; no service sends a longer one."""
MOST_MEMBERS = 200
_DEEPEST = 3
_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder(strict=False)
# Complete characters and complete escapes of a string; a cut one waits for the next piece.
_COMPLETE_CHARS = re.compile(
    r"""(?:[^"\\]+|\\["\\/bfnrt]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"""
    r"""|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*""",
)
_END_OF_NUMBER = re.compile(r"[,}\]\s]")
_BRACKET, _QUOTE = re.compile(r"""["\[\]{}]"""), re.compile(r"""["\\]""")


class BadAnswer(ValueError):
    """The answer is not in the form that the service documents."""


class Answer:
    """Incremental reader of one answer: call `feed` with its pieces, then `close`. `values` has its small members, those
    of an inner object as `name.inner`. `file` names the member whose string goes to `out`, unescaped; `item` gets the
    elements of the list `data`, or of the answer itself where it is a list. Members named in `passed` are skipped.
    `has_list` and `has_file` tell whether there were any."""

    def __init__(
        self,
        *,
        file: frozenset[str] = frozenset(),
        out: Callable[[str], object] | None = None,
        item: Callable[[Mapping[str, Any]], object] | None = None,
        passed: frozenset[str] = frozenset(),
    ) -> None:
        self.values: dict[str, Any] = {}
        self.has_list = self.has_file = False
        self._file, self._out, self._item, self._passed = file, out, item, passed
        self._depth, self._quoted = 0, False
        self._text, self._path = "", ""
        self._stack: list[str] = []
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._step: Callable[[], bool] = self._begin
        self._name = ""

    def feed(self, piece: bytes) -> None:
        try:
            self._text += self._utf8.decode(piece)
        except UnicodeDecodeError as why:
            raise BadAnswer("the answer is not UTF-8") from why
        self._run()

    def close(self) -> Mapping[str, Any]:
        """End the answer and return its small members. BadAnswer where it is cut short."""
        self._text += "\n"  # a number may be the last thing
        self._run()
        if self._step != self._end:
            raise BadAnswer("the answer is cut short")
        return self.values

    def text(self, name: str) -> str:
        """Return a small member as text; empty when it is absent or null."""
        value = self.values.get(name.casefold())
        return "" if value is None else str(value)

    def _run(self) -> None:
        """Run steps of the parser until one needs more input (False)."""
        while self._step():
            pass

    def _skip(self) -> str:
        """Skip white space and return the next character; empty when no more has come."""
        self._text = self._text.lstrip(_SPACE)
        return self._text[:1]

    def _begin(self) -> bool:
        first = self._skip().lstrip("\ufeff")
        if not first:
            self._text = self._text.lstrip("\ufeff")
            return False
        self._text = self._text.lstrip("\ufeff")
        if first == "{":
            self._enter("")
        elif first == "[":
            self._take(1)
            self.has_list, self._step = True, self._element
        else:
            raise BadAnswer("the answer does not begin as JSON does")
        return True

    def _enter(self, name: str) -> None:
        """Begin an object; its members are named below `name`."""
        self._stack.append(self._path)
        if len(self._stack) > _DEEPEST:
            raise BadAnswer("the answer nests deeper than any service's")
        self._path = f"{self._path}{name}." if name else self._path
        self._take(1)
        self._step = self._member

    def _take(self, count: int) -> None:
        self._text = self._text[count:]

    def _member(self) -> bool:
        first = self._skip()
        if first == "}":
            self._take(1)
            self._path = self._stack.pop()
            self._step = self._member if self._stack else self._end
            return True
        if first == ",":
            self._take(1)
            return True
        if not first:
            return False
        if first != '"':
            raise BadAnswer("a member of the answer has no name")
        decoded = self._decoded()
        if decoded is None:
            return False
        value, end = decoded
        following = self._text[end:].lstrip(_SPACE)
        if not following:
            return False
        if following[0] != ":":
            raise BadAnswer(f"the member {value!r:.40} has no value")
        self._name, self._text, self._step = str(value).casefold(), following[1:], self._value
        return True

    def _value(self) -> bool:
        first = self._skip()
        if not first:
            return False
        if first in '[{"' and self._name in self._passed:
            self._depth, self._quoted, self._step = 0, False, self._pass_by
        elif first == "{":
            self._enter(self._name)
        elif first == "[" and self._name == "data":
            self._take(1)
            self.has_list, self._step = True, self._element
        elif first == '"' and self._name in self._file:
            self._take(1)
            self.has_file, self._step = True, self._string
        else:
            decoded = self._decoded()
            if decoded is None:
                return False
            value, end = decoded
            if len(self.values) >= MOST_MEMBERS:
                raise BadAnswer(f"the answer has more than {MOST_MEMBERS} members")
            self.values[f"{self._path}{self._name}"] = value
            self._take(end)
            self._step = self._member
        return True

    def _element(self) -> bool:
        first = self._skip()
        if first == ",":
            self._take(1)
            return True
        if first == "]":
            self._take(1)
            self._step = self._member if self._stack else self._end
            return True
        if not first:
            return False
        # Many elements are decoded from one text, which is cut once afterwards.
        at = 0
        while (decoded := self._decoded(at)) is not None:
            value, at = decoded
            if isinstance(value, dict) and self._item is not None:
                self._item({str(key).casefold(): v for key, v in value.items()})
            while self._text[at : at + 1] and self._text[at] in _SPACE + ",":
                at += 1
            if at >= len(self._text) or self._text[at] == "]":
                break
        self._take(at)
        return bool(at)

    def _string(self) -> bool:
        """Pass complete characters of the file's string to `out`."""
        match = _COMPLETE_CHARS.match(self._text)
        chars = match.group() if match else ""
        if chars and self._out is not None:
            self._out(chars if "\\" not in chars else str(json.loads(f'"{chars}"', strict=False)))
        self._take(len(chars))
        if self._text[:1] == '"':
            self._take(1)
            self._step = self._member
            return True
        if len(self._text) > 12:
            raise BadAnswer("the file in the answer has a bad escape")
        return False

    def _pass_by(self) -> bool:
        """Skip a value of any length up to its end."""
        at, text = 0, self._text
        while match := (_QUOTE if self._quoted else _BRACKET).search(text, at):
            sign, at = match.group(), match.end()
            if sign == "\\":
                if at == len(text):
                    self._take(at - 1)  # the escaped character has not come yet
                    return False
                at += 1
            elif sign == '"':
                self._quoted = not self._quoted
            else:
                self._depth += 1 if sign in "[{" else -1
            if not self._quoted and not self._depth:
                self._take(at)
                self._step = self._member
                return True
        self._text = ""
        return False

    def _end(self) -> bool:
        if self._skip():
            raise BadAnswer("something follows the answer")
        return False

    def _decoded(self, at: int = 0) -> tuple[Any, int] | None:
        """Decode one complete value and return it with its end; None while part of it has not come."""
        try:
            value, end = _DECODER.raw_decode(self._text, at)
        except (ValueError, RecursionError) as why:
            if len(self._text) - at > MOST_MEMBER:
                raise BadAnswer("a part of the answer is no JSON, or longer than any service's") from why
            return None
        if end - at > MOST_MEMBER:
            raise BadAnswer("a part of the answer is longer than any service's")
        # A number at the end of the text may go on in the next piece.
        if (
            end == len(self._text)
            and not _END_OF_NUMBER.match(self._text, end - 1)
            and self._text[end - 1] not in '"el'
        ):
            return None
        return value, end


class Base64File:
    """Decoder of base64 in pieces of any size; the bytes go to `out`. White space is ignored; BadAnswer for anything
    else."""

    def __init__(self, out: Callable[[bytes], object]) -> None:
        self._out, self._rest, self.size = out, b"", 0

    def feed(self, text: str) -> None:
        try:
            raw = self._rest + text.encode("ascii").translate(None, b" \t\r\n")
        except UnicodeEncodeError as why:
            raise BadAnswer("the file in the answer is not base64") from why
        length = len(raw) - len(raw) % 4
        self._rest = raw[length:]
        self._write(raw[:length])

    def close(self) -> None:
        if self._rest:
            raise BadAnswer("the file in the answer is cut short")

    def _write(self, raw: bytes) -> None:
        try:
            piece = binascii.a2b_base64(raw, strict_mode=True) if raw else b""
        except binascii.Error as why:
            raise BadAnswer("the file in the answer is not base64") from why
        self.size += len(piece)
        self._out(piece)


class TextOrBase64:
    """Decoder of an XML file sent as plain text or as base64: its first character tells which. Text that does not end
    with `>` is cut short."""

    def __init__(self, out: Callable[[bytes], object]) -> None:
        self._out, self.size, self._last = out, 0, ""
        self._coded: Base64File | None = None

    def feed(self, text: str) -> None:
        if not self.size and self._coded is None:
            text = text.lstrip(_SPACE + "\ufeff")
            if text and text[0] != "<":
                self._coded = Base64File(self._write)
        if self._coded is not None:
            self._coded.feed(text)
        elif text:
            self._last = text.rstrip()[-1:] or self._last
            self._write(text.encode("utf-8", "replace"))

    def close(self) -> None:
        if self._coded is not None:
            self._coded.close()
        elif self._last not in ("", ">"):
            raise BadAnswer("the file in the answer is cut short")

    def _write(self, piece: bytes) -> None:
        self.size += len(piece)
        self._out(piece)
