"""The fields of a new document between a form and a `Draft`: typed text becomes values, values become text of the form.
Text that cannot be read as a date or a number is named with its field, and stands in the form as it was typed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from gateway.domain.document import (
    URGENCY_KEYS,
    DeliveryMode,
    DocumentChange,
    Draft,
    FileCode,
    ReplyLink,
    Signer,
    Urgency,
)
from gateway.domain.fields import FIELDS, Field
from gateway.domain.wall_clock import vietnam_time
from gateway.words import labels
from gateway_office.web import dates
from gateway_office.web.forms import Form, whole_number

RECIPIENTS_PART = "noi-nhan"
"""Place of the recipients in the sheet, as its address names it."""
URGENCIES = {key: urgency for urgency, key in URGENCY_KEYS.items()}
TYPES = tuple(labels.tails("type"))
# Fields whose names differ between the PDF reader and the form.
OF_READ = {"issued_on": "date", "type_key": "type", "signer": "name"}
_REPLY = {"yes": True, "no": False}
# Typed fields: texts, days, moments and numbers by their own names.
_TYPED_FIELDS = tuple(f for f in FIELDS if f.rule.in_form)
_LAID_OUT = ("number", "symbol", "date", "signed_at", "pages", "reply_due", "place", "due_at", "copies")
MORE_FIELDS = tuple(f for f in _TYPED_FIELDS if f.name not in _LAID_OUT)
"""Fields that have no place of their own in the template."""
_NAMES = {"title": "signer_title", "reply-yes": "reply"}
_PLACES = {
    **{f"/{field.name}": field.name for field in _TYPED_FIELDS},
    **{
        f"/{name}": name
        for name in (
            "type",
            "subject",
            "name",
            "title",
            "competence",
            "urgency",
            "secrecy",
            "reason",
            "approved_by",
        )
    },
    **{f"/signer/{name}": name for name in ("name", "title", "competence")},
    "/reply_required": "reply-yes",
    "/file_code/notation": "file_notation",
}


def name_of(place: str, lang: str) -> str | None:
    """Return the page's name of the field with that id; None where it has no name."""
    name = _NAMES.get(place, place)
    key = next((key for key in (f"compose.{name}", f"field.{name}") if labels.has(key)), None)
    words = labels.say(key, lang) if key is not None else ""
    return words[:1].upper() + words[1:] or None


def place_of(pointer: str) -> str:
    """Return the id in the form to which a reason points."""
    if pointer in _PLACES:
        return _PLACES[pointer]
    first, _, remainder = pointer.removeprefix("/").partition("/")
    n = remainder.partition("/")[0]
    if first == "recipients" and n.isdigit():
        return f"to-{n}"
    if first == "files" and n.isdigit():
        return f"file-{int(n) + 1}"
    return {"recipients": "find", "files": "files", "replies_to": "reply_number"}.get(first, "")


def values(draft: Draft, change: DocumentChange | None = None) -> dict[str, str]:
    """Return the texts of the form."""
    signer, code = draft.signer or Signer(name=""), draft.file_code
    return {
        **{field.name: field_text(getattr(draft, field.attribute)) for field in _TYPED_FIELDS},
        "type": draft.type_key or draft.type_name,
        "subject": draft.subject,
        "name": signer.name,
        "title": signer.title or "",
        "competence": signer.competence or "",
        "urgency": draft.urgency.key,
        "secrecy": draft.secrecy,
        "reply": {True: "yes", False: "no", None: ""}[draft.reply_required],
        "delivery": draft.delivery_mode.value if draft.delivery_mode else "",
        "file_organ": code.organ if code else "",
        "file_year": str(code.year) if code else "",
        "file_notation": code.notation if code else "",
        "reason": change.reason if change else "",
        "approved_by": (change.approved_by if change else None) or "",
        **dict.fromkeys(("reply_agency", "reply_number", "reply_date"), ""),
    }


def read_draft(form: Form, base: Draft, today: date) -> tuple[Draft, list[tuple[str, str]]]:
    """Read the form's draft, over the fields that the form does not show; also, of each unreadable field, its id and the
    key of the words that say what is expected."""
    wrong: list[tuple[str, str]] = []
    read = _FieldReader(form, today, wrong)
    key, delivery = form.text("type"), form.text("delivery")
    draft = replace(
        base,
        **{field.attribute: read.value(field) for field in _TYPED_FIELDS},
        type_key=key if key in TYPES else None,
        type_name=labels.say(f"type.{key}", "vi") if key in TYPES else key,
        subject=" ".join(form.text("subject").split("\n")),
        signer=_signer(form),
        urgency=URGENCIES.get(form.text("urgency"), Urgency.NORMAL),
        secrecy=form.text("secrecy", "none"),
        reply_required=_REPLY.get(form.text("reply")),
        delivery_mode=DeliveryMode(delivery) if delivery in tuple(DeliveryMode) else None,
        file_code=_file_code(form, read),
        replies_to=_replies(form, base.replies_to, read),
    )
    return draft, wrong


def read_change(form: Form, base: DocumentChange | None) -> DocumentChange | None:
    """Read the fields of an update or a replacement beside the document."""
    if base is None:
        return None
    return replace(base, reason=form.text("reason"), approved_by=form.text("approved_by") or None)


class _FieldReader:
    """Reader of single fields; it notes the unreadable ones."""

    def __init__(self, form: Form, today: date, wrong: list[tuple[str, str]]) -> None:
        self._form, self._today, self._wrong = form, today, wrong

    def value(self, field: Field) -> Any:
        read = {date: self.day, datetime: self.moment, int: self.count}.get(field.holds)
        return read(field.name) if read is not None else self._form.text(field.name) or field.empty

    def day(self, name: str) -> date | None:
        text = self._form.text(name)
        day = dates.typed_day(text, self._today) if text else None
        if text and day is None:
            self._wrong.append((name, "compose.wrong.date"))
        return day

    def moment(self, name: str) -> datetime | None:
        """Read a time and a day: 14:02 20/11/2026, or the other way round."""
        words = self._form.text(name).split()
        if not words:
            return None
        for cut in range(1, len(words)):
            halves = " ".join(words[:cut]), " ".join(words[cut:])
            for at, on in (halves, halves[::-1]):
                clock, day = dates.typed_clock(at), dates.typed_day(on, self._today)
                if clock is not None and day is not None:
                    return vietnam_time(day, clock)
        self._wrong.append((name, "compose.wrong.moment"))
        return None

    def count(self, name: str) -> int | None:
        text = self._form.text(name)
        number = whole_number(text, 6)
        if text and number is None:
            self._wrong.append((name, "compose.wrong.count"))
        return number


def _signer(form: Form) -> Signer | None:
    name, title, competence = (form.text(field) for field in ("name", "title", "competence"))
    if not (name or title or competence):
        return None
    return Signer(name=name, title=title or None, competence=competence or None)


def _file_code(form: Form, read: _FieldReader) -> FileCode | None:
    notation, organ, year = form.text("file_notation"), form.text("file_organ"), read.count("file_year")
    if not notation or year is None:
        return None
    return FileCode(organ=organ, year=year, notation=notation)


def _replies(form: Form, links: Sequence[ReplyLink], read: _FieldReader) -> tuple[ReplyLink, ...]:
    """Return the kept links, and one that was typed."""
    dropped = set(form.all("drop_reply"))
    kept_links = tuple(link for n, link in enumerate(links) if str(n) not in dropped)
    agency, number, on = form.text("reply_agency"), form.text("reply_number"), read.day("reply_date")
    if not (agency and number and on):
        return kept_links
    return (*kept_links, ReplyLink(agency=agency.upper(), number=number, date=on))


def still_doubted(
    doubts: Sequence[tuple[str, str]],
    confirmed: Sequence[str],
    earlier: Mapping[str, str],
    current_values: Mapping[str, str],
) -> tuple[tuple[str, str], ...]:
    """Return the doubts that are not confirmed: neither ticked nor typed anew."""
    return tuple(
        (name, why)
        for name, why in doubts
        if name not in confirmed and earlier.get(name, "") == current_values.get(name, "")
    )


def field_text(value: object) -> str:
    """Render a value in the form of typing."""
    if isinstance(value, datetime):
        return dates.moment_text(value)
    return dates.day_text(value) if isinstance(value, date) else "" if value is None else str(value)
