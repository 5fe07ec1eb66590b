"""One outgoing document as a clerk reads it: the example of interfaces.md section 4, recipient by recipient."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from gateway.cli import documents as story
from gateway.cli.command import Invocation, Lang
from gateway.domain.document import (
    Delivery,
    Draft,
    Kind,
    OutgoingDocument,
    OutState,
    Recipient,
    Signer,
    Staff,
    Urgency,
)
from gateway.domain.identity import DocumentId, PacketId
from gateway.domain.states import Track
from gateway.domain.status import Fact

NOW = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
CREATED_AT = NOW - timedelta(minutes=65)


def document(state: OutState = OutState.PACKED) -> OutgoingDocument:
    draft = Draft(
        number="1523",
        symbol="STC-VP",
        issued_on=date(2026, 11, 20),
        type_name="Letter",
        subject="Trial report",
        signer=Signer(name="A Signer"),
        urgency=Urgency.EXPRESS,
    )
    return OutgoingDocument(
        id="msg_1",
        agency_id="agy_1",
        kind=Kind.DOCUMENT,
        packet_id=PacketId("pkt_1"),
        document_id=DocumentId("Z91,2026/11/20,1523/STC-VP"),
        draft=draft,
        files=(),
        state=state,
        created_at=CREATED_AT,
        accepted_by="prn_1",
    )


def delivery(
    code: str, state: str, name: str = "", at: datetime = CREATED_AT, marks: tuple[str, ...] = ()
) -> Delivery:
    return Delivery(
        id=f"dlv_{code}",
        agency_id="agy_1",
        document_id="msg_1",
        recipient=Recipient(code=code, name=name or None),
        attempt=1,
        state=state,
        updated_at=at,
        marks=marks,
    )


def tell(
    *deliveries: Delivery, facts: dict[str, list[Fact]] | None = None, stuck: str | None = None
) -> list[str]:
    return story.outgoing_lines(Invocation(lang=Lang.EN), document(), deliveries, facts or {}, stuck, NOW)


def test_the_head_says_the_document_and_the_summary_counts_states_those_that_need_a_person_first() -> None:
    lines = tell(
        delivery("Z91.1", "accepted", marks=("contradiction",)),
        delivery("Z91.2", "rejected"),
        delivery("Z91.3", "accepted"),
    )

    assert lines[0] == "1523/STC-VP  20/11/2026  Express  Trial report"
    assert lines[1] == "3 recipients: 1 refused · 2 accepted"
    assert "ask them" in next(line for line in lines if "Z91.1" in line)


def test_what_does_not_go_on_is_told_in_words_that_steer_no_terminal() -> None:
    failed = tell(delivery("Z91.1", "failed"), delivery("Z91.2", "accepted"))
    silent = tell(delivery("Z91.12", "sent", "Office Twelve"))

    assert failed[-1] == "What to do: gateway outbox resend msg_1 --to Z91.1"
    assert silent[2] == "!  Z91.12  Office Twelve  Sent  13:25  no status for 65 minutes"
    assert "It could not be packed yet: no key" in tell(delivery("Z91.1", "queued"), stuck="no key")

    fact = Fact(track=Track.BUSINESS, code="03", at=NOW, reason="Taken in · Mã gói tin: pkt_9")
    bare = Fact(track=Track.BUSINESS, code="03", at=NOW, reason="Mã gói tin: pkt_9")

    assert tell(delivery("Z91.1", "accepted"), facts={"dlv_Z91.1": [fact]})[2].endswith('14:30  "Taken in"')
    assert tell(delivery("Z91.1", "accepted"), facts={"dlv_Z91.1": [bare]})[2].endswith("14:30")

    note = Fact(track=Track.BUSINESS, code="02", at=NOW, note="\x1b[2J\nZ91.9  Accepted")

    lines = tell(delivery("Z91.1", "rejected"), facts={"dlv_Z91.1": [note]})

    assert all(line.isprintable() for line in lines)
    assert len(lines) == 4


def test_a_refusal_comes_first_with_reason_note_and_whom_to_phone() -> None:
    refused = Fact(
        track=Track.BUSINESS,
        code="02",
        at=NOW - timedelta(minutes=10),
        reason="MISSING_FILE",
        note="Appendix 2 is missing",
        staff=Staff(name="B Clerk", phone="0000 000 001"),
    )

    lines = tell(
        delivery("Z91.3", "delivered", "Office Three", NOW),
        delivery("Z91.7", "rejected", "Office Seven"),
        facts={"dlv_Z91.7": [refused]},
    )

    assert lines[2] == (
        '✗   Z91.7  Office Seven  Refused    14:20  "Missing file or page"  "Appendix 2 is missing"'
        "  (B Clerk, 0000 000 001)"
    )
    assert lines[3] == "✓✓  Z91.3  Office Three  Delivered  14:30"
