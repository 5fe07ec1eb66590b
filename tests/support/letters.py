"""Documents of many layouts for the reader of fields: pages written with an embedded font, as word processors and
scanners leave them. Invented agencies and persons; what stands in each is said beside it."""

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
LEFT, RIGHT = 85.0, 547.0
COLUMN, OTHER = 180.0, 411.0  # the middles of the head's two columns
MIDDLE = (LEFT + RIGHT) / 2
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
    """How a program writes text into a PDF."""

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
    whole = ttLib.TTFont(FONT)
    options = subset.Options(
        hinting=False, layout_features=[], drop_tables=["FFTM", "GPOS", "GSUB", "GDEF", "kern"]
    )
    some = subset.Subsetter(options=options)
    some.populate(text=LETTERS + MARKS)
    some.subset(whole)
    held = BytesIO()
    whole.save(held)
    order = {name: n for n, name in enumerate(whole.getGlyphOrder())}
    units = whole["head"].unitsPerEm
    letters = {chr(code): order[name] for code, name in whole.getBestCmap().items()}
    widths = {order[name]: whole["hmtx"][name][0] * 1000 / units for name in order}
    return zlib.compress(held.getvalue()), letters, widths


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
    shown = b" ".join(b"%d [%d]" % (glyph, round(wide)) for glyph, wide in sorted(widths.items()))
    objects.append(
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /%b /CIDSystemInfo << /Registry (Adobe) "
        b"/Ordering (Identity) /Supplement 0 >> /FontDescriptor %d 0 R /DW 500 /W [%b] /CIDToGIDMap /Identity >>"
        % (name, len(objects), shown)
    )
    below = len(objects)
    told = b""
    if to_unicode:
        rows = [f"<{glyph:04X}> <{ord(letter):04X}>" for letter, glyph in sorted(letters.items())]
        parts = [rows[n : n + 100] for n in range(0, len(rows), 100)]
        table = "".join(f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar\n" for part in parts)
        objects.append(_stream(_CMAP % table.encode()))
        told = b"/ToUnicode %d 0 R" % len(objects)
    objects.append(
        b"<< /Type /Font /Subtype /Type0 /BaseFont /%b /Encoding /Identity-H /DescendantFonts [%d 0 R] %b >>"
        % (name, below, told)
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
        left = line.across - width_of(words, line.size) / 2 if line.centred else line.across
        down = line.down + style.jitter * (n % 3 - 1)
        for part, shift in _parts(words, line.size, style):
            out.append(
                f"/F{int(line.bold)} {line.size} Tf 1 0 0 1 {left + shift:.2f} {A4[1] - down:.2f} Tm {part}"
            )
    out.append("ET")
    return "\n".join(out).encode("ascii")


def _parts(words: str, size: float, style: Style) -> list[tuple[str, float]]:
    """What is shown one after the other, and how far right it begins."""
    if style.by_word:
        found, at = [], 0.0
        for word in words.split(" "):
            found.append((_hex(word) + " Tj", at))
            at += width_of(word + " ", size)
        return found
    if style.marks_later:
        bare = "".join(each for each in words if not unicodedata.combining(each))
        found, at, over = [(_hex(bare) + " Tj", 0.0)], 0.0, []
        for each in words:
            if unicodedata.combining(each):
                over.append((_hex(each) + " Tj", at))
            else:
                at += width_of(each, size)
        return found + over
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
    return "<" + "".join(f"{letters[each]:04X}" for each in words) + ">"


def _stream(octets: bytes, entries: bytes = b"", *, packed: bool = False) -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(octets), octets)


def _file(objects: Sequence[bytes]) -> bytes:
    held, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(held))
        held += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    at = len(held)
    held += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    held += b"".join(b"%010d 00000 n \n" % each for each in offsets)
    held += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, at)
    return bytes(held)


# --- documents ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a document says; the fields are what a reader should find."""

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


def page(one: Letter, *, leading: float = 1.25, wraps_date: int | None = None) -> list[Text]:
    """The whole document on one page, in the layout of the decree."""
    lines = [Text(one.above, COLUMN, 62, 12)]
    down = 62.0
    for part in one.issuer:
        down += 15
        lines.append(Text(part, COLUMN, down, 12, bold=True))
    lines += [Text(MOTTO[0], OTHER, 62, 12, bold=True), Text(MOTTO[1], OTHER, 78, 13, bold=True)]
    down += 24
    lines.append(Text(f"Số: {one.number}/{one.symbol}", COLUMN, down))
    dated = [one.date_line]
    if wraps_date is not None:
        words = one.date_line.split()
        dated = [" ".join(words[:wraps_date]), " ".join(words[wraps_date:])]
    lines += [Text(each, OTHER, 102 + 16 * n) for n, each in enumerate(dated)]
    if one.heading is None:
        for part in one.subject:
            down += 15
            lines.append(Text(part, COLUMN, down, 12))
    else:
        down = max(down, 118) + 36
        lines.append(Text(one.heading, MIDDLE, down, 14, bold=True))
        for part in one.subject:
            down += 14 * leading
            lines.append(Text(part, MIDDLE, down, 14, bold=True))
    return lines + _rest(one, down + 32)


def _rest(one: Letter, down: float) -> list[Text]:
    lines = []
    if one.addressed:
        lines.append(Text(one.addressed, MIDDLE, down))
        down += 28
    for n, part in enumerate(one.body):
        lines.append(Text(part, LEFT + (28 if n % 2 == 0 else 0), down, centred=False))
        down += 18
    return lines + ending(one, down + 24)


def ending(one: Letter, down: float) -> list[Text]:
    """Recipients at the left, the signer at the right."""
    lines = [Text("Nơi nhận:", LEFT, down, 12, bold=True, centred=False)]
    lines += [Text(e, LEFT, down + 13 * (n + 1), 11, centred=False) for n, e in enumerate(one.recipients)]
    lines += [Text(e, 430, down + 16 * n, bold=True) for n, e in enumerate(one.positions)]
    lines.append(Text(one.signer, 430, down + 16 * len(one.positions) + 72, bold=True))
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
        one = self.letter
        behalf = [each for each in one.positions if each.startswith(("TM.", "KT.", "TL.", "TUQ."))]
        return {
            "number": one.number,
            "symbol": one.symbol,
            "issued_on": one.issued_on,
            "subject": " ".join(one.subject),
            "signer": one.signer,
            "title": " ".join(one.positions[len(behalf) :]),
            "pages": self.pages,
        } | self.expected


@cache
def samples() -> tuple[Sample, ...]:
    """Ten layouts, each signed by a person and the agency."""
    return tuple(replace(each, pdf=_signed(each)) for each in _unsigned())


def _signed(one: Sample) -> bytes:
    usual = one.letter.signer == LETTER.signer
    signer = person() if usual else root().issue(one.letter.signer)
    return pdfs.sign(pdfs.sign(one.pdf, signer, "NguoiKy"), agency(), "CoQuan")


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


def _decision(one: Letter) -> list[Text]:
    """With the authority in capitals between the abstract and the body."""
    head = page(replace(one, body=()))
    top = max(each.down for each in head if each.bold and each.size == 14)
    kept = [each for each in head if each.down <= top]
    kept.append(Text(one.body[0], MIDDLE, top + 36, 13, bold=True))
    kept.append(Text(one.body[1], LEFT + 28, top + 64, centred=False))
    kept.append(Text(one.body[2], MIDDLE, top + 92, 13, bold=True))
    return kept + ending(one, top + 240)


def _two_pages(one: Letter) -> list[list[Text]]:
    """The signature on the second page, under the end of the body, with the page's number above."""
    whole = page(one)
    first = whole[: len(whole) - len(ending(one, 0))]
    end = [
        Text("2", MIDDLE, 40),
        Text("Nơi thực hiện là các cơ quan có tên trong danh sách kèm theo.", LEFT, 80, centred=False),
    ]
    return [first, end + ending(one, 130)]


def _in_table(one: Letter) -> list[Text]:
    """The head in cells that stand close, and a running head above it."""
    lines = [each for each in page(one) if each.words != one.date_line]
    return [
        Text("Mẫu 1.4 - Phụ lục III", RIGHT - 60, 30, 9),
        Text("Trang 1/1", LEFT, 30, 9, centred=False),
        *lines,
        Text(one.date_line, 380, 101.4),
    ]


def _scan() -> bytes:
    """What a poor reader made of the letter: words a little up and down, letters mistaken, accents lost."""
    worse = {"SỞ": "S0", "phối": "phôi", "Thực": "Thưc", "thông": "thong", "Nguyễn": "Nguyên", "Số:": "S6:"}
    lines = [
        replace(each, words=" ".join(worse.get(word, word) for word in each.words.split(" ")))
        for each in page(LETTER)
    ]
    return paper([lines], Style(invisible=True, picture=True, by_word=True, jitter=0.8))
