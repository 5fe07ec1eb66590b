"""Takes the content of a PDF page apart into its operators. In: its bytes; a function that follows. Out: each operator with
its operands as plain values: numbers, names, texts as bytes, arrays as lists, None for a dictionary. It is told as soon
as it is read, so that who follows may stop anywhere. Operators that draw lines and areas or set colours say nothing of
text: they are passed over, as many at a time as stand together. Linear in the bytes, whatever these are."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from typing import Any

from pypdf.generic import NameObject

# Any: an operand is of any kind, and of the kind that its operator wants only in a good file.
Follow = Callable[[list[Any], bytes], None]

_BLANK = rb"[\x00\t-\r ]"
_REGULAR = rb"[^\x00\t-\r ()<>\[\]{}/%]"
_NUMBER_FORM = rb"[-+.0-9]++"
_NAME_FORM = rb"/" + _REGULAR + rb"*+"
_PASSED_OVER = (
    rb"(?:[cmlvyhSsnwWBbfFJjMigGkK]|re|[fBbW]\*|rg|RG|scn?|SCN?|cs|CS|gs|ri|sh|BMC|EMC|MP)"
    rb"(?!" + _REGULAR + rb")"
)
# Every repetition is possessive: nothing is tried twice.
_TOKEN = re.compile(
    rb"(?:" + _BLANK + rb"++|%[^\r\n]*+)*+(?:"
    rb"(?>(?:" + _BLANK + rb"*+(?:" + _NUMBER_FORM + rb"|" + _NAME_FORM + rb")){0,6}+"
    rb"" + _BLANK + rb"*+" + _PASSED_OVER + rb")++"
    rb"|(" + _NUMBER_FORM + rb")"
    rb"|([A-Za-z'\"]" + _REGULAR + rb"*+)"
    rb"|\(((?:[^()\\]++|\\.)*+)\)"
    rb"|(" + _NAME_FORM + rb")"
    rb"|(\[|<<)"
    rb"|(\]|>>)"
    rb"|<((?:[0-9A-Fa-f]|" + _BLANK + rb")*+)>"
    rb"|(\()"
    rb"|(\Z))",
    re.DOTALL,
)
_NUMBER, _OPERATOR, _TEXT, _NAME, _OPENED, _CLOSED, _HEX, _NESTED, _END = range(1, 10)


def tell_operators(content: bytes, follow: Follow) -> None:
    """ValueError where the content stops being any, or the library's own for a name that it cannot read."""
    at, operands, around = 0, list[Any](), list[list[Any]]()
    while (token := _TOKEN.match(content, at)) is not None:
        at, kind = token.end(), token.lastindex
        if kind == _NUMBER:
            operands.append(_number(token[_NUMBER]))
        elif kind == _OPERATOR:
            if around:  # true, false or null
                continue
            follow(operands, token[_OPERATOR])
            operands = []
            if token[_OPERATOR] == b"ID":
                at = _after_image(content, at)
        elif kind == _TEXT:
            operands.append(_unescaped(token[_TEXT]))
        elif kind is None:
            operands = []
        elif kind == _NAME:
            operands.append(_name(token[_NAME]))
        elif kind == _HEX:
            operands.append(_of_hex(token[_HEX]))
        elif kind == _OPENED:
            around.append(operands)
            operands = []
        elif kind == _CLOSED:
            if not around:
                raise ValueError("an array or dictionary ends that did not begin")
            made, operands = operands, around.pop()
            operands.append(made if token[_CLOSED] == b"]" else None)
        elif kind == _NESTED:
            text, at = _nested(content, at)
            operands.append(_unescaped(text))
        elif around:
            raise ValueError("an array or dictionary has no end")
        else:
            return
    raise ValueError("neither an operator nor an operand")


def _number(written: bytes) -> float:
    """Signs and points in odd places are zero, as the library takes them."""
    try:
        return float(written)
    except ValueError:
        return 0.0


def _name(written: bytes) -> str:
    """As the library reads the same name where it stands for a font or a picture."""
    return _short_name(written) if len(written) <= _LONGEST_NAME else _read_name(written)


def _read_name(written: bytes) -> str:
    return NameObject.read_from_stream(BytesIO(written), _Lenient)


_LONGEST_NAME = 128  # longer ones are in no good file, and are not remembered
_short_name = lru_cache(maxsize=1024)(_read_name)


class _Lenient:
    """What the library asks of a reader when it reads a name."""

    strict = False


def _of_hex(written: bytes) -> bytes:
    digits = written.translate(None, b"\x00\t\n\x0b\x0c\r ")
    return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))


_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|\r\n?|\n|(.))", re.DOTALL)
_MEANT = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def _unescaped(written: bytes) -> bytes:
    return _ESCAPE.sub(_escaped, written) if b"\\" in written else written


def _escaped(found: re.Match[bytes]) -> bytes:
    octal, sign = found.groups()
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    return _MEANT.get(sign, sign) if sign is not None else b""  # a line that goes on


_INSIDE = re.compile(rb"(?:[^()\\]++|\\.)*+([()])", re.DOTALL)


def _nested(content: bytes, begins: int) -> tuple[bytes, int]:
    """A text with parentheses in it, as it is written, and where it ends."""
    depth, at = 1, begins
    while depth:
        found = _INSIDE.match(content, at)
        if found is None:
            raise ValueError("a text has no end")
        at = found.end()
        depth += 1 if found[1] == b"(" else -1
    return content[begins : at - 1], at


# Behind the end of a picture stand operators again; the same letters inside it are followed by anything.
_IMAGE_END = re.compile(
    rb"[\x00\t-\r >]EI(?=" + _BLANK + rb"|\Z)(?=[\x00\t-\r -~]{12}|[\x00\t-\r -~]{0,11}\Z)"
)


def _after_image(content: bytes, begins: int) -> int:
    found = _IMAGE_END.search(content, begins)
    if found is None:
        raise ValueError("a picture in the content has no end")
    return found.end()
