"""Prints the dossier of the node as PDF, A4 across. In: a dossier, a file to write to. Out: the file; each section has its
heading, its note and a table. Everything is worked out at once; the caller provides a thread."""

from __future__ import annotations

from functools import partial
from typing import IO

from gateway.domain.dossier import Dossier
from gateway.ops.dossier_docx import DOTS
from gateway.words import labels
from gateway_office.pdf_sheets import Align, PdfSheets, SheetColumn


def write_pdf(dossier: Dossier, out: IO[bytes]) -> None:
    """Write the file."""
    say = partial(labels.say, lang=dossier.lang)
    sheets = PdfSheets(out, dossier.title, dossier.node, lang=dossier.lang, across=True)
    sheets.line(dossier.title, size=16, bold=True, align=Align.CENTRE)
    sheets.space(4)
    sheets.line(say("dossier.intro", node=dossier.node, at=dossier.made_at))
    for n, section in enumerate(dossier.sections, start=1):
        sheets.space(6)
        sheets.keep(40)
        sheets.line(f"{n}. {section.title}", size=13, bold=True)
        sheets.line(section.note, size=10)
        sheets.space(1)
        if not section.rows:
            sheets.line(say("dossier.unread" if section.fault else "dossier.empty", code=section.fault))
            continue
        titles = zip(section.columns.values(), section.shares, strict=True)
        sheets.table([SheetColumn(title=title, share=share) for title, share in titles])
        blank = DOTS if section.is_filled_by_hand else ""
        for row in section.rows:
            sheets.row([cell or blank for cell in row])
        sheets.end_table()
    sheets.close()
