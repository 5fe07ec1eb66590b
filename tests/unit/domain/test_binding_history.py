"""Bindings by the events, against any table (threat 114)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.event import Bound, Event, EventKind, binding_differences, fold_bindings

AT = datetime(2026, 11, 20, tzinfo=UTC)
ENDS_AT = datetime(2027, 1, 1, tzinfo=UTC)


def event(kind: EventKind, code: str, fingerprint: str, **data: object) -> Event:
    all_data = {"code": code, "fingerprint": fingerprint, **data}
    return Event(id="e", kind=kind, at=AT, subject_id="s", principal_id="p", data=all_data)


def approved(code: str, fingerprint: str, ends_at: datetime | None = None) -> Event:
    ends = ends_at.isoformat() if ends_at else None
    return event(EventKind.BINDING_APPROVED, code, fingerprint, valid_from=AT.isoformat(), valid_to=ends)


def test_a_binding_is_what_was_approved_and_then_ended() -> None:
    ending = event(EventKind.BINDING_ENDING, "Z91", "aa", valid_to=ENDS_AT.isoformat())
    withdrawn = event(EventKind.BINDING_WITHDRAWN, "Z91", "aa", valid_to=AT.isoformat())
    first = Bound(code="Z91", fingerprint="aa", valid_from=AT, valid_to=None)

    assert fold_bindings([approved("Z91", "aa")]) == {("Z91", "aa"): first}
    assert fold_bindings([approved("Z91", "aa"), ending])["Z91", "aa"].valid_to == ENDS_AT
    assert fold_bindings([approved("Z91", "aa"), withdrawn])["Z91", "aa"].state == "withdrawn"
    assert fold_bindings([ending, withdrawn, event(EventKind.PROPOSAL_CREATED, "Z91", "aa")]) == {}


ROWS = st.builds(
    Bound,
    code=st.sampled_from(["Z91", "Z92"]),
    fingerprint=st.sampled_from(["aa", "bb", "cc"]),
    valid_from=st.just(AT),
    valid_to=st.none() | st.just(ENDS_AT),
)


@given(st.lists(ROWS, unique_by=lambda row: (row.code, row.fingerprint)), st.data())
def test_threat_114_every_tampered_row_is_named_and_no_other(rows: list[Bound], data: st.DataObject) -> None:
    """A table as told has no difference; one row put in, changed or taken away is one difference, of that row."""
    events = fold_bindings([approved(row.code, row.fingerprint, row.valid_to) for row in rows])
    assert binding_differences(rows, events) == []
    n = data.draw(st.integers(0, len(rows)))
    if n == len(rows):
        differences = binding_differences(
            [*rows, Bound(code="Z93", fingerprint="dd", valid_from=None, valid_to=None)], events
        )
        assert [(difference.kind, difference.code) for difference in differences] == [("untold", "Z93")]
        return
    changed = replace(rows[n], valid_to=AT)
    differences = binding_differences([*rows[:n], changed, *rows[n + 1 :]], events)
    assert [(difference.kind, difference.code, difference.fingerprint) for difference in differences] == [
        ("changed", rows[n].code, rows[n].fingerprint)
    ]
    differences = binding_differences([*rows[:n], *rows[n + 1 :]], events)
    assert [(d.kind, d.fingerprint) for d in differences] == [("missing", rows[n].fingerprint)]
