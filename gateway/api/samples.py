"""Requests that the documentation shows, about an invented document of invented agencies. In: nothing. Out: JSON values;
a test checks each against the schema it stands beside."""

from __future__ import annotations

from typing import Any

from gateway.labels import say

# Any: these are JSON documents.
MESSAGE: dict[str, Any] = {
    "external_id": "qlvb-2026-004512",
    "number": "1523",
    "symbol": "STD-VP",
    "date": "2026-11-20",
    "type": "cong_van",
    "subject": say("sample.subject"),
    "urgency": "hoa_toc",
    "secrecy": "none",
    "signer": {"name": say("sample.signer"), "title": say("sample.title")},
    "signed_at": "2026-11-20T13:05:42+07:00",
    "pages": 3,
    "delivery_mode": "electronic",
    "file_code": {"organ": "Z91.01", "year": 2026, "notation": "15.TH"},
    "reply_required": True,
    "reply_due": "2026-11-27",
    "replies_to": [{"agency": "Z91", "number": "88/UBND-TH", "date": "2026-11-10"}],
    "recipients": [
        {"code": "Z91.02", "role": "to_act"},
        {"code": "000.00.12.Z91", "role": "to_coordinate"},
        {"name": say("sample.agency"), "parent": "Z91", "role": "to_know"},
    ],
    "files": [{"name": "1523.pdf", "role": "lead"}, {"name": "1523.docx", "role": "source"}],
    "labels": [say("sample.label")],
    "callback_data": "kept and returned as is",
}

UPDATE: dict[str, Any] = MESSAGE | {"external_id": "qlvb-2026-004513", "reason": say("sample.update")}

REPLACEMENT: dict[str, Any] = MESSAGE | {
    "external_id": "qlvb-2026-004514",
    "number": "1524",
    "reason": say("sample.replace"),
}

RECALL: dict[str, Any] = {
    "reason": say("sample.recall"),
    "approved_by": say("sample.signer"),
    "notice_no": "12/TB-STD",
    "form": "notice",
}

STATUS: dict[str, Any] = {
    "code": "03",
    "register_no": "1245",
    "register_year": 2026,
    "staff": {"name": say("sample.clerk"), "department": say("sample.office")},
    "note": say("sample.note"),
}

ASSIGNMENT: dict[str, Any] = {
    "lead_unit": say("sample.office"),
    "coordinating_units": [],
    "deadline": "2026-11-27",
    "instruction": say("sample.instruction"),
}
