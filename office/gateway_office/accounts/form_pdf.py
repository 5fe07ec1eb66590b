"""Prints the forms about accounts as PDF, on A4 with the agency's own heading, in the words and columns that the
regulation prescribes. In: a form, its heading, accounts. Out: the file. Everything is worked out at once; the caller
provides a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import IO

from gateway.domain.agency_profile import Letterhead
from gateway.domain.person import Person
from gateway.domain.wall_clock import day_text, local
from gateway.words import labels
from gateway_office.domain.account_request import (
    AccountChange,
    AccountFigures,
    AccountRequest,
    RequestLine,
)
from gateway_office.domain.roles import PostRole
from gateway_office.pdf_sheets import Align, PdfSheets, SheetColumn
from gateway_office.policy import account_forms

_say = partial(labels.say, lang="vi")
_DOTS = "……………………………"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormHeading:
    """Who sends the form and to whom; `texts` are what the regulation leaves to the sender, by their names."""

    agency: str
    parent: str = ""
    emblem: bytes = b""
    receiver: str = ""
    place: str = ""
    number: str = ""
    difficulties: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedAccount:
    person: Person
    units: str = ""
    traffic_at: datetime | None = None


def request_form(request: AccountRequest, heading: FormHeading, out: IO[bytes]) -> str:
    """Print a request with its lines; return the file's SHA-256."""
    form, contact = request.form.value, request.contact
    sheets = _begin(form, heading, local(request.made_at).date(), out)
    sheets.line(_say("account_form.part.1"), bold=True)
    for key, text in (
        ("person", contact.name),
        ("position", contact.title),
        ("office", contact.office),
        ("phone", contact.phone),
    ):
        sheets.line(f"- {_say(f'account_form.contact.{key}')}: {text or _DOTS}", left=0.03, width=0.97)
    sheets.space(3)
    sheets.line(_say("account_form.part.2"), bold=True)
    tables = _agency_cells(request, heading.agency), [_cells(line) for line in request.lines]
    for n, (keys, lines) in enumerate(zip(account_forms.REQUESTS[form], tables, strict=True), start=1):
        sheets.space(2)
        sheets.line(_say(f"account_form.table.{n}"))
        sheets.space(2)
        _table(
            sheets,
            keys,
            [
                [str(row) if key == "n" else cells.get(key, "") for key in keys]
                for row, cells in enumerate(lines, start=1)
            ]
            or [[""] * len(keys)],
        )
    return _end(sheets, "account_form.copies.request")


def _agency_cells(request: AccountRequest, agency: str) -> list[dict[str, str]]:
    """Return the rows about an agency: its accounts of administrators and clerks, each in the hands of a person."""
    return [
        {
            "agency": agency,
            "office_email": line.email,
            "kind": _say(f"post.{line.role}"),
            "note": line.name,
        }
        for line in request.lines
        if line.role in (PostRole.AGENCY_ADMIN, PostRole.CLERK)
    ]


def _cells(line: RequestLine) -> dict[str, str]:
    """Return the cells of a line, by the columns of all forms."""
    is_post = line.change in (AccountChange.POST, AccountChange.POST_END)
    decided = (
        _say("account_request.decided", day=day_text(line.decided_on)) if line.decided_on is not None else ""
    )
    return {
        "name": line.name,
        "title": line.title,
        "unit": line.unit,
        "office_email": line.email,
        "email": line.email,
        "phone": line.phone,
        "login": line.login,
        "login_name": f"{line.login} ({line.name})",
        "to_change": _say(f"account_request.change.{line.change}") if line.change is not None else "",
        "changed": _say(f"post.{line.value}") if is_post else line.value,
        "reason": "; ".join(filter(None, (line.reason, decided))),
        "note": line.note,
    }


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
            _day_or_never(account.person.last_login_at),
            _day_or_never(account.traffic_at),
            "",
        ]
        for n, account in enumerate(accounts, start=1)
    ]
    _table(sheets, account_forms.UNUSED_COLUMNS, rows or [[""] * len(account_forms.UNUSED_COLUMNS)])
    return _end(sheets, "account_form.copies.report")


def _day_or_never(at: datetime | None) -> str:
    return day_text(local(at).date()) if at is not None else _say("admin.never")


def _begin(form: str, heading: FormHeading, today: date, out: IO[bytes], **words: str) -> PdfSheets:
    subject = _say(f"account_form.about.{form}", **words)
    sheets = PdfSheets(out, subject, heading.agency)
    number = _say("account_form.number", number=heading.number or "……")
    issuer = Letterhead(
        agency=heading.agency, parent=heading.parent, place=heading.place, picture=heading.emblem
    )
    sheets.letterhead(issuer, today, below=(number, *_subject_below(form, subject)))
    sheets.space(8)
    if form not in account_forms.REQUESTS:
        for n, text in enumerate(subject.split("\n")):
            sheets.line(text, size=14 if n else 15, bold=True, align=Align.CENTRE)
        sheets.space(4)
    receiver = heading.receiver or _DOTS
    sheets.line(_say("account_form.to", receiver=receiver), align=Align.CENTRE)
    sheets.space(6)
    return sheets


def _subject_below(form: str, subject: str) -> tuple[str, ...]:
    return (_say("account_form.subject", about=subject),) if form in account_forms.REQUESTS else ()


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
