"""The checker of the soak sees what it is there for: each kind of harm, made by hand in rows that are otherwise whole, is
found and counted under its name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bench.soak.checker import Findings, check
from bench.soak.ledger import Ledger, Sent
from bench.soak.rows import Holdings, Row
from tests.support.cases import Cases

CONTENT = "ab" * 32


def complete_run() -> tuple[Ledger, Holdings, Holdings]:
    """Make a run of two documents of Z91 to Z92, both taken in and numbered 1 and 2."""
    ledger = Ledger()
    for n in (1, 2):
        ledger.accepted(
            Sent(
                key=f"k{n}",
                id=f"msg{n}",
                sender="Z91",
                recipients=("Z92",),
                name=f"{n}.pdf",
                digest=CONTENT,
            )
        )
        ledger.numbered("Z92", f"in{n}", str(n))
    north = Holdings(
        node="north",
        outgoing=_twice({"agency": "Z91", "id": "msg{n}", "packet_id": "pkt{n}", "external_id": "k{n}"}),
        deliveries=_twice({"id": "dlv{n}", "document_id": "msg{n}", "code": "Z92", "state": "accepted"}),
        facts=[_fact(n, code) for n in (1, 2) for code in ("01", "03")],
        inbox=[_landed(f"sta{n}{code}") for n in (1, 2) for code in ("01", "03")],
        outbox=[_handed_over(f"msg{n}", f"pkt{n}", "edoc") for n in (1, 2)],
        events=[{"agency": "Z91", "node_seq": n, "agency_seq": n} for n in (1, 2, 3)],
    )
    south = Holdings(
        node="south",
        incoming=[_taken_in(n) for n in (1, 2)],
        identities=_twice(
            {"agency": "Z92", "sender": "Z91", "packet_id": "pkt{n}", "incoming_id": "in{n}", "kind": "edoc"}
        ),
        register=[_entered(n) for n in (1, 2)],
        inbox=[_landed(f"inx{n}") for n in (1, 2)],
        outbox=[_handed_over(f"inx{n}", f"sta{n}{code}", "status") for n in (1, 2) for code in ("01", "03")],
        handovers=_twice({"agency": "Z92", "incoming_id": "in{n}", "state": "acked"}),
        files={f"in{n}": {f"{n}.pdf": CONTENT} for n in (1, 2)},
    )
    return ledger, north, south


def _twice(row: Mapping[str, str]) -> list[Row]:
    return [{name: value.format(n=n) for name, value in row.items()} for n in (1, 2)]


def _fact(n: int, code: str, *, proved: bool = True) -> Row:
    body = json.dumps({"proved": proved})
    return {"subject_id": f"dlv{n}", "track": "business", "code": code, "body": body}


def _landed(id: str, state: str = "done") -> Row:
    return {"id": id, "state": state, "code": None, "reason": None, "lease_token": None}


def _handed_over(subject: str, packet_id: str, kind: str, state: str = "sent") -> Row:
    return {
        "id": f"obx-{packet_id}",
        "packet_id": packet_id,
        "kind": kind,
        "subject_id": subject,
        "state": state,
        "lease_token": None,
        "last_error": None,
    }


def _taken_in(n: int, *, id: str | None = None, number: int | None = None) -> Row:
    return {
        "agency": "Z92",
        "id": id or f"in{n}",
        "packet_id": f"pkt{n}",
        "sender_code": "Z91",
        "state": "accepted",
        "body": json.dumps({"register_no": str(number or n)}),
    }


def _entered(n: int, *, number: int | None = None) -> Row:
    return {
        "agency": "Z92",
        "incoming_id": f"in{n}",
        "book": "den",
        "year": 2026,
        "number": str(number or n),
    }


def check_with(north: Mapping[str, Any] | None = None, south: Mapping[str, Any] | None = None) -> Findings:
    """Check the two nodes with these tables replaced."""
    ledger, sender, receiver = complete_run()
    return check(ledger, [replace(sender, **(north or {})), replace(receiver, **(south or {}))])


def harms() -> Iterator[tuple[str, str, dict[str, Any], str, str]]:
    """Yield each harm with its node and tables, the name under which it is found, and a word of it."""
    _, north, south = complete_run()
    receipts = [_fact(1, "01"), _fact(1, "03")]
    yield (
        "admitted twice",
        "south",
        {"incoming": [*south.incoming, _taken_in(1, id="in1b")]},
        "doubled",
        "in1b",
    )
    other = {"in1": {"1.pdf": "cd" * 32}, "in2": {"2.pdf": CONTENT}}
    yield "other content", "south", {"files": other}, "unexplained", "other content"
    same_number = {"register": [_entered(1), _entered(2, number=1)]}
    yield "a number given twice", "south", same_number, "doubled", "numbers given twice"
    yield "entered twice", "south", {"register": [*south.register, _entered(2, number=3)]}, "doubled", ""
    for code in ("01", "03"):
        yield f"only {code}", "north", {"facts": [*receipts, _fact(2, code)]}, "unexplained", "msg2"
    unproved = [*receipts, _fact(2, "01"), _fact(2, "03", proved=False)]
    yield "an unproved receipt", "north", {"facts": unproved}, "unexplained", ""
    yield "two receipts of one status", "north", {"facts": [*north.facts, _fact(1, "03")]}, "doubled", ""
    untrue = [north.deliveries[0], {**north.deliveries[1], "state": "sent"}]
    yield "a delivery that says something else", "north", {"deliveries": untrue}, "unexplained", ""
    for state in ("landed", "held", "waiting", "quarantined", "malformed"):
        stays = {"inbox": [*south.inbox, _landed("inx3", state)]}
        yield f"a packet that is {state}", "south", stays, "unexplained", ""
    job = {"id": "job1", "kind": "pack", "subject_id": "msg1", "last_error": None}
    yield "a job", "north", {"jobs": [job]}, "unexplained", ""
    waiting = [*north.outbox, _handed_over("msg9", "pkt9", "edoc", "waiting")]
    yield "a packet that waits", "north", {"outbox": waiting}, "unexplained", ""
    offered = [{"agency": "Z92", "incoming_id": "in1", "state": "leased"}, south.handovers[1]]
    yield "a leased hand-over", "south", {"handovers": offered}, "unexplained", ""
    inbox_rows = [{**north.inbox[0], "lease_token": "t"}, *north.inbox[1:]]
    yield "a held lease", "north", {"inbox": inbox_rows}, "unexplained", ""
    answers = [*south.outbox, _handed_over("inx1", "sta1again", "status")]
    yield "another answer for one status", "south", {"outbox": answers}, "doubled", ""
    stranger = {"agency": "Z91", "id": "msg9", "packet_id": "pkt9", "external_id": "k9"}
    yield "sent by nobody", "north", {"outgoing": [*north.outgoing, stranger]}, "unexplained", ""
    incoming_rows = [*south.incoming, {**_taken_in(1, id="in9"), "packet_id": "pkt8"}]
    identity = {"agency": "Z92", "sender": "Z91", "packet_id": "pkt8", "incoming_id": "in9", "kind": "edoc"}
    tables = {"incoming": incoming_rows, "identities": [*south.identities, identity]}
    yield "came from nowhere", "south", tables, "unexplained", ""
    twice = {"identities": [*south.identities, south.identities[0]]}
    yield "an identity claimed twice", "south", twice, "doubled", ""
    yield "no identity", "south", {"identities": south.identities[:1]}, "unexplained", ""
    gap = [{"agency": "Z91", "node_seq": n, "agency_seq": k} for n, k in ((1, 1), (3, 2))]
    yield "events with a gap", "north", {"events": gap}, "unexplained", ""


def test_each_harm_is_found_once_under_its_name(cases: Cases) -> None:
    for name, node, tables, kind, word in harms():
        with cases.case(name):
            (finding,) = getattr(check_with(**{node: tables}), kind)
            assert word in finding


def test_complete_rows_pass_the_checker() -> None:
    """Also when an answer was sent again, and when the node has events of its own, in no agency's row of numbers."""
    _, _, south = complete_run()
    own = [
        {"agency": "", "node_seq": 1, "agency_seq": None},
        {"agency": "Z91", "node_seq": 2, "agency_seq": 1},
    ]

    assert check_with().line() == "sent 2 admitted 2 lost 0 doubled 0 unexplained 0"
    assert check_with().clean
    assert check_with(south={"outbox": [*south.outbox, south.outbox[0]]}).clean
    assert check_with(north={"events": own}).unexplained == []


def test_a_document_that_its_receiver_does_not_have_or_its_sender_forgot_is_lost() -> None:
    _, north, _ = complete_run()
    missing, forgotten = (
        check_with(south={"incoming": [_taken_in(1)]}),
        check_with(north={"outgoing": north.outgoing[:1]}),
    )

    for lost in (missing, forgotten):
        assert (lost.sent, lost.admitted, len(lost.lost)) == (2, 1, 1)
        assert not lost.clean
    assert "msg2" in missing.lost[0]


def test_a_number_left_out_is_not_explained() -> None:
    ledger, north, south = complete_run()
    ledger.numbers["Z92", "in2"] = "3"
    gap = replace(
        south, incoming=[_taken_in(1), _taken_in(2, number=3)], register=[_entered(1), _entered(2, number=3)]
    )

    findings = check(ledger, [north, gap])

    assert findings.unexplained == ["book ('Z92', 'den', 2026): numbers never given: [2]"]


def test_another_number_than_was_answered_is_not_explained() -> None:
    ledger, north, south = complete_run()
    ledger.numbers["Z92", "in2"] = "7"

    assert len(check(ledger, [north, south]).unexplained) == 1


def test_what_callers_complain_of_and_what_the_axis_holds_is_not_explained() -> None:
    ledger, north, south = complete_run()
    ledger.accepted(replace(ledger.sent["k1"], id="msg1b"))

    findings = check(ledger, [north, south], ["north axis waiting 1"])

    assert len(findings.unexplained) == 2
    assert not findings.clean
