"""Prints the forms about accounts as PDF, on A4 with the agency's own heading, in the words and columns that the
regulation prescribes. In: a form, its heading, accounts. Out: the file. Everything is worked out at once; the caller
provides a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import IO

from gateway.domain.person import Person
from gateway.domain.wall_clock import day_text, local
from gateway.office.pdf_sheets import Align, PdfSheets, SheetColumn
from gateway.office.policy import account_forms
from gateway.office.policy.account_forms import AccountFigures
from gateway.words import labels

_say = partial(labels.say, lang="vi")
_DOTS = "……………………………"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormHeading:
    """Who sends the form and to whom; `texts` are what the regulation leaves to the sender, by their names."""

    agency: str
    parent: str = ""
    receiver: str = ""
    place: str = ""
    number: str = ""
    difficulties: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedAccount:
    person: Person
    units: str = ""


def request_form(form: str, heading: FormHeading, today: date, out: IO[bytes]) -> str:
    """Print a request with empty rows; return the file's SHA-256."""
    sheets = _begin(form, heading, today, out)
    sheets.line(_say("account_form.part.1"), bold=True)
    for key in ("person", "position", "office", "phone"):
        sheets.line(f"- {_say(f'account_form.contact.{key}')}: {_DOTS}", left=0.03, width=0.97)
    sheets.space(3)
    sheets.line(_say("account_form.part.2"), bold=True)
    for n, keys in enumerate(account_forms.REQUESTS[form], start=1):
        sheets.space(2)
        sheets.line(_say(f"account_form.table.{n}"))
        sheets.space(2)
        _table(
            sheets,
            keys,
            [[str(row), *[""] * (len(keys) - 1)] for row in range(1, account_forms.EMPTY_ROWS + 1)],
        )
    return _end(sheets, "account_form.copies.request")


def report(heading: FormHeading, figures: AccountFigures, year: int, today: date, out: IO[bytes]) -> str:
    """Print the yearly report."""
    sheets = _begin(account_forms.REPORT, heading, today, out, year=str(year))
    sheets.line(_say("account_form.report.opening", agency=heading.agency))
    sheets.space(2)
    sheets.line(_say("account_form.report.1"), bold=True)
    for key, number in (("given", figures.given), ("unused", figures.unused)):
        sheets.line(f"- {_say(f'account_form.report.{key}')}: {number}", left=0.03, width=0.97)
    changes = _say(
        "account_form.report.changes", added=figures.added, changed=figures.changed, ended=figures.ended
    )
    sheets.line(f"- {changes}", left=0.03, width=0.97)
    for part, text in (("2", heading.difficulties), ("3", heading.contact)):
        sheets.space(2)
        sheets.line(_say(f"account_form.report.{part}"), bold=True)
        for line in (text or f"{_DOTS * 3}\n{_DOTS * 3}").splitlines():
            sheets.line(line, left=0.03, width=0.97)
    return _end(sheets, "account_form.copies.report")


def unused_list(
    heading: FormHeading, accounts: Sequence[UnusedAccount], since: date, today: date, out: IO[bytes]
) -> str:
    """Print the half-yearly list."""
    sheets = _begin(account_forms.UNUSED, heading, today, out, since=day_text(since), until=day_text(today))
    rows = [
        [
            str(n),
            account.person.login or account.person.name,
            account.person.name,
            account.person.title,
            account.units,
            day_text(local(account.person.last_login_at).date())
            if account.person.last_login_at
            else _say("admin.never"),
            "",
        ]
        for n, account in enumerate(accounts, start=1)
    ]
    _table(sheets, account_forms.UNUSED_COLUMNS, rows or [[""] * len(account_forms.UNUSED_COLUMNS)])
    return _end(sheets, "account_form.copies.report")


def _begin(form: str, heading: FormHeading, today: date, out: IO[bytes], **words: str) -> PdfSheets:
    about = _say(f"account_form.about.{form}", **words)
    sheets = PdfSheets(out, about, heading.agency)
    sheets.letterhead(
        heading.parent,
        heading.agency,
        _say("outgoing.slip.country"),
        _say("outgoing.slip.motto"),
        below=(_say("account_form.number", number=heading.number or "……"), *_subject_below(form, about)),
        date_line=_say(
            "account_form.date",
            place=heading.place or "……",
            day=f"{today:%d}",
            month=f"{today:%m}",
            year=today.year,
        ),
    )
    sheets.space(8)
    if form not in account_forms.REQUESTS:
        for n, text in enumerate(about.split("\n")):
            sheets.line(text, size=14 if n else 15, bold=True, align=Align.CENTRE)
        sheets.space(4)
    receiver = heading.receiver or _DOTS
    sheets.line(_say("account_form.to", receiver=receiver), align=Align.CENTRE)
    sheets.space(6)
    return sheets


def _subject_below(form: str, about: str) -> tuple[str, ...]:
    return (_say("account_form.subject", about=about),) if form in account_forms.REQUESTS else ()


def _table(sheets: PdfSheets, keys: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    sheets.table(
        [
            SheetColumn(
                title=_say(f"account_form.column.{key}"),
                share=account_forms.SHARES.get(key, 1.4),
                centred=key == "n",
            )
            for key in keys
        ]
    )
    for row in rows:
        sheets.row(row)
    sheets.end_table()


def _end(sheets: PdfSheets, copies: str) -> str:
    sheets.space(8)
    sheets.side_by_side(
        [_say("account_form.copies"), *_say(copies).split("\n")],
        [_say("account_form.head"), _say("book.closing.seal")],
    )
    return sheets.close()
