"""Writes the dossier as DOCX (Office Open XML), A4 across: its title, and for each section a heading, its note, and a table
whose titles are repeated on each sheet. In: a dossier, a file to write to. Out: the file; the same dossier gives the same
bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO
from xml.sax.saxutils import escape

from gateway.ops.dossier import Dossier, DossierSection
from gateway.words import labels

DOTS = "……………"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_WORDS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_PARTS = {"document": "document.main", "styles": "styles", "footer": "footer"}
# A twentieth of a point: a sheet across, and what its margins leave.
_LONG, _SHORT, _MARGIN = 16838, 11906, 850
_WIDTH = _LONG - 2 * _MARGIN
_EDGES = "".join(
    f'<w:{edge} w:val="single" w:sz="4" w:color="808080"/>'
    for edge in ("top", "left", "bottom", "right", "insideH", "insideV")
)
_PAGE = "".join(
    f'<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>{field}</w:instrText></w:r>'
    f'<w:r><w:fldChar w:fldCharType="end"/></w:r>{between}'
    for field, between in (("PAGE", "<w:r><w:t>/</w:t></w:r>"), ("NUMPAGES", ""))
)
# Style, size in half points, and whether it is bold.
_STYLES = (("Normal", 20, False), ("Title", 32, True), ("Heading1", 26, True), ("Cell", 17, False))


def write_docx(dossier: Dossier, out: IO[bytes]) -> None:
    """Write the file."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in (
            ("[Content_Types].xml", _content_types()),
            ("_rels/.rels", _relations({"word/document.xml": "officeDocument"})),
            ("word/_rels/document.xml.rels", _relations({"styles.xml": "styles", "footer.xml": "footer"})),
            ("word/styles.xml", _styles(dossier.lang)),
            ("word/footer.xml", _part("ftr", _paragraph_of(_PAGE, "Cell"))),
            ("word/document.xml", _part("document", f"<w:body>{''.join(_body(dossier))}</w:body>")),
        ):
            # A fixed time, so that two files can be compared.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, (_HEAD + text).encode())


def _body(dossier: Dossier) -> Iterator[str]:
    yield _paragraph(dossier.title, "Title")
    intro = labels.say("dossier.intro", dossier.lang, node=dossier.node, at=dossier.made_at)
    yield _paragraph(intro)
    for n, section in enumerate(dossier.sections, start=1):
        yield _paragraph(f"{n}. {section.title}", "Heading1")
        yield _paragraph(section.note)
        if section.fault:
            yield _paragraph(labels.say("dossier.unread", dossier.lang, code=section.fault))
        elif not section.rows:
            yield _paragraph(labels.say("dossier.empty", dossier.lang))
        else:
            yield from _table(section)
    yield (
        f'<w:sectPr><w:footerReference w:type="default" r:id="r2"/>'
        f'<w:pgSz w:w="{_LONG}" w:h="{_SHORT}" w:orient="landscape"/>'
        f'<w:pgMar w:top="{_MARGIN}" w:right="{_MARGIN}" w:bottom="{_MARGIN}" w:left="{_MARGIN}" w:header="400"'
        ' w:footer="400" w:gutter="0"/></w:sectPr>'
    )


def _table(section: DossierSection) -> Iterator[str]:
    widths = [round(_WIDTH * share / sum(section.shares)) for share in section.shares]
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    yield (
        f'<w:tbl><w:tblPr><w:tblW w:w="{sum(widths)}" w:type="dxa"/><w:tblBorders>{_EDGES}</w:tblBorders>'
        f'<w:tblLayout w:type="fixed"/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>'
    )
    yield _row([*section.columns.values()], widths, is_title=True)
    blank = DOTS if section.is_filled_by_hand else ""
    for row in section.rows:
        yield _row([cell or blank for cell in row], widths)
    yield "</w:tbl>"


def _row(cells: Sequence[str], widths: Sequence[int], *, is_title: bool = False) -> str:
    kind = "<w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>" if is_title else ""
    columns = (
        f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/></w:tcPr>{_paragraph(text, "Cell", bold=is_title)}</w:tc>'
        for text, width in zip(cells, widths, strict=True)
    )
    return f"<w:tr>{kind}{''.join(columns)}</w:tr>"


def _paragraph(text: str, style: str = "Normal", *, bold: bool = False) -> str:
    lines = "<w:br/>".join(f'<w:t xml:space="preserve">{escape(line)}</w:t>' for line in text.split("\n"))
    return _paragraph_of(f"<w:r>{'<w:rPr><w:b/></w:rPr>' if bold else ''}{lines}</w:r>", style)


def _paragraph_of(runs: str, style: str) -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{runs}</w:p>'


def _styles(lang: str) -> str:
    tongue = {"vi": "vi-VN", "en": "en-GB"}[lang]
    styles = (
        f'<w:style w:type="paragraph"{" w:default=" + chr(34) + "1" + chr(34) if name == "Normal" else ""}'
        f' w:styleId="{name}"><w:name w:val="{name.replace("1", " 1")}"/><w:pPr>'
        f"{'<w:keepNext/><w:outlineLvl w:val=' + chr(34) + '0' + chr(34) + '/>' if name == 'Heading1' else ''}</w:pPr>"
        f'<w:rPr><w:rFonts w:ascii="Times New Roman" w:hAnsi="Times New Roman" w:cs="Times New Roman"/>'
        f'{"<w:b/>" if bold else ""}<w:sz w:val="{size}"/><w:lang w:val="{tongue}"/></w:rPr></w:style>'
        for name, size, bold in _STYLES
    )
    return _part("styles", "".join(styles))


def _part(name: str, content: str) -> str:
    return f'<w:{name} xmlns:w="{_WORDS}" xmlns:r="{_RELATION}">{content}</w:{name}>'


def _content_types() -> str:
    parts: Iterable[str] = (
        f'<Override PartName="/word/{name}.xml" ContentType="{_TYPE}.{kind}+xml"/>'
        for name, kind in _PARTS.items()
    )
    return (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
        f' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{"".join(parts)}</Types>'
    )


def _relations(targets: dict[str, str]) -> str:
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{_RELATION}/{kind}" Target="{target}"/>'
        for n, (target, kind) in enumerate(targets.items(), start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>'
