"""Requests that the documentation shows, about an invented document of the invented agencies of the demonstration: Z91.07
writes to Z91 and to one below it. In: the day on which they are shown. Out: JSON values that the node of the demonstration
takes on that day; a test sends them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from gateway.words.labels import say

# Any: these are JSON documents.
Json = dict[str, Any]


def message(day: dt.date) -> Json:
    return {
        "external_id": f"qlvb-{day.year}-004512",
        "number": "1523",
        "symbol": "STN-VP",
        "date": f"{day}",
        "type": "cong_van",
        "subject": say("sample.subject"),
        "urgency": "hoa_toc",
        "secrecy": "none",
        "signer": {"name": say("sample.signer"), "title": say("sample.title")},
        "signed_at": f"{day}T07:05:42+07:00",
        "delivery_mode": "electronic",
        "file_code": {"organ": "Z91.07", "year": day.year, "notation": "15.TH"},
        "reply_required": True,
        "reply_due": f"{day + dt.timedelta(days=7)}",
        "replies_to": [
            {"agency": "Z91", "number": "88/UBND-TH", "date": f"{day - dt.timedelta(days=10)}"},
        ],
        "recipients": [
            {"code": "Z91", "role": "to_report"},
            {"name": say("sample.agency"), "parent": "Z91", "role": "to_coordinate"},
        ],
        "labels": [say("sample.label")],
        "callback_data": "kept and returned as is",
    }


def update(day: dt.date) -> Json:
    return message(day) | {"external_id": f"qlvb-{day.year}-004513", "reason": say("sample.update")}


def replacement(day: dt.date) -> Json:
    return message(day) | {
        "external_id": f"qlvb-{day.year}-004514",
        "number": "1524",
        "reason": say("sample.replace"),
    }


def resending(_: dt.date) -> Json:
    return {"recipients": ["Z91"]}


def recall(_: dt.date) -> Json:
    return {
        "reason": say("sample.recall"),
        "approved_by": say("sample.signer"),
        "notice_no": "12/TB-STN",
        "form": "notice",
    }


def dispatch(day: dt.date) -> Json:
    return {"means": "post", "on": f"{day}", "note": "RR 123 456 789 VN"}


def status(day: dt.date) -> Json:
    """Of an agency that numbers in its own book, as Z91 does."""
    return {
        "code": "03",
        "register_no": "1245",
        "register_year": day.year,
        "staff": {"name": say("sample.clerk"), "department": say("sample.office")},
        "note": say("sample.note"),
    }


def assignment(day: dt.date) -> Json:
    return {
        "lead_unit": say("sample.office"),
        "coordinating_units": [],
        "deadline": f"{day + dt.timedelta(days=7)}",
        "instruction": say("sample.instruction"),
    }
