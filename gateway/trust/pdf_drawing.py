"""Follows the drawing operators of a PDF page as far as text is concerned, and turns the codes that it shows into
letters, where its font says which they are. In: a page or a form. Out: pieces of text, each with the matrix in force,
its width and how it is drawn; and the places of pictures. Each operator is followed as it is read, so that the number
of steps, the bytes of all content and the deadline bound the reading too; operators that draw lines and areas or set
colours say nothing of text, and are passed over, as many at a time as stand together. Taking content apart is linear in
its bytes, whatever these are. A font that does not say which letters it draws is not readable: its pieces have no text,
and nothing is guessed. Part of `trust.pdf_layout`."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from io import BytesIO
from operator import attrgetter
from typing import Any

from pypdf import PageObject, apply_configuration
from pypdf._codecs.adobe_glyphs import adobe_glyphs
from pypdf.errors import LimitReachedError
from pypdf.generic import ArrayObject, ContentStream, DictionaryObject, NameObject, StreamObject
from pypdf.generic._font import Font

from gateway.trust.pdf import LIBRARY

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


_MIDDLING = 500.0  # thousandths of the type size, where a font tells no width
_BLACK = 600
_FORCE_BOLD = 1 << 18
_SYMBOLIC = 1 << 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFont:
    """How one font's codes are read. `known` is None where it does not say which letters it draws; `octets` is how many a
    code usually has."""

    bold: bool
    octets: int
    known: Font | None = None

    @classmethod
    def of(cls, told: DictionaryObject) -> TextFont:
        """Never raises for what the font holds."""
        made = None
        with suppress(*LIBRARY):
            made = Font.from_font_resource(told) if _says_its_letters(told) else None
        is_known = made is not None and made.interpretable
        octets = 2 if told.get("/Subtype") == "/Type0" else 1
        return cls(bold=_is_bold(told), octets=octets, known=made if is_known else None)


def _letters(font: Font, shown: bytes) -> Iterator[tuple[str, float, str]]:
    """Each code: its letters, its width in thousandths, and itself. No letters: the font does not say."""
    codec = font.encoding if isinstance(font.encoding, str) else None
    table = font.encoding if isinstance(font.encoding, dict) else {}
    usual = font.character_widths.get("default", _MIDDLING)
    for code in shown.decode(codec, "replace") if codec else map(chr, shown):
        written = code if codec else table.get(ord(code), code)
        said = font.character_map.get(written)
        if said is None:
            said = "" if codec and font.character_map else written
        yield said, font.character_widths.get(code, usual), code


def _says_its_letters(told: DictionaryObject) -> bool:
    if "/ToUnicode" in told:
        return True
    encoding = told.get("/Encoding")
    if told.get("/Subtype") == "/Type0":
        # Codes of these are glyphs of the font file, unless a code page of Unicode is named.
        return isinstance(encoding, str) and ("UCS2" in encoding or "UTF16" in encoding)
    if isinstance(encoding, DictionaryObject):
        named = encoding.get("/Differences", ArrayObject()).get_object()
        return all(each in adobe_glyphs for each in named if isinstance(each, str))
    if isinstance(encoding, str):
        return True
    return not _flags(told) & _SYMBOLIC


def _is_bold(told: DictionaryObject) -> bool:
    try:
        name = str(told.get("/BaseFont", "")).casefold()
        described = _descriptor(told)
        weight = described.get("/FontWeight", 400)
        stemmed = isinstance(weight, int | float) and weight >= _BLACK
        return "bold" in name or "black" in name or stemmed or bool(_flags(told) & _FORCE_BOLD)
    except LIBRARY:
        return False


def _flags(told: DictionaryObject) -> int:
    flags = _descriptor(told).get("/Flags", 0)
    return flags if isinstance(flags, int) else 0


def _descriptor(told: DictionaryObject) -> DictionaryObject:
    kept = whole(told.get("/DescendantFonts"))
    holder = kept[0].get_object() if isinstance(kept, ArrayObject) and kept else told
    found = whole(holder.get("/FontDescriptor")) if isinstance(holder, DictionaryObject) else None
    return found if isinstance(found, DictionaryObject) else DictionaryObject()


MOST_FONTS = 200
_DEEPEST = 8
_INVISIBLE = 3
_BOLD_BY_LINE = 2  # filled and stroked: how word processors make a font bold that has no bold
# Of the type size, where nothing tells the widths: about the widest mean of a line of Vietnamese.
_CHARACTER = 0.55

Matrix = tuple[float, ...]
UNIT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


class EnoughError(Exception):
    """The deadline, or more than a document needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLimits:
    """How far the content of one page is read, with the forms that it draws: `octets` of it, and so many `steps`:
    operators that are about text, and parts of lines that are shown in parts."""

    octets: int
    steps: int


IN_PASSING = PageLimits(octets=512 * 1024, steps=15_000)
"""Where a document waits for it."""
AT_LENGTH = PageLimits(octets=4 * 1024 * 1024, steps=300_000)
"""Where a person asked for it, in a process for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text in one go, empty where its letters are not known; `wide` and `high` are in the matrix's own units."""

    text: str
    matrix: Matrix
    wide: float
    high: float
    bold: bool
    invisible: bool
    shaky: bool


@dataclass(slots=True)
class _State:
    """The part of the graphics state that q and Q keep."""

    matrix: Matrix = UNIT
    font: TextFont | None = None
    size: float = 0.0
    letter_gap: float = 0.0
    word_gap: float = 0.0
    stretch: float = 1.0
    leading: float = 0.0
    rise: float = 0.0
    mode: int = 0

    def copy(self) -> _State:
        return _State(*_VALUES(self))


_VALUES = attrgetter(*[each.name for each in fields(_State)])


@dataclass(slots=True)
class Drawing:
    """Everything drawn until `until`, a `time.thread_time` value."""

    until: float
    limits: PageLimits = AT_LENGTH
    pieces: list[Piece] = field(default_factory=list)
    pictures: list[Matrix] = field(default_factory=list)
    unread: bool = False
    _steps: int = 0
    _octets: int = 0
    _fonts: dict[int, TextFont] = field(default_factory=dict)

    def page(self, page: PageObject) -> None:
        content = whole(page.get("/Contents"))
        if isinstance(content, ArrayObject | StreamObject):
            self._draw(content, page.pdf, _resources(page), _State(), 0)

    def form(self, look: StreamObject, page: PageObject, matrix: Matrix) -> None:
        """A form that is drawn with this matrix before its own."""
        self._form(look, page.pdf, _resources(page), _State(matrix=matrix), 0)

    def _form(self, look: StreamObject, pdf: Any, outer: DictionaryObject, state: _State, depth: int) -> None:
        own = look.get("/Matrix")
        inner = tuple(float(each) for each in own.get_object()) if own is not None else UNIT
        if len(inner) == 6:
            state = replace(state, matrix=product(inner, state.matrix))
        self._draw(look, pdf, _resources(look) or outer, state, depth + 1)

    def _draw(self, content: Any, pdf: Any, resources: DictionaryObject, state: _State, depth: int) -> None:
        kept: list[_State] = []
        pen = _Pen(self, state)

        def follow(operands: Any, operator: bytes) -> None:
            self.step()
            if operator == b"q" and len(kept) < 100:
                kept.append(pen.state.copy())
            elif operator == b"Q" and kept:
                pen.state = kept.pop()
            elif operator == b"Do" and depth < _DEEPEST:
                self._object(operands[0], pdf, resources, pen.state, depth)
            elif operator == b"Tf":
                pen.state.font = self._font(resources, operands[0])
                pen.state.size = float(operands[1])
            else:
                pen.hear(operator, operands)

        octets, is_whole = self._content(content, pdf)
        with suppress(*() if is_whole else LIBRARY):  # what was cut ends anywhere
            tell_operators(octets, follow)
        if not is_whole:
            raise EnoughError

    def _content(self, content: Any, pdf: Any) -> tuple[bytes, bool]:
        """As much of it as may still be read, and whether that is all."""
        most = self.limits.octets
        try:
            # These two the library unpacks slowly.
            with apply_configuration(lzw_maximum_output_length=most, run_length_maximum_output_length=most):
                octets = ContentStream(content, pdf).get_data()
        except LimitReachedError as why:
            raise EnoughError from why
        left = most - self._octets
        self._octets += len(octets)
        return octets[:left], len(octets) <= left

    def _object(self, name: Any, pdf: Any, resources: DictionaryObject, state: _State, depth: int) -> None:
        one = _named(resources, "/XObject", name)
        if not isinstance(one, StreamObject):
            return
        if one.get("/Subtype") == "/Image":
            self.pictures.append(state.matrix)
        elif one.get("/Subtype") == "/Form":
            self._form(one, pdf, resources, state.copy(), depth)

    def _font(self, resources: DictionaryObject, name: Any) -> TextFont | None:
        told = _named(resources, "/Font", name)
        if not isinstance(told, DictionaryObject):
            return None
        if id(told) not in self._fonts:
            if len(self._fonts) >= MOST_FONTS:
                raise EnoughError
            self._fonts[id(told)] = TextFont.of(told)
        return self._fonts[id(told)]

    def step(self) -> None:
        self._steps += 1
        if self._steps > self.limits.steps or (self._steps % 64 == 0 and time.thread_time() > self.until):
            raise EnoughError


_NUMBERS = {b"Tc": "letter_gap", b"Tw": "word_gap", b"TL": "leading", b"Ts": "rise"}


class _Pen:
    """The state of text while one stream is drawn."""

    def __init__(self, drawing: Drawing, state: _State) -> None:
        self._drawing = drawing
        self.state = state
        self._at: Matrix = UNIT
        self._line: Matrix = UNIT

    def hear(self, operator: bytes, operands: Any) -> None:
        """Any operator; those that say nothing of text are passed over."""
        match operator:
            case b"cm":
                self.state.matrix = product(_six(operands), self.state.matrix)
            case b"BT":
                self._at = self._line = UNIT
            case b"Td" | b"TD":
                if operator == b"TD":
                    self.state.leading = -float(operands[1])
                self._move(float(operands[0]), float(operands[1]))
            case b"Tm":
                self._at = self._line = _six(operands)
            case b"T*":
                self._move(0.0, -self.state.leading)
            case b"Tj":
                self._show([operands[0]])
            case b"TJ":
                self._show(operands[0])
            case b"'" | b'"':
                if operator == b'"':
                    self.state.word_gap, self.state.letter_gap = float(operands[0]), float(operands[1])
                self._move(0.0, -self.state.leading)
                self._show([operands[-1]])
            case _:
                self._set(operator, operands)

    def _set(self, operator: bytes, operands: Any) -> None:
        if (name := _NUMBERS.get(operator)) is not None:
            setattr(self.state, name, float(operands[0]))
        elif operator == b"Tz":
            self.state.stretch = float(operands[0]) / 100
        elif operator == b"Tr":
            self.state.mode = int(operands[0])

    def _move(self, right: float, up: float) -> None:
        self._line = self._at = product((1.0, 0.0, 0.0, 1.0, right, up), self._line)

    def _show(self, parts: Any) -> None:
        """One piece; a wide gap inside it, or one back, begins another."""
        state = self.state
        if state.font is None or not state.size:
            return
        begun, text, wide, shaky = self._at, "", 0.0, False
        for part in parts if isinstance(parts, list | ArrayObject) else ():
            self._drawing.step()
            if isinstance(part, bytes):
                said, length, guessed = self._measured(part, state.font)
                text, wide, shaky = text + said, wide + length, shaky or guessed
                continue
            step = -float(part) / 1000 * state.size * state.stretch
            if step > 0.15 * state.size or step < -0.3 * state.size:
                self._keep(begun, text, wide, shaky)
                begun = product((1.0, 0.0, 0.0, 1.0, wide + step, 0.0), begun)
                text, wide, shaky = "", 0.0, False
            else:
                wide += step
        self._keep(begun, text, wide, shaky)
        self._at = product((1.0, 0.0, 0.0, 1.0, wide, 0.0), begun)

    def _measured(self, part: bytes, font: TextFont) -> tuple[str, float, bool]:
        if font.known is None:
            self._drawing.unread = True
            return "", len(part) / font.octets * _CHARACTER * self.state.size * self.state.stretch, False
        state, text, wide, guessed = self.state, [], 0.0, False
        for said, width, code in _letters(font.known, part):
            text.append(said)
            guessed = guessed or not said
            gap = state.letter_gap + (state.word_gap if code == " " else 0.0)
            wide += (width / 1000 * state.size + gap) * state.stretch
        return "".join(text), wide, guessed

    def _keep(self, begun: Matrix, text: str, wide: float, shaky: bool) -> None:
        if not text and not wide:
            return
        state = self.state
        held = text
        if not text.isprintable():
            held = "".join(each for each in text if unicodedata.category(each) not in ("Cc", "Cf"))
        matrix = product(product((1.0, 0.0, 0.0, 1.0, 0.0, state.rise), begun), state.matrix)
        self._drawing.pieces.append(
            Piece(
                text=held,
                matrix=matrix,
                wide=wide,
                high=state.size,
                bold=(state.font is not None and state.font.bold) or state.mode == _BOLD_BY_LINE,
                invisible=state.mode == _INVISIBLE,
                shaky=shaky,
            )
        )


def product(a: Sequence[float], b: Sequence[float]) -> Matrix:
    return (
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
        a[4] * b[0] + a[5] * b[2] + b[4],
        a[4] * b[1] + a[5] * b[3] + b[5],
    )


def _six(operands: Any) -> Matrix:
    told = tuple(map(float, operands))
    if len(told) != 6:
        raise ValueError("a matrix has six numbers")
    return told


def _resources(holder: DictionaryObject) -> DictionaryObject:
    told = whole(holder.get("/Resources"))
    return told if isinstance(told, DictionaryObject) else DictionaryObject()


def _named(resources: DictionaryObject, kind: str, name: Any) -> Any:
    return whole(resources.get(kind, DictionaryObject()).get_object().get(name))


def whole(value: Any) -> Any:  # Any: the library's own value, of any kind
    """What a reference leads to."""
    return value.get_object() if value is not None else None
