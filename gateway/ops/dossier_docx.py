"""Writes the dossier as DOCX (Office Open XML), A4 across: its title, and for each section a heading, its note, and a table
whose titles are repeated on each sheet. In: a dossier, a file to write to. Out: the file; the same dossier gives the same
bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO
from xml.sax.saxutils import escape

from gateway.domain.dossier import Dossier, DossierSection
from gateway.words import labels

DOTS = "……………"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_MAIN = f'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="{_RELATION}"'
# Twentieths of a point: a sheet across, and what its margins leave. Sizes of letters are half points.
_LONG, _SHORT, _MARGIN = 16838, 11906, 850
_WIDTH = _LONG - 2 * _MARGIN
_TITLE, _HEADING, _TEXT = 32, 26, 20
_EDGES = "".join(
    f'<w:{edge} w:val="single" w:sz="4" w:color="808080"/>'
    for edge in ("top", "left", "bottom", "right", "insideH", "insideV")
)
_FIELD = '<w:fldSimple w:instr="{}"><w:r><w:t>1</w:t></w:r></w:fldSimple>'
_FOOTER = f"<w:p>{_FIELD.format('PAGE')}<w:r><w:t>/</w:t></w:r>{_FIELD.format('NUMPAGES')}</w:p>"
_FONT = (
    '<w:rFonts w:ascii="Times New Roman" w:hAnsi="Times New Roman" w:cs="Times New Roman"/><w:sz w:val="17"/>'
)
_SHEET = (
    '<w:p/><w:sectPr><w:footerReference w:type="default" r:id="r2"/>'
    f'<w:pgSz w:w="{_LONG}" w:h="{_SHORT}" w:orient="landscape"/>'
    f'<w:pgMar w:top="{_MARGIN}" w:right="{_MARGIN}" w:bottom="{_MARGIN}" w:left="{_MARGIN}" w:header="400"'
    ' w:footer="400" w:gutter="0"/></w:sectPr>'
)


def write_docx(dossier: Dossier, out: IO[bytes]) -> None:
    """Write the file."""
    types = "".join(
        f'<Override PartName="/word/{name}.xml" ContentType="{_TYPE}.{kind}+xml"/>'
        for name, kind in (("document", "document.main"), ("styles", "styles"), ("footer", "footer"))
    )
    font = f"<w:docDefaults><w:rPrDefault><w:rPr>{_FONT}</w:rPr></w:rPrDefault></w:docDefaults>"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType='
        f'"application/vnd.openxmlformats-package.relationships+xml"/>{types}</Types>',
        "_rels/.rels": _relations({"word/document.xml": "officeDocument"}),
        "word/_rels/document.xml.rels": _relations({"styles.xml": "styles", "footer.xml": "footer"}),
        "word/styles.xml": f"<w:styles {_MAIN}>{font}</w:styles>",
        "word/footer.xml": f"<w:ftr {_MAIN}>{_FOOTER}</w:ftr>",
        "word/document.xml": f"<w:document {_MAIN}><w:body>{''.join(_body(dossier))}</w:body></w:document>",
    }
    with zipfile.ZipFile(out, "w") as packed:
        for name, text in parts.items():
            # A fixed time, so that two files can be compared.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            packed.writestr(entry, (_HEAD + text).encode(), zipfile.ZIP_DEFLATED)


def _body(dossier: Dossier) -> Iterator[str]:
    yield _paragraph(dossier.title, _TITLE)
    yield _paragraph(labels.say("dossier.intro", dossier.lang, node=dossier.node, at=dossier.made_at), _TEXT)
    for n, section in enumerate(dossier.sections, start=1):
        yield _paragraph(f"{n}. {section.title}", _HEADING)
        yield _paragraph(section.note, _TEXT)
        key = "dossier.unread" if section.fault else "dossier.empty"
        empty = _paragraph(labels.say(key, dossier.lang, code=section.fault), _TEXT)
        yield "".join(_table(section)) if section.rows else empty
    yield _SHEET


def _table(section: DossierSection) -> Iterator[str]:
    widths = [round(_WIDTH * share / sum(section.shares)) for share in section.shares]
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    yield (
        f'<w:tbl><w:tblPr><w:tblW w:w="{sum(widths)}" w:type="dxa"/><w:tblBorders>{_EDGES}</w:tblBorders>'
        f'<w:tblLayout w:type="fixed"/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>'
    )
    yield _row(section.columns.values(), widths, "<w:trPr><w:tblHeader/></w:trPr>")
    blank = DOTS if section.is_filled_by_hand else ""
    for row in section.rows:
        yield _row((cell or blank for cell in row), widths)
    yield "</w:tbl>"


def _row(cells: Iterable[str], widths: Sequence[int], kind: str = "") -> str:
    columns = (
        f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/></w:tcPr>{_paragraph(text, bold=bool(kind))}</w:tc>'
        for text, width in zip(cells, widths, strict=True)
    )
    return f"<w:tr>{kind}{''.join(columns)}</w:tr>"


def _paragraph(text: str, size: int = 0, *, bold: bool = False) -> str:
    """Return a paragraph; titles and headings are bold, and a program lists headings."""
    head = '<w:pPr><w:keepNext/><w:outlineLvl w:val="0"/></w:pPr>' if size == _HEADING else ""
    look = "<w:b/>" if bold or size > _TEXT else ""
    look += f'<w:sz w:val="{size}"/>' if size else ""
    lines = "<w:br/>".join(f'<w:t xml:space="preserve">{escape(line)}</w:t>' for line in text.split("\n"))
    return f"<w:p>{head}<w:r><w:rPr>{look}</w:rPr>{lines}</w:r></w:p>"


def _relations(targets: dict[str, str]) -> str:
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{_RELATION}/{kind}" Target="{target}"/>'
        for n, (target, kind) in enumerate(targets.items(), start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>'
