"""May an update, recall or replacement follow this document (R70, R71)?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from gateway.domain.document import DocumentChange, Draft, Kind, OutgoingDocument, OutState, Recipient
from gateway.domain.identity import DocumentId, PacketId
from gateway.policy.outgoing import check_change

SENT = OutgoingDocument(
    id="d1",
    agency_id="a1",
    kind=Kind.DOCUMENT,
    packet_id=PacketId("p1"),
    document_id=DocumentId("Z91.07,2026/11/20,88/STN-VP"),
    draft=Draft(
        number="88", symbol="STN-VP", issued_on=date(2026, 11, 20), recipients=(Recipient(code="Z92.01"),)
    ),
    files=(),
    state=OutState.PACKED,
    created_at=datetime(2026, 11, 20, tzinfo=UTC),
    accepted_by="u1",
)


def change(**changes: Any) -> DocumentChange:
    return replace(
        DocumentChange(reason="Nhầm phụ lục", approved_by="Lê Thử, Giám đốc", notice_no="12/TB-STN"),
        **changes,
    )


def broken(
    change: DocumentChange, kind: Kind, parent: OutgoingDocument = SENT, new: Draft | None = None
) -> set[tuple[str, str]]:
    return {(reason.code.value, reason.pointer) for reason in check_change(change, kind, parent, new).reasons}


def test_a_change_acts_on_its_sent_parent_and_names_what_its_kind_needs_r70_r71() -> None:
    for kind in (Kind.UPDATE, Kind.RECALL, Kind.REPLACEMENT):
        assert check_change(change(), kind, SENT).allowed

    missing = {("missing", f"/{name}") for name in ("reason", "approved_by", "notice_no")}
    assert broken(DocumentChange(reason=" "), Kind.RECALL) == missing
    assert broken(DocumentChange(reason="Sửa ngày họp"), Kind.UPDATE) == set()
    assert broken(DocumentChange(reason=""), Kind.UPDATE) == {("missing", "/reason")}
    assert broken(change(information_changed=False), Kind.UPDATE) == {("nothing-changed", "")}

    for state in (OutState.QUEUED, OutState.BLOCKED, OutState.DRAFT):
        assert ("parent-not-sent", "") in broken(change(), Kind.RECALL, replace(SENT, state=state))
    cancelled, sealed = replace(SENT, state=OutState.CANCELLED), replace(SENT, is_sealed=True)
    assert ("parent-not-sent", "") in broken(change(), Kind.UPDATE, cancelled)
    assert ("parent-sealed", "") in broken(change(), Kind.UPDATE, sealed)
    assert broken(change(), Kind.RECALL, cancelled) == broken(change(), Kind.RECALL, sealed) == set()
    assert ("parent-is-change", "") in broken(change(), Kind.RECALL, replace(SENT, kind=Kind.UPDATE))
    wrong = change(target=DocumentId("Z91.07,2026/11/20,89/STN-VP"))
    assert broken(wrong, Kind.UPDATE) == {("target-differs", "/target")}
    assert broken(change(information_changed=False), Kind.UPDATE) == {("nothing-changed", "")}

    assert broken(change(), Kind.REPLACEMENT, SENT, SENT.draft) == {("replaces-itself", "/number")}
    assert broken(change(), Kind.REPLACEMENT, SENT, replace(SENT.draft, number="90")) == set()


def test_receivers_are_added_once_and_removed_only_when_present() -> None:
    added = change(receivers_changed=True, receivers_added=("z92.01",), receivers_removed=("Z99",))

    assert broken(added, Kind.UPDATE) == {
        ("recipient-twice", "/receivers_added/0"),
        ("recipient-unknown", "/receivers_removed/0"),
    }
