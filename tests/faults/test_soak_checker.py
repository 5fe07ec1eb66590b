"""The checker of the soak sees what it is there for: each kind of harm, made by hand in rows that are otherwise whole, is
found and counted under its name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bench.soak.checker import Findings, check
from bench.soak.ledger import Ledger, Sent
from bench.soak.rows import Holdings, Row

CONTENT = "ab" * 32


def whole() -> tuple[Ledger, Holdings, Holdings]:
    """Two documents of Z91 to Z92, both taken in and numbered 1 and 2."""
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
        outgoing=_each({"agency": "Z91", "id": "msg{n}", "packet_id": "pkt{n}", "external_id": "k{n}"}),
        deliveries=_each({"id": "dlv{n}", "document_id": "msg{n}", "code": "Z92", "state": "accepted"}),
        facts=[_fact(n, code) for n in (1, 2) for code in ("01", "03")],
        inbox=[_landed(f"sta{n}{code}") for n in (1, 2) for code in ("01", "03")],
        outbox=[_handed_over(f"msg{n}", f"pkt{n}", "edoc") for n in (1, 2)],
        events=[{"agency": "Z91", "node_seq": n, "agency_seq": n} for n in (1, 2, 3)],
    )
    south = Holdings(
        node="south",
        incoming=[_taken_in(n) for n in (1, 2)],
        identities=_each(
            {"agency": "Z92", "sender": "Z91", "packet_id": "pkt{n}", "incoming_id": "in{n}", "kind": "edoc"}
        ),
        register=[_entered(n) for n in (1, 2)],
        inbox=[_landed(f"inx{n}") for n in (1, 2)],
        outbox=[_handed_over(f"inx{n}", f"sta{n}{code}", "status") for n in (1, 2) for code in ("01", "03")],
        handovers=_each({"agency": "Z92", "incoming_id": "in{n}", "state": "acked"}),
        files={f"in{n}": {f"{n}.pdf": CONTENT} for n in (1, 2)},
    )
    return ledger, north, south


def _each(row: Mapping[str, str]) -> list[Row]:
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


def found(north: Mapping[str, Any] | None = None, south: Mapping[str, Any] | None = None) -> Findings:
    """What is found when these tables of the two nodes are something else."""
    ledger, sender, receiver = whole()
    return check(ledger, [replace(sender, **(north or {})), replace(receiver, **(south or {}))])


def test_whole_rows_are_found_whole() -> None:
    assert found().line() == "sent 2 admitted 2 lost 0 doubled 0 unexplained 0"
    assert found().clean


def test_a_document_that_its_receiver_does_not_have_is_lost() -> None:
    lost = found(south={"incoming": [_taken_in(1)]})

    assert (lost.sent, lost.admitted, len(lost.lost)) == (2, 1, 1)
    assert "msg2" in lost.lost[0]
    assert not lost.clean


def test_a_document_that_its_sender_forgot_is_lost() -> None:
    _, north, _ = whole()

    lost = found(north={"outgoing": north.outgoing[:1]})

    assert (lost.sent, lost.admitted, len(lost.lost)) == (2, 1, 1)


def test_a_document_admitted_two_times_is_doubled() -> None:
    doubled = found(south={"incoming": [_taken_in(1), _taken_in(1, id="in1b"), _taken_in(2)]})

    assert len(doubled.doubled) == 1
    assert "in1b" in doubled.doubled[0]


def test_other_content_is_not_explained() -> None:
    changed = found(south={"files": {"in1": {"1.pdf": "cd" * 32}, "in2": {"2.pdf": CONTENT}}})

    assert len(changed.unexplained) == 1
    assert "other content" in changed.unexplained[0]


def test_a_number_left_out_is_not_explained() -> None:
    ledger, north, south = whole()
    ledger.numbers["Z92", "in2"] = "3"
    gap = replace(
        south, incoming=[_taken_in(1), _taken_in(2, number=3)], register=[_entered(1), _entered(2, number=3)]
    )

    told = check(ledger, [north, gap])

    assert told.unexplained == ["book ('Z92', 'den', 2026): numbers never given: [2]"]


def test_a_number_given_two_times_is_doubled() -> None:
    assert any(
        "numbers given twice" in each
        for each in found(south={"register": [_entered(1), _entered(2, number=1)]}).doubled
    )


def test_a_document_entered_two_times_is_doubled() -> None:
    twice = found(south={"register": [_entered(1), _entered(2), _entered(2, number=3)]})

    assert len(twice.doubled) == 1


def test_another_number_than_was_answered_is_not_explained() -> None:
    ledger, north, south = whole()
    ledger.numbers["Z92", "in2"] = "7"

    assert len(check(ledger, [north, south]).unexplained) == 1


@pytest.mark.parametrize("kept", [("01",), ("03",)])
def test_a_missing_receipt_is_not_explained(kept: Sequence[str]) -> None:
    told = found(north={"facts": [_fact(1, "01"), _fact(1, "03"), *(_fact(2, code) for code in kept)]})

    assert len(told.unexplained) == 1
    assert "msg2" in told.unexplained[0]


def test_a_receipt_that_proves_nothing_is_not_explained() -> None:
    told = found(
        north={"facts": [_fact(1, "01"), _fact(1, "03"), _fact(2, "01"), _fact(2, "03", proved=False)]}
    )

    assert len(told.unexplained) == 1


def test_two_receipts_of_one_status_are_doubled() -> None:
    _, north, _ = whole()

    assert len(found(north={"facts": [*north.facts, _fact(1, "03")]}).doubled) == 1


def test_a_delivery_that_does_not_say_what_happened_is_not_explained() -> None:
    _, north, _ = whole()
    untrue = [north.deliveries[0], {**north.deliveries[1], "state": "sent"}]

    assert len(found(north={"deliveries": untrue}).unexplained) == 1


@pytest.mark.parametrize("state", ["landed", "held", "waiting", "quarantined", "malformed"])
def test_a_packet_that_is_not_at_its_end_is_not_explained(state: str) -> None:
    _, _, south = whole()

    assert len(found(south={"inbox": [*south.inbox, _landed("inx3", state)]}).unexplained) == 1


def test_what_still_waits_is_not_explained() -> None:
    _, north, south = whole()
    job = {"id": "job1", "kind": "pack", "subject_id": "msg1", "last_error": None}
    waiting = _handed_over("msg9", "pkt9", "edoc", "waiting")
    offered = {"agency": "Z92", "incoming_id": "in1", "state": "leased"}

    assert len(found(north={"jobs": [job]}).unexplained) == 1
    assert len(found(north={"outbox": [*north.outbox, waiting]}).unexplained) == 1
    assert len(found(south={"handovers": [offered, south.handovers[1]]}).unexplained) == 1


def test_a_lease_that_is_still_held_is_not_explained() -> None:
    _, north, _ = whole()
    held = {**north.inbox[0], "lease_token": "t"}

    assert len(found(north={"inbox": [held, *north.inbox[1:]]}).unexplained) == 1


def test_another_answer_for_one_status_is_doubled() -> None:
    _, _, south = whole()

    told = found(south={"outbox": [*south.outbox, _handed_over("inx1", "sta1again", "status")]})

    assert len(told.doubled) == 1


def test_the_same_answer_sent_again_is_fine() -> None:
    _, _, south = whole()

    assert found(south={"outbox": [*south.outbox, south.outbox[0]]}).clean


def test_strangers_are_not_explained() -> None:
    _, north, south = whole()
    sent = {"agency": "Z91", "id": "msg9", "packet_id": "pkt9", "external_id": "k9"}
    got = {**_taken_in(1, id="in9"), "packet_id": "pkt8"}
    known = {"agency": "Z92", "sender": "Z91", "packet_id": "pkt8", "incoming_id": "in9", "kind": "edoc"}

    assert len(found(north={"outgoing": [*north.outgoing, sent]}).unexplained) == 1
    assert (
        len(
            found(
                south={"incoming": [*south.incoming, got], "identities": [*south.identities, known]}
            ).unexplained
        )
        == 1
    )


def test_an_identity_claimed_two_times_is_doubled_and_one_missing_is_not_explained() -> None:
    _, _, south = whole()

    assert len(found(south={"identities": [*south.identities, south.identities[0]]}).doubled) == 1
    assert len(found(south={"identities": south.identities[:1]}).unexplained) == 1


def test_events_that_are_not_numbered_densely_are_not_explained() -> None:
    gap = [{"agency": "Z91", "node_seq": n, "agency_seq": k} for n, k in ((1, 1), (3, 2))]

    assert len(found(north={"events": gap}).unexplained) == 1


def test_events_of_the_node_itself_are_in_no_agencys_row_of_numbers() -> None:
    own = [
        {"agency": "", "node_seq": 1, "agency_seq": None},
        {"agency": "Z91", "node_seq": 2, "agency_seq": 1},
    ]

    assert found(north={"events": own}).unexplained == []


def test_what_callers_complain_of_and_what_the_axis_holds_is_not_explained() -> None:
    ledger, north, south = whole()
    ledger.accepted(replace(ledger.sent["k1"], id="msg1b"))

    told = check(ledger, [north, south], ["north axis waiting 1"])

    assert len(told.unexplained) == 2
    assert not told.clean
