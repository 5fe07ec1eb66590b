"""The recount of a world's offices sees each kind of harm: made by hand in rows that are otherwise whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, cast

from tests.office.simulation import recount
from tests.office.simulation.diary import Diary, PutOff
from tests.simulation.rows import Row, Rows
from tests.support.cases import Cases

CODE, CLERK = "Z91", "prn_clerk"
_TABLES = {
    "outgoing_document",
    "given_number",
    "recall_ask",
    "incoming_document",
    "pending_act",
    "event",
    "fact",
}


class RowsByHand:
    """Rows of one node, in place of those of a file."""

    codes: ClassVar = {"agy_1": CODE}
    name = "north"

    def __init__(self) -> None:
        self.tables: dict[str, list[Row]] = {name: [] for name in (*_TABLES, *recount.ABOUT_DOCUMENTS)}
        self["outgoing_document"].extend(_letter(n) for n in (1, 2))
        self["given_number"].extend(_number(n) for n in (1, 2))
        self["recall_ask"].append(
            {"id": "rca", "state": "approved", "result": "msg_9", "document_id": "msg_1"}
        )
        self["outgoing_document"].append(
            _letter(9) | {"kind": "recall", "parent_id": "msg_1", "document_id": "d1"}
        )
        self["incoming_document"].append({"agency": CODE, "id": "inb_1", "packet_id": "pkt_7"})
        self["submission"].append({"agency": CODE, "document_id": "inb_1"})
        details = json.dumps({"code": "03"})
        event = {"kind": "inbox.status", "subject_id": "inb_1", "principal_id": CLERK, "data": details}
        self["event"].append(event)

    def __getitem__(self, table: str) -> list[Row]:
        return self.tables[table]


def _letter(n: int) -> Row:
    body = json.dumps({"draft": {"number": f"{n:02}"}})
    letter = {"agency": CODE, "id": f"msg_{n}", "document_id": f"d{n}", "packet_id": f"pkt_{n}", "body": body}
    return letter | {"state": "packed", "kind": "edoc", "parent_id": None}


def _number(n: int) -> Row:
    number = {"agency": CODE, "book": "HC", "year": 2026, "number": n, "state": "issued"}
    return number | {"subject_id": f"msg_{n}", "document_id": f"d{n}"}


def _diary() -> Diary:
    diary = Diary(issued={(CODE, "msg_1"): "01"})
    diary.acts["pac"] = PutOff(id="pac", agency=CODE, document_id="inb_1", code="03", person_id=CLERK)
    return diary


def _arrived(rows: RowsByHand, diary: Diary) -> None:
    diary.ended.add("msg_1")
    rows["incoming_document"][0].update(packet_id="pkt_1")


Harm = Callable[[RowsByHand, Diary], Any]  # Any: what an assignment by method gives
HARMS: dict[str, tuple[Harm, str]] = {
    "gap": (lambda rows, _: rows["given_number"][1].update(number=3), "not 1 to 2"),
    "twice": (lambda rows, _: rows["given_number"][1].update(document_id="d1"), "2 issued numbers"),
    "void": (lambda rows, _: rows["given_number"][0].update(state="void"), "and its document stands"),
    "free": (lambda rows, _: rows["given_number"][0].update(state="free"), "msg_1 has it"),
    "other number": (lambda _, diary: diary.issued.update({(CODE, "msg_2"): "05"}), "number 02, answered 05"),
    "left": (lambda _, diary: diary.ended.add("msg_1"), "packed, and its end was answered"),
    "arrived": (_arrived, "a recipient has it"),
    "no recall": (
        lambda rows, _: rows["recall_ask"][0].update(result=None),
        "approved, with the recall None",
    ),
    "recall": (
        lambda rows, _: rows["recall_ask"][0].update(document_id="msg_2"),
        "is not the recall of msg_2",
    ),
    "foreign": (lambda rows, _: rows["submission"][0].update(agency="Z92"), "is no document of Z92"),
    "undone": (lambda _, diary: setattr(diary.acts["pac"], "is_undone", True), "0 of 1 acts stand"),
    "done twice": (lambda rows, _: rows["event"].append(rows["event"][0]), "done 2 times"),
    "not done": (lambda rows, _: rows["event"].clear(), "left no trace"),
}


def test_whole_rows_break_no_promise() -> None:
    assert _faults(RowsByHand(), _diary()) == []


def test_each_harm_is_found(cases: Cases) -> None:
    for name, (harm, words) in HARMS.items():
        with cases.case(name):
            rows, diary = RowsByHand(), _diary()
            harm(rows, diary)
            assert [fault for fault in _faults(rows, diary) if words in fault]


def _faults(rows: RowsByHand, diary: Diary) -> list[str]:
    return [*recount.check_sides([cast(Rows, rows)], diary, {CODE})]
