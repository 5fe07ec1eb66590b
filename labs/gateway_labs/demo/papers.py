"""The demonstration's documents on paper: their words, and the PDF that they are printed as. In: the cast's words, a key, a
day. Out: a PDF, the same for the same words, and the area where a person signs.

Number, date and subject on the page are those of the metadata. The form is that of Decree 30: head, addressees, text,
recipients, signer. The PDF is lines of text in the one bundled font, as a word processor leaves it: letters that can be
read out again; bold and slanted type uses the same letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from io import BytesIO
from typing import Any

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from gateway.domain.pdf import Area
from gateway.trust.pdf_signing.appearance import FONT
from gateway_labs.words import paper as words

WIDTH, HEIGHT = 595, 842
_SLANT = 0.21
_STROKE = 0.028  # of the type size: thickness of the lines of bold type
_MARGIN_LEFT, _RIGHT, _TOP, _BOTTOM = 85.0, 547.0, 62.0, HEIGHT - 62.0
_COLUMN, _OTHER, _SIGNS = 172.0, 410.0, 430.0
_COLUMN_WIDE = 175.0
_MIDDLE = (_MARGIN_LEFT + _RIGHT) / 2
_INDENT, _LEADING = 28.0, 18.0
_GAP = 74.0  # for the signature, between the title and the name
_HAND = (128.0, 62.0)
# The cast's file: words under words.
Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnLine:
    """One line of text: where its baseline begins (or its middle, where `centred`), in points from the upper left corner;
    `gap` is added to every blank in it."""

    words: str
    across: float
    down: float
    size: float = 13.0
    bold: bool = False
    slanted: bool = False
    centred: bool = False
    gap: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledLine:
    """A thin line between two places on one height."""

    x_left: float
    right: float
    down: float


Drawn = DrawnLine | RuledLine


def width_of(words: str, size: float) -> float:
    return float(pdfmetrics.stringWidth(words, _font(), size))


@cache
def _font() -> str:
    """Return the library's name of the one font."""
    pdfmetrics.registerFont(TTFont("Paper", str(FONT)))
    return "Paper"


def pdf(pages: Sequence[Sequence[Drawn]], title: str) -> bytes:
    """Make a PDF of these pages, without the time of its making."""
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=(WIDTH, HEIGHT), invariant=1, pageCompression=1, initialFontName=_font())
    canvas.setTitle(title)
    for drawn in pages:
        for item_drawn in drawn:
            _draw(canvas, item_drawn)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _draw(canvas: Canvas, line: Drawn) -> None:
    if isinstance(line, RuledLine):
        canvas.setLineWidth(0.7)
        canvas.line(line.x_left, HEIGHT - line.down, line.right, HEIGHT - line.down)
    elif line.gap:
        at = line.across
        for word in line.words.split(" "):
            _show(canvas, line, word, at)
            at += width_of(word + " ", line.size) + line.gap
    else:
        middle = width_of(line.words, line.size) / 2 if line.centred else 0.0
        _show(canvas, line, line.words, line.across - middle)


def _show(canvas: Canvas, line: DrawnLine, words: str, across: float) -> None:
    canvas.saveState()  # else the way to draw letters would stay after the text
    canvas.setLineWidth(line.size * _STROKE)
    text = canvas.beginText()
    text.setFont(_font(), line.size)
    text.setTextRenderMode(2 if line.bold else 0)
    text.setTextTransform(1, 0, _SLANT if line.slanted else 0, 1, across, HEIGHT - line.down)
    text.textOut(words)
    canvas.drawText(text)
    canvas.restoreState()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """Content of a document on paper. Of a letter `heading` is empty and `subject` goes under the number; `urgent` is the
    stamp of urgency; `positions` are the lines over the signer's name."""

    issuer: tuple[str, ...]
    number: str
    symbol: str
    place: str
    day: date
    subject: str
    body: tuple[str, ...]
    signer: str
    positions: tuple[str, ...]
    above: str = ""
    heading: str = ""
    urgent: str = ""
    addressed: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        return f"{self.number or '        '}/{self.symbol}"

    @property
    def dated(self) -> str:
        return words.DATED.format(day=self.day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """The PDF, and the page and area that a person signs in."""

    pdf: bytes
    page: int
    area: Area


@dataclass(slots=True)
class _Sheet:
    """Lines put below one another; the overflow goes on the next page."""

    pages: list[list[Drawn]] = field(default_factory=lambda: [[]])
    down: float = _TOP

    def draw(self, *drawn: Drawn) -> None:
        self.pages[-1] += drawn

    def room(self, high: float) -> None:
        if self.down + high > _BOTTOM:
            self.pages.append([])
            self.down = _TOP + 20
            number = str(len(self.pages))
            self.draw(DrawnLine(words=number, across=_MIDDLE, down=_TOP - 10, centred=True))

    def paragraph(self, text: str) -> None:
        lines = list(_wrapped(text, 13.0, _RIGHT - _MARGIN_LEFT, first=_RIGHT - _MARGIN_LEFT - _INDENT))
        for n, line in enumerate(lines):
            self.room(_LEADING)
            across = _MARGIN_LEFT + (0 if n else _INDENT)
            blanks = line.count(" ")
            spare = _RIGHT - across - width_of(line, 13.0)
            gap = spare / blanks if blanks and n < len(lines) - 1 else 0.0
            self.draw(DrawnLine(words=line, across=across, down=self.down, gap=gap))
            self.down += _LEADING
        self.down += 4

    def middle(self, text: str, size: float = 13.0, *, bold: bool = True, wide: float = 400.0) -> None:
        for line in _wrapped(text, size, wide):
            self.draw(
                DrawnLine(words=line, across=_MIDDLE, down=self.down, size=size, bold=bold, centred=True)
            )
            self.down += size * 1.3


def printed(paper: Paper) -> Printed:
    """Print the document on as many pages as it takes."""
    sheet = _Sheet()
    _head(sheet, paper)
    if len(paper.addressed) == 1:
        sheet.middle(f"{words.ADDRESSED} {paper.addressed[0]}.", bold=False)
    elif paper.addressed:
        sheet.draw(DrawnLine(words=words.ADDRESSED, across=200, down=sheet.down))
        for n, text in enumerate(paper.addressed, start=1):
            end = "." if n == len(paper.addressed) else ";"
            sheet.down += _LEADING
            sheet.draw(DrawnLine(words=f"- {text}{end}", across=232, down=sheet.down))
        sheet.down += _LEADING
    sheet.down += 8
    for text in paper.body:
        sheet.paragraph(text)
    area = _foot(sheet, paper)
    title = words.TITLE.format(kind=paper.heading.capitalize() or words.LETTER, code=paper.code)
    return Printed(pdf=pdf(sheet.pages, title), page=len(sheet.pages), area=area)


def appendix(paper: Paper, kind: str, body: Sequence[str]) -> bytes:
    """Print an appendix that names the document which it belongs to."""
    sheet = _Sheet()
    sheet.middle(words.APPENDIX)
    issuer = " ".join(paper.issuer).capitalize()
    note = words.APPENDIX_OF.format(kind=kind, code=paper.code, dated=paper.dated, issuer=issuer)
    for text in _wrapped(note, 12.0, 420):
        sheet.draw(
            DrawnLine(words=text, across=_MIDDLE, down=sheet.down, size=12, slanted=True, centred=True)
        )
        sheet.down += 16
    sheet.down += 14
    for text in body:
        sheet.paragraph(text)
    return pdf(sheet.pages, words.APPENDIX.capitalize())


def _head(sheet: _Sheet, paper: Paper) -> None:
    down = _TOP
    if paper.above:
        sheet.draw(DrawnLine(words=paper.above, across=_COLUMN, down=down, size=12, centred=True))
        down += 15
    for line in paper.issuer:
        sheet.draw(DrawnLine(words=line, across=_COLUMN, down=down, size=12, bold=True, centred=True))
        down += 15
    sheet.draw(RuledLine(x_left=_COLUMN - 32, right=_COLUMN + 32, down=down - 8))
    down += 10
    sheet.draw(DrawnLine(words=words.NUMBER.format(code=paper.code), across=_COLUMN, down=down, centred=True))
    if not paper.heading:
        for line in _wrapped(paper.subject, 12.0, _COLUMN_WIDE):
            down += 15
            sheet.draw(DrawnLine(words=line, across=_COLUMN, down=down, size=12, centred=True))
    if paper.urgent:
        down += 24
        sheet.draw(DrawnLine(words=paper.urgent, across=_COLUMN, down=down, bold=True, centred=True))
    sheet.draw(
        DrawnLine(words=words.MOTTO[0], across=_OTHER, down=_TOP, size=12, bold=True, centred=True),
        DrawnLine(words=words.MOTTO[1], across=_OTHER, down=_TOP + 16, bold=True, centred=True),
        RuledLine(x_left=_OTHER - 82, right=_OTHER + 82, down=_TOP + 22),
        DrawnLine(
            words=f"{paper.place}, {paper.dated}", across=_OTHER, down=_TOP + 42, slanted=True, centred=True
        ),
    )
    sheet.down = max(down, _TOP + 42) + 36
    if paper.heading:
        sheet.middle(paper.heading, 14)
        sheet.middle(paper.subject, 14)
        sheet.draw(RuledLine(x_left=_MIDDLE - 50, right=_MIDDLE + 50, down=sheet.down - 6))
        sheet.down += 22


def _foot(sheet: _Sheet, paper: Paper) -> Area:
    """Draw recipients at the left, the signer at the right, on one page; return the area of the signature."""
    sheet.room(max(30 + 13 * len(paper.recipients), 30 + 16 * len(paper.positions) + _GAP))
    top = sheet.down + 16
    sheet.draw(
        DrawnLine(words=words.RECIPIENTS, across=_MARGIN_LEFT, down=top, size=12, bold=True, slanted=True)
    )
    for n, text in enumerate(paper.recipients, start=1):
        end = "." if n == len(paper.recipients) else ";"
        sheet.draw(DrawnLine(words=f"- {text}{end}", across=_MARGIN_LEFT, down=top + 14 * n, size=11))
    down = top
    for text in paper.positions:
        sheet.draw(DrawnLine(words=text, across=_SIGNS, down=down, bold=True, centred=True))
        down += 16
    wide, high = _HAND
    area = Area(left=_SIGNS - wide / 2, top=down - 10, width=wide, height=high)
    sheet.draw(DrawnLine(words=paper.signer, across=_SIGNS, down=down + _GAP - 16, bold=True, centred=True))
    return area


def _wrapped(text: str, size: float, wide: float, first: float | None = None) -> Iterator[str]:
    line, room = "", wide if first is None else first
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and width_of(longer, size) > room:
            yield line
            line, room = word, wide
        else:
            line = longer
    if line:
        yield line


def paper_of(data: Data, key: str, day: date, **changed: str) -> Paper:
    """Make the document under that key; `changed` are its fields where a draft has others."""
    document = {**data["documents"][key], **changed}
    actor = document.get("from", "province")
    name, title, competence = document["signer"]
    receivers = tuple(data[x]["name"] for x in document["to"])
    kind, is_letter = document["type"], document["type"] == words.LETTER
    head, subject = data["heads"][actor], summarize_subject(document["subject"], kind)
    return Paper(
        above=head["above"],
        issuer=tuple(head["issuer"]),
        number=document["number"],
        symbol=document["symbol"],
        place=data["words"]["place"],
        day=day,
        heading="" if is_letter else kind.upper(),
        subject=document["subject"] if is_letter else subject[:1].upper() + subject[1:],
        urgent=words.EXPRESS if document.get("express") else "",
        addressed=receivers if kind in words.WITH_ADDRESSEE else (),
        body=_filled(data["bodies"][kind], agency=data[actor]["name"], about=subject),
        recipients=(
            *((words.AS_ABOVE,) if is_letter else receivers),
            words.FILED.format(units=head["filed"]),
        ),
        positions=tuple(x.upper() for x in (competence, title) if x),
        signer=name,
    )


def summarize_subject(subject: str, kind: str) -> str:
    """Return the matter alone, without the words that name the type or lead in."""
    for lead in (words.SUBJECT_PREFIX, f"{kind} "):
        subject = subject.removeprefix(lead)
    return subject


def appendix_of(data: Data, key: str, day: date) -> bytes:
    """Print the appendix of that document."""
    return appendix(paper_of(data, key, day), data["documents"][key]["type"], data["bodies"]["appendix"])


def from_outside(data: Data, row: Data, day: date, receiver: str) -> Paper:
    """Make a letter of a sender on no node, as it came on paper."""
    return Paper(
        issuer=(row["sender"].upper(),),
        number=row["number"],
        symbol=row["symbol"],
        place=data["words"]["place"],
        day=day,
        subject=row["subject"],
        addressed=(data[receiver]["name"],),
        body=_filled(data["bodies"]["letter"], agency=row["sender"]),
        recipients=(words.AS_ABOVE, words.FILED.format(units="VT")),
        positions=(words.DIRECTOR,),
        signer=row["signer"],
    )


def _filled(lines: list[str], **fields: str) -> tuple[str, ...]:
    return tuple(line.format(**fields) for line in lines)
