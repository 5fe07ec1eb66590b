"""Interprets the drawing operators of a PDF page that concern text, and decodes the codes shown into letters, where the
font says which letters they are. In: a page or a form. Out: pieces of text, each with its matrix, width and way of
drawing; and the matrices of pictures. Each operator is executed as soon as it is parsed, so that the limits of steps and
bytes and the deadline bound the parsing too. Runs of operators that draw lines and areas or set colours, which do not
matter for text, are skipped by one pattern. Parsing is linear in the bytes of the content, whatever they are. Pieces in
a font that does not say its letters have no text: nothing is guessed. Part of `trust.pdf_layout`."""

from __future__ import annotations

import re
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

from gateway import time_source
from gateway.trust.pdf import LIBRARY

# Any: operands of a malformed file can be of any kind
Follow = Callable[[list[Any], bytes], None]

_BLANK = rb"[\x00\t-\r ]"
_REGULAR = rb"[^\x00\t-\r ()<>\[\]{}/%]"
_NUMBER_FORM = rb"[-+.0-9]++"
_NAME_FORM = rb"/" + _REGULAR + rb"*+"
_PASSED_OVER = (
    rb"(?:[cmlvyhSsnwWBbfFJjMigGkK]|re|[fBbW]\*|rg|RG|scn?|SCN?|cs|CS|gs|ri|sh|BMC|EMC|MP)"
    rb"(?!" + _REGULAR + rb")"
)
# Every repetition is possessive, so the pattern never backtracks.
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
_LONGEST_NAME = 128  # longer names occur in no sound file and are not cached
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|\r\n?|\n|(.))", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_INSIDE = re.compile(rb"(?:[^()\\]++|\\.)*+([()])", re.DOTALL)
# After the end of a picture come operators; the same letters inside a picture are followed by any bytes.
_IMAGE_END = re.compile(
    rb"[\x00\t-\r >]EI(?=" + _BLANK + rb"|\Z)(?=[\x00\t-\r -~]{12}|[\x00\t-\r -~]{0,11}\Z)"
)
_USUAL_WIDTH = 500.0  # in thousandths of the type size; used where a font gives no width
_BLACK = 600
_FORCE_BOLD = 1 << 18
_SYMBOLIC = 1 << 2
MOST_FONTS = 200
_DEEPEST = 8
_INVISIBLE = 3
_BOLD_BY_LINE = 2  # filled and stroked, as word processors embolden a font that has no bold
# Width of a character in type sizes where the font gives none: about the widest mean of a line of Vietnamese.
_CHARACTER = 0.55
Matrix = tuple[float, ...]
UNIT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_NUMBERS = {b"Tc": "letter_gap", b"Tw": "word_gap", b"TL": "leading", b"Ts": "rise"}


def follow_operators(content: bytes, follow: Follow) -> None:
    """Call `follow` with the operands and name of each operator. Raise ValueError for malformed content, or the
    library's own error for a malformed name."""
    at, operands, outer = 0, list[Any](), list[list[Any]]()
    while (token := _TOKEN.match(content, at)) is not None:
        at, kind = token.end(), token.lastindex
        if kind == _NUMBER:
            operands.append(_parse_number(token[_NUMBER]))
        elif kind == _OPERATOR:
            if outer:  # true, false or null
                continue
            follow(operands, token[_OPERATOR])
            operands = []
            if token[_OPERATOR] == b"ID":
                at = _skip_image(content, at)
        elif kind == _TEXT:
            operands.append(_unescape(token[_TEXT]))
        elif kind is None:
            operands = []
        elif kind == _NAME:
            operands.append(_parse_name(token[_NAME]))
        elif kind == _HEX:
            operands.append(_parse_hex(token[_HEX]))
        elif kind == _OPENED:
            outer.append(operands)
            operands = []
        elif kind == _CLOSED:
            if not outer:
                raise ValueError("an array or dictionary ends that did not begin")
            array, operands = operands, outer.pop()
            operands.append(array if token[_CLOSED] == b"]" else None)
        elif kind == _NESTED:
            text, at = _read_nested(content, at)
            operands.append(_unescape(text))
        elif outer:
            raise ValueError("an array or dictionary has no end")
        else:
            return
    raise ValueError("neither an operator nor an operand")


def _parse_number(token: bytes) -> float:
    """Return the number; signs and points in odd places give zero, as in the library."""
    try:
        return float(token)
    except ValueError:
        return 0.0


def _parse_name(token: bytes) -> str:
    """Return the name as the library spells the names of fonts and pictures."""
    return _short_name(token) if len(token) <= _LONGEST_NAME else _read_name(token)


def _read_name(token: bytes) -> str:
    return NameObject.read_from_stream(BytesIO(token), _Lenient)


_short_name = lru_cache(maxsize=1024)(_read_name)


class _Lenient:
    """Reader settings that the library expects when it parses a name."""

    strict = False


def _parse_hex(token: bytes) -> bytes:
    digits = token.translate(None, b"\x00\t\n\x0b\x0c\r ")
    return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))


def _unescape(text: bytes) -> bytes:
    return _ESCAPE.sub(_replace_escape, text) if b"\\" in text else text


def _replace_escape(match: re.Match[bytes]) -> bytes:
    octal, sign = match.groups()
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    return _ESCAPES.get(sign, sign) if sign is not None else b""  # a line break that is not part of the text


def _read_nested(content: bytes, begins: int) -> tuple[bytes, int]:
    """Return a text that contains parentheses, still escaped, and the position of its end."""
    depth, at = 1, begins
    while depth:
        match = _INSIDE.match(content, at)
        if match is None:
            raise ValueError("a text has no end")
        at = match.end()
        depth += 1 if match[1] == b"(" else -1
    return content[begins : at - 1], at


def _skip_image(content: bytes, begins: int) -> int:
    match = _IMAGE_END.search(content, begins)
    if match is None:
        raise ValueError("a picture in the content has no end")
    return match.end()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFont:
    """Decoder of one font's codes. `font` is None where the font does not say its letters; `octets` is a code's usual
    length."""

    bold: bool
    octets: int
    font: Font | None = None

    @classmethod
    def from_resource(cls, resource: DictionaryObject) -> TextFont:
        """Make the decoder of a font; a malformed font gives one without letters."""
        font = None
        with suppress(*LIBRARY):
            font = Font.from_font_resource(resource) if _tells_letters(resource) else None
        is_known = font is not None and font.interpretable
        octets = 2 if resource.get("/Subtype") == "/Type0" else 1
        return cls(bold=_is_bold(resource), octets=octets, font=font if is_known else None)


def _decode(font: Font, codes: bytes) -> Iterator[tuple[str, float, str]]:
    """Yield letters, width (in thousandths) and code of each code in `codes`; the letters are empty where unknown."""
    codec = font.encoding if isinstance(font.encoding, str) else None
    table = font.encoding if isinstance(font.encoding, dict) else {}
    usual = font.character_widths.get("default", _USUAL_WIDTH)
    for code in codes.decode(codec, "replace") if codec else map(chr, codes):
        character = code if codec else table.get(ord(code), code)
        letters = font.character_map.get(character)
        if letters is None:
            letters = "" if codec and font.character_map else character
        yield letters, font.character_widths.get(code, usual), code


def _tells_letters(font: DictionaryObject) -> bool:
    if "/ToUnicode" in font:
        return True
    encoding = font.get("/Encoding")
    if font.get("/Subtype") == "/Type0":
        # Codes of such a font are glyph numbers, unless its encoding names a Unicode code page.
        return isinstance(encoding, str) and ("UCS2" in encoding or "UTF16" in encoding)
    if isinstance(encoding, DictionaryObject):
        differences = encoding.get("/Differences", ArrayObject()).get_object()
        return all(x in adobe_glyphs for x in differences if isinstance(x, str))
    if isinstance(encoding, str):
        return True
    return not _flags(font) & _SYMBOLIC


def _is_bold(font: DictionaryObject) -> bool:
    try:
        name = str(font.get("/BaseFont", "")).casefold()
        descriptor = _descriptor(font)
        weight = descriptor.get("/FontWeight", 400)
        stemmed = isinstance(weight, int | float) and weight >= _BLACK
        return "bold" in name or "black" in name or stemmed or bool(_flags(font) & _FORCE_BOLD)
    except LIBRARY:
        return False


def _flags(font: DictionaryObject) -> int:
    flags = _descriptor(font).get("/Flags", 0)
    return flags if isinstance(flags, int) else 0


def _descriptor(font: DictionaryObject) -> DictionaryObject:
    descendants = resolve(font.get("/DescendantFonts"))
    holder = descendants[0].get_object() if isinstance(descendants, ArrayObject) and descendants else font
    descriptor = resolve(holder.get("/FontDescriptor")) if isinstance(holder, DictionaryObject) else None
    return descriptor if isinstance(descriptor, DictionaryObject) else DictionaryObject()


class EnoughError(Exception):
    """Signal that the deadline has passed, or that a limit of the content was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLimits:
    """Limits on the content of a page and the forms in it: `octets` are its bytes; `steps` its text operators, and parts
    of lines shown in parts."""

    octets: int
    steps: int


IN_PASSING = PageLimits(octets=512 * 1024, steps=15_000)
"""For a document that waits for it."""
AT_LENGTH = PageLimits(octets=4 * 1024 * 1024, steps=300_000)
"""For a person who asked for it, in a process of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text drawn at once, empty where its letters are unknown; `wide` and `high` are in the units of the matrix.
    `shaky`: some letters are missing."""

    text: str
    matrix: Matrix
    wide: float
    high: float
    bold: bool
    invisible: bool
    shaky: bool


@dataclass(slots=True)
class _State:
    """Graphics state that the operators q and Q save and restore."""

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
        return _State(*_STATE_FIELDS(self))


_STATE_FIELDS = attrgetter(*[f.name for f in fields(_State)])


@dataclass(slots=True)
class Drawing:
    """Text and pictures collected from pages and forms until `deadline`, a `time_source.thread_time` value."""

    deadline: float
    limits: PageLimits = AT_LENGTH
    pieces: list[Piece] = field(default_factory=list)
    pictures: list[Matrix] = field(default_factory=list)
    unread: bool = False
    _steps: int = 0
    _octets_read: int = 0
    _fonts: dict[int, TextFont] = field(default_factory=dict)

    def page(self, page: PageObject) -> None:
        content = resolve(page.get("/Contents"))
        if isinstance(content, ArrayObject | StreamObject):
            self._draw(content, page.pdf, _resources(page), _State(), 0)

    def form(self, look: StreamObject, page: PageObject, matrix: Matrix) -> None:
        """Collect from a form as if it were drawn with this matrix."""
        self._form(look, page.pdf, _resources(page), _State(matrix=matrix), 0)

    def _form(self, look: StreamObject, pdf: Any, outer: DictionaryObject, state: _State, depth: int) -> None:
        own = look.get("/Matrix")
        inner = tuple(float(n) for n in own.get_object()) if own is not None else UNIT
        if len(inner) == 6:
            state = replace(state, matrix=product(inner, state.matrix))
        self._draw(look, pdf, _resources(look) or outer, state, depth + 1)

    def _draw(self, content: Any, pdf: Any, resources: DictionaryObject, state: _State, depth: int) -> None:
        saved_states: list[_State] = []
        pen = _Pen(self, state)

        def follow(operands: Any, operator: bytes) -> None:
            self.step()
            if operator == b"q" and len(saved_states) < 100:
                saved_states.append(pen.state.copy())
            elif operator == b"Q" and saved_states:
                pen.state = saved_states.pop()
            elif operator == b"Do" and depth < _DEEPEST:
                self._object(operands[0], pdf, resources, pen.state, depth)
            elif operator == b"Tf":
                pen.state.font = self._font(resources, operands[0])
                pen.state.size = float(operands[1])
            else:
                pen.follow(operator, operands)

        octets, is_whole = self._content(content, pdf)
        with suppress(*() if is_whole else LIBRARY):  # cut content can end inside an operator
            follow_operators(octets, follow)
        if not is_whole:
            raise EnoughError

    def _content(self, content: Any, pdf: Any) -> tuple[bytes, bool]:
        """Return as much of the content as the limit allows, and whether that is all of it."""
        most = self.limits.octets
        try:
            # The library decompresses these two formats slowly.
            with apply_configuration(lzw_maximum_output_length=most, run_length_maximum_output_length=most):
                octets = ContentStream(content, pdf).get_data()
        except LimitReachedError as why:
            raise EnoughError from why
        remaining = most - self._octets_read
        self._octets_read += len(octets)
        return octets[:remaining], len(octets) <= remaining

    def _object(self, name: Any, pdf: Any, resources: DictionaryObject, state: _State, depth: int) -> None:
        drawn = _find_resource(resources, "/XObject", name)
        if not isinstance(drawn, StreamObject):
            return
        if drawn.get("/Subtype") == "/Image":
            self.pictures.append(state.matrix)
        elif drawn.get("/Subtype") == "/Form":
            self._form(drawn, pdf, resources, state.copy(), depth)

    def _font(self, resources: DictionaryObject, name: Any) -> TextFont | None:
        font = _find_resource(resources, "/Font", name)
        if not isinstance(font, DictionaryObject):
            return None
        if id(font) not in self._fonts:
            if len(self._fonts) >= MOST_FONTS:
                raise EnoughError
            self._fonts[id(font)] = TextFont.from_resource(font)
        return self._fonts[id(font)]

    def step(self) -> None:
        self._steps += 1
        if self._steps > self.limits.steps or (
            self._steps % 64 == 0 and time_source.thread_time() > self.deadline
        ):
            raise EnoughError


class _Pen:
    """Text state while one stream is interpreted."""

    def __init__(self, drawing: Drawing, state: _State) -> None:
        self._drawing = drawing
        self.state = state
        self._at: Matrix = UNIT
        self._line: Matrix = UNIT

    def follow(self, operator: bytes, operands: Any) -> None:
        """Execute one operator; ignore those that do not concern text."""
        match operator:
            case b"cm":
                self.state.matrix = product(_parse_matrix(operands), self.state.matrix)
            case b"BT":
                self._at = self._line = UNIT
            case b"Td" | b"TD":
                if operator == b"TD":
                    self.state.leading = -float(operands[1])
                self._move(float(operands[0]), float(operands[1]))
            case b"Tm":
                self._at = self._line = _parse_matrix(operands)
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
        """Add the text as one piece; a wide gap in it, or a step back, begins a new piece."""
        state = self.state
        if state.font is None or not state.size:
            return
        start, text, wide, shaky = self._at, "", 0.0, False
        for part in parts if isinstance(parts, list | ArrayObject) else ():
            self._drawing.step()
            if isinstance(part, bytes):
                letters, length, guessed = self._measure(part, state.font)
                text, wide, shaky = text + letters, wide + length, shaky or guessed
                continue
            step = -float(part) / 1000 * state.size * state.stretch
            if step > 0.15 * state.size or step < -0.3 * state.size:
                self._keep(start, text, wide, shaky)
                start = product((1.0, 0.0, 0.0, 1.0, wide + step, 0.0), start)
                text, wide, shaky = "", 0.0, False
            else:
                wide += step
        self._keep(start, text, wide, shaky)
        self._at = product((1.0, 0.0, 0.0, 1.0, wide, 0.0), start)

    def _measure(self, part: bytes, font: TextFont) -> tuple[str, float, bool]:
        if font.font is None:
            self._drawing.unread = True
            return "", len(part) / font.octets * _CHARACTER * self.state.size * self.state.stretch, False
        state, text, wide, guessed = self.state, [], 0.0, False
        for letters, width, code in _decode(font.font, part):
            text.append(letters)
            guessed = guessed or not letters
            gap = state.letter_gap + (state.word_gap if code == " " else 0.0)
            wide += (width / 1000 * state.size + gap) * state.stretch
        return "".join(text), wide, guessed

    def _keep(self, start: Matrix, text: str, wide: float, shaky: bool) -> None:
        if not text and not wide:
            return
        state = self.state
        printable = text
        if not text.isprintable():
            printable = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf"))
        matrix = product(product((1.0, 0.0, 0.0, 1.0, 0.0, state.rise), start), state.matrix)
        self._drawing.pieces.append(
            Piece(
                text=printable,
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


def _parse_matrix(operands: Any) -> Matrix:
    numbers = tuple(map(float, operands))
    if len(numbers) != 6:
        raise ValueError("a matrix has six numbers")
    return numbers


def _resources(holder: DictionaryObject) -> DictionaryObject:
    resources = resolve(holder.get("/Resources"))
    return resources if isinstance(resources, DictionaryObject) else DictionaryObject()


def _find_resource(resources: DictionaryObject, kind: str, name: Any) -> Any:
    return resolve(resources.get(kind, DictionaryObject()).get_object().get(name))


def resolve(value: Any) -> Any:  # Any: the library's own value, of any kind
    """Return the object behind a reference."""
    return value.get_object() if value is not None else None
