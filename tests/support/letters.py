"""Documents of many layouts for the reader of fields: pages written with an embedded font, as word processors and
scanners leave them. Invented agencies and persons; the content of each is declared beside it."""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from io import BytesIO

from fontTools import subset, ttLib

from gateway.trust.pdf_signing.appearance import FONT
from tests.support import pdfs
from tests.support.pdf_pages import A4
from tests.support.pdf_pki import agency, person, root

LETTERS = "".join(map(chr, [*range(32, 127), *range(0xC0, 0x1B1), *range(0x1EA0, 0x1EFA), 0x2013, 0x2026]))
MARKS = "\u0300\u0301\u0302\u0303\u0306\u0309\u031b\u0323"
MARGIN, RIGHT = 85.0, 547.0
COLUMN, OTHER = 180.0, 411.0  # the middles of the head's two columns
MIDDLE = (MARGIN + RIGHT) / 2
MOTTO = ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc")


@dataclass(frozen=True, slots=True)
class Text:
    """A line: where its baseline begins (from the top-left corner), or its middle."""

    words: str
    across: float
    down: float
    size: float = 13.0
    bold: bool = False
    centred: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Manner in which a program writes text into a PDF."""

    invisible: bool = False
    picture: bool = False  # over the whole page, as a scan
    to_unicode: bool = True
    marks_apart: bool = False  # each accent drawn after its letter, moved back over it
    marks_later: bool = False  # all accents of a line drawn when its letters are
    form: Callable[[str], str] = lambda text: unicodedata.normalize("NFC", text)
    jitter: float = 0.0
    by_word: bool = False


@cache
def _face() -> tuple[bytes, dict[str, int], dict[int, float]]:
    """The font with the letters that are used: its file, letter to glyph, glyph to width in thousandths."""
    font = ttLib.TTFont(FONT)
    options = subset.Options(
        hinting=False, layout_features=[], drop_tables=["FFTM", "GPOS", "GSUB", "GDEF", "kern"]
    )
    some = subset.Subsetter(options=options)
    some.populate(text=LETTERS + MARKS)
    some.subset(font)
    output = BytesIO()
    font.save(output)
    order = {name: n for n, name in enumerate(font.getGlyphOrder())}
    units = font["head"].unitsPerEm
    letters = {chr(code): order[name] for code, name in font.getBestCmap().items()}
    widths = {order[name]: font["hmtx"][name][0] * 1000 / units for name in order}
    return zlib.compress(output.getvalue()), letters, widths


def width_of(words: str, size: float) -> float:
    _, letters, widths = _face()
    return sum(0.0 if unicodedata.combining(e) else widths[letters[e]] for e in words) * size / 1000


def paper(pages: Sequence[Sequence[Text]], style: Style | None = None) -> bytes:
    """A PDF of these pages."""
    style = style or Style()
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    fonts = [_font(objects, bold=bold, to_unicode=style.to_unicode) for bold in (False, True)]
    picture = len(objects) + 1
    objects.append(
        _stream(
            b"\xff",
            b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8",
        )
    )
    kids = []
    for lines in pages:
        objects.append(_stream(_content(lines, style)))
        content = len(objects)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R /Resources << /Font "
            b"<< /F0 %d 0 R /F1 %d 0 R >> /XObject << /Im %d 0 R >> >> >>" % (*A4, content, *fonts, picture)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%b] /Count %d >>" % (b" ".join(kids), len(kids))
    return _file(objects)


def _font(objects: list[bytes], *, bold: bool, to_unicode: bool) -> int:
    file, letters, widths = _face()
    name = b"AAAAAA+LiberationSerif" + (b"-Bold" if bold else b"")
    objects.append(_stream(file, b"/Filter /FlateDecode", packed=True))
    objects.append(
        b"<< /Type /FontDescriptor /FontName /%b /Flags 4 /FontBBox [-200 -300 1100 1000] /ItalicAngle 0 "
        b"/Ascent 891 /Descent -216 /CapHeight 700 /StemV 80 /FontFile2 %d 0 R >>" % (name, len(objects))
    )
    width_rows = b" ".join(b"%d [%d]" % (glyph, round(wide)) for glyph, wide in sorted(widths.items()))
    objects.append(
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /%b /CIDSystemInfo << /Registry (Adobe) "
        b"/Ordering (Identity) /Supplement 0 >> /FontDescriptor %d 0 R /DW 500 /W [%b] /CIDToGIDMap /Identity >>"
        % (name, len(objects), width_rows)
    )
    below = len(objects)
    unicode_entry = b""
    if to_unicode:
        rows = [f"<{glyph:04X}> <{ord(letter):04X}>" for letter, glyph in sorted(letters.items())]
        parts = [rows[n : n + 100] for n in range(0, len(rows), 100)]
        table = "".join(f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar\n" for part in parts)
        objects.append(_stream(_CMAP % table.encode()))
        unicode_entry = b"/ToUnicode %d 0 R" % len(objects)
    objects.append(
        b"<< /Type /Font /Subtype /Type0 /BaseFont /%b /Encoding /Identity-H /DescendantFonts [%d 0 R] %b >>"
        % (name, below, unicode_entry)
    )
    return len(objects)


_CMAP = (
    b"/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /A def\n/CMapType 2 def\n"
    b"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n%bendcmap\nend\nend"
)


def _content(lines: Sequence[Text], style: Style) -> bytes:
    out = ["q 595 0 0 842 0 0 cm /Im Do Q"] if style.picture else []
    out.append("BT" + (" 3 Tr" if style.invisible else ""))
    for n, line in enumerate(lines):
        words = style.form(line.words)
        x = line.across - width_of(words, line.size) / 2 if line.centred else line.across
        down = line.down + style.jitter * (n % 3 - 1)
        for part, shift in _parts(words, line.size, style):
            out.append(
                f"/F{int(line.bold)} {line.size} Tf 1 0 0 1 {x + shift:.2f} {A4[1] - down:.2f} Tm {part}"
            )
    out.append("ET")
    return "\n".join(out).encode("ascii")


def _parts(words: str, size: float, style: Style) -> list[tuple[str, float]]:
    """List the pieces of text in the order of drawing, each with its distance from the start."""
    if style.by_word:
        shown_parts, at = [], 0.0
        for word in words.split(" "):
            shown_parts.append((_hex(word) + " Tj", at))
            at += width_of(word + " ", size)
        return shown_parts
    if style.marks_later:
        bare = "".join(c for c in words if not unicodedata.combining(c))
        shown_parts, at, marks = [(_hex(bare) + " Tj", 0.0)], 0.0, []
        for c in words:
            if unicodedata.combining(c):
                marks.append((_hex(c) + " Tj", at))
            else:
                at += width_of(c, size)
        return shown_parts + marks
    if style.marks_apart:
        return [
            (
                "["
                + "".join(_hex(e) if not unicodedata.combining(e) else f" 0 {_hex(e)} " for e in words)
                + "] TJ",
                0,
            )
        ]
    return [(_hex(words) + " Tj", 0.0)]


def _hex(words: str) -> str:
    _, letters, _ = _face()
    return "<" + "".join(f"{letters[c]:04X}" for c in words) + ">"


def _stream(octets: bytes, entries: bytes = b"", *, packed: bool = False) -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(octets), octets)


def _file(objects: Sequence[bytes]) -> bytes:
    content, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, x in enumerate(objects, start=1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, x)
    at = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % x for x in offsets)
    content += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, at)
    return bytes(content)


# --- documents ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Text of a document; its fields are the ones that a reader should find."""

    above: str = "UBND TỈNH SAO MAI"
    issuer: tuple[str, ...] = ("SỞ THỬ NGHIỆM",)
    number: str = "118"
    symbol: str = "STN-VP"
    place: str = "Sao Mai"
    issued_on: date = date(2026, 11, 18)
    heading: str | None = None
    subject: tuple[str, ...] = ("V/v phối hợp kiểm thử liên thông", "văn bản điện tử")
    addressed: str | None = "Kính gửi: Ủy ban nhân dân tỉnh Sao Mai."
    body: tuple[str, ...] = (
        "Thực hiện Công văn số 31/UBND-VP ngày 02 tháng 11 năm 2026 của Ủy ban nhân dân",
        "tỉnh về việc kiểm thử liên thông văn bản điện tử, Sở Thử nghiệm báo cáo như sau:",
        "Số 12/KH-STN ngày 05 tháng 11 năm 2026 đã được thực hiện đúng tiến độ.",
    )
    positions: tuple[str, ...] = ("KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC")
    signer: str = "Nguyễn Văn Mẫu"
    recipients: tuple[str, ...] = ("- Như trên;", "- Giám đốc Sở (để b/c);", "- Lưu: VT, VP.")

    @property
    def date_line(self) -> str:
        day = self.issued_on
        return f"{self.place}, ngày {day.day:02} tháng {day.month:02} năm {day.year}"


def page(letter: Letter, *, leading: float = 1.25, wraps_date: int | None = None) -> list[Text]:
    """The whole document on one page, in the layout of the decree."""
    lines = [Text(letter.above, COLUMN, 62, 12)]
    down = 62.0
    for part in letter.issuer:
        down += 15
        lines.append(Text(part, COLUMN, down, 12, bold=True))
    lines += [Text(MOTTO[0], OTHER, 62, 12, bold=True), Text(MOTTO[1], OTHER, 78, 13, bold=True)]
    down += 24
    lines.append(Text(f"Số: {letter.number}/{letter.symbol}", COLUMN, down))
    dated = [letter.date_line]
    if wraps_date is not None:
        words = letter.date_line.split()
        dated = [" ".join(words[:wraps_date]), " ".join(words[wraps_date:])]
    lines += [Text(part_of_date, OTHER, 102 + 16 * n) for n, part_of_date in enumerate(dated)]
    if letter.heading is None:
        for part in letter.subject:
            down += 15
            lines.append(Text(part, COLUMN, down, 12))
    else:
        down = max(down, 118) + 36
        lines.append(Text(letter.heading, MIDDLE, down, 14, bold=True))
        for part in letter.subject:
            down += 14 * leading
            lines.append(Text(part, MIDDLE, down, 14, bold=True))
    return lines + _body(letter, down + 32)


def _body(letter: Letter, down: float) -> list[Text]:
    lines = []
    if letter.addressed:
        lines.append(Text(letter.addressed, MIDDLE, down))
        down += 28
    for n, part in enumerate(letter.body):
        lines.append(Text(part, MARGIN + (28 if n % 2 == 0 else 0), down, centred=False))
        down += 18
    return lines + ending(letter, down + 24)


def ending(letter: Letter, down: float) -> list[Text]:
    """Recipients at the left, the signer at the right."""
    lines = [Text("Nơi nhận:", MARGIN, down, 12, bold=True, centred=False)]
    lines += [
        Text(e, MARGIN, down + 13 * (n + 1), 11, centred=False) for n, e in enumerate(letter.recipients)
    ]
    lines += [Text(e, 430, down + 16 * n, bold=True) for n, e in enumerate(letter.positions)]
    lines.append(Text(letter.signer, 430, down + 16 * len(letter.positions) + 72, bold=True))
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A signed PDF and what is in it. `blind`: nothing of the pages can be read."""

    name: str
    letter: Letter
    pdf: bytes
    pages: int = 1
    blind: bool = False
    scanned: bool = False
    expected: dict[str, object] = field(default_factory=dict)

    def fields(self) -> dict[str, object]:
        letter = self.letter
        behalf = [p for p in letter.positions if p.startswith(("TM.", "KT.", "TL.", "TUQ."))]
        return {
            "number": letter.number,
            "symbol": letter.symbol,
            "issued_on": letter.issued_on,
            "subject": " ".join(letter.subject),
            "signer": letter.signer,
            "title": " ".join(letter.positions[len(behalf) :]),
            "pages": self.pages,
        } | self.expected


@cache
def samples() -> tuple[Sample, ...]:
    """Ten layouts, each signed by a person and the agency."""
    return tuple(replace(sample, pdf=_signed(sample)) for sample in _unsigned())


def _signed(sample: Sample) -> bytes:
    usual = sample.letter.signer == LETTER.signer
    signer = person() if usual else root().issue(sample.letter.signer)
    return pdfs.sign(pdfs.sign(sample.pdf, signer, "NguoiKy"), agency(), "CoQuan")


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


LETTER = Letter()
SUBMISSION = Letter(
    number="57",
    symbol="TTr-STN",
    heading="TỜ TRÌNH",
    subject=(
        "Về việc phê duyệt Kế hoạch kiểm thử liên thông văn bản điện tử",
        "giai đoạn 2026 - 2030 trên địa bàn tỉnh Sao Mai",
    ),
    positions=("GIÁM ĐỐC",),
)
DECISION = Letter(
    above="ỦY BAN NHÂN DÂN",
    issuer=("TỈNH SAO MAI",),
    number="121",
    symbol="QĐ-UBND",
    heading="QUYẾT ĐỊNH",
    subject=("Về việc thành lập Tổ công tác", "liên thông văn bản"),
    addressed=None,
    body=("ỦY BAN NHÂN DÂN TỈNH SAO MAI", "Căn cứ Luật Tổ chức chính quyền địa phương;", "QUYẾT ĐỊNH:"),
    positions=("TM. ỦY BAN NHÂN DÂN", "KT. CHỦ TỊCH", "PHÓ CHỦ TỊCH"),
    recipients=("- Như Điều 3;", "- Các sở, ban, ngành;", "- UBND các xã, phường;", "- Lưu: VT, TH."),
)
LONG = Letter(
    above="BỘ THỬ NGHIỆM VÀ PHÁT TRIỂN",
    issuer=("TRUNG TÂM NGHIÊN CỨU, ỨNG DỤNG", "VÀ CHUYỂN GIAO CÔNG NGHỆ", "LIÊN THÔNG VĂN BẢN ĐIỆN TỬ"),
    number="12345",
    symbol="KH-TTNCƯD&CGCN-VP",
    place="Thành phố Sao Mai",
    heading="KẾ HOẠCH",
    subject=("Triển khai thử nghiệm liên thông văn bản điện tử giữa các cơ quan",),
    positions=("TL. GIÁM ĐỐC", "TRƯỞNG PHÒNG HÀNH CHÍNH", "VÀ QUẢN TRỊ"),
    signer="Công Huyền Tôn Nữ Thị Mẫu Ví Dụ",
)
REPORT = Letter(
    number="45", symbol="BC-STN", heading="BÁO CÁO", subject=("Kết quả kiểm thử liên thông văn bản điện tử",)
)


def _unsigned() -> tuple[Sample, ...]:
    notice = replace(
        LETTER,
        number="09",
        symbol="TB-STN",
        heading="THÔNG BÁO",
        subject=("Kết luận cuộc họp kiểm thử",),
        addressed=None,
    )
    capital = replace(REPORT, number="46", positions=("GIÁM ĐỐC",))
    return (
        Sample(name="letter", letter=LETTER, pdf=paper([page(LETTER)])),
        Sample(name="submission", letter=SUBMISSION, pdf=paper([page(SUBMISSION)])),
        Sample(name="decision", letter=DECISION, pdf=paper([_decision(DECISION)])),
        Sample(name="long names", letter=LONG, pdf=paper(_two_pages(LONG)), pages=2),
        Sample(name="poor scan", letter=LETTER, pdf=_scan(), scanned=True),
        Sample(name="table head", letter=REPORT, pdf=paper([_in_table(REPORT)])),
        Sample(name="wrapped date", letter=notice, pdf=paper([page(notice, wraps_date=6)])),
        Sample(
            name="marks apart", letter=capital, pdf=paper([page(capital)], Style(marks_apart=True, form=nfd))
        ),
        Sample(name="decomposed", letter=LETTER, pdf=paper([page(LETTER)], Style(form=nfd))),
        Sample(
            name="no letters", letter=LETTER, pdf=paper([page(LETTER)], Style(to_unicode=False)), blind=True
        ),
    )


def _decision(letter: Letter) -> list[Text]:
    """With the authority in capitals between the abstract and the body."""
    head = page(replace(letter, body=()))
    top = max(x.down for x in head if x.bold and x.size == 14)
    lines = [x for x in head if x.down <= top]
    lines.append(Text(letter.body[0], MIDDLE, top + 36, 13, bold=True))
    lines.append(Text(letter.body[1], MARGIN + 28, top + 64, centred=False))
    lines.append(Text(letter.body[2], MIDDLE, top + 92, 13, bold=True))
    return lines + ending(letter, top + 240)


def _two_pages(letter: Letter) -> list[list[Text]]:
    """The signature on the second page, under the end of the body, with the page's number above."""
    lines = page(letter)
    first = lines[: len(lines) - len(ending(letter, 0))]
    end = [
        Text("2", MIDDLE, 40),
        Text("Nơi thực hiện là các cơ quan có tên trong danh sách kèm theo.", MARGIN, 80, centred=False),
    ]
    return [first, end + ending(letter, 130)]


def _in_table(letter: Letter) -> list[Text]:
    """The head in cells that stand close, and a running head above it."""
    lines = [x for x in page(letter) if x.words != letter.date_line]
    return [
        Text("Mẫu 1.4 - Phụ lục III", RIGHT - 60, 30, 9),
        Text("Trang 1/1", MARGIN, 30, 9, centred=False),
        *lines,
        Text(letter.date_line, 380, 101.4),
    ]


def _scan() -> bytes:
    """Make the letter as a poor reader sees it: words a little up and down, letters mistaken, accents lost."""
    worse = {"SỞ": "S0", "phối": "phôi", "Thực": "Thưc", "thông": "thong", "Nguyễn": "Nguyên", "Số:": "S6:"}
    lines = [
        replace(line, words=" ".join(worse.get(word, word) for word in line.words.split(" ")))
        for line in page(LETTER)
    ]
    return paper([lines], Style(invisible=True, picture=True, by_word=True, jitter=0.8))
