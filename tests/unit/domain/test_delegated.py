"""Bindings of a list are proved one by one by the root that one event names, and trust in an issuer is what its events
tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.domain import sealed_log
from gateway.domain.delegated import fold_delegation, proof_line, prove, proved_binding
from gateway.domain.event import Bound, Event, EventKind

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


def bounds(count: int) -> list[Bound]:
    return [
        Bound(code=f"Z91.{n:02}", fingerprint=f"{n:064x}", valid_from=NOW, valid_to=None if n % 2 else NOW)
        for n in range(count)
    ]


def event(kind: EventKind, at: datetime = NOW, **data: Any) -> Event:
    return Event(id="evt_1", kind=kind, at=at, subject_id="list:1", principal_id="node", data=data)


def test_each_binding_of_a_list_is_proved_by_one_root_and_no_other_is() -> None:
    for count in range(1, 18):
        listed = bounds(count)
        root, proofs = prove(listed)
        list_event = event(EventKind.LIST_BOUND, root=root, count=count)
        leaves = [sealed_log.leaf_hash(proof_line(bound).encode()) for bound in listed]

        assert root == sealed_log.tree_root(leaves).hex()
        assert [proved_binding(proof, list_event) for proof in proofs] == listed
        other = proofs[0].replace('"Z91.00"', '"Z91.77"')
        assert proved_binding(other, list_event) is None
        fewer = event(EventKind.LIST_BOUND, root=root, count=count + 1)
        assert proved_binding(proofs[-1], fewer) is None
    for broken in ("", "0", "x::[]", "0:zz:[]", '0::["Z91",1]', "-1::x"):
        assert proved_binding(broken, event(EventKind.LIST_BOUND, root="00" * 32, count=1)) is None


def test_trust_in_an_issuer_is_what_its_events_tell() -> None:
    facts: dict[str, Any] = {
        "officers": ["aa", "bb", "cc"],
        "names": ["CN=A", "CN=B"],
        "until": [NOW.isoformat()],
        "codes": ["Z91"],
        "most_per_day": 5,
        "most_share": 10,
        "wait_hours": 24,
    }
    grant = event(EventKind.TRUST_DELEGATED, **facts)
    assert fold_delegation("I", []).policy is None

    policy = fold_delegation("I", [grant]).in_force
    assert policy is not None
    assert (policy.version, policy.officer_ids, policy.wait) == (1, ("aa", "bb", "cc"), timedelta(hours=24))
    assert [officer.until for officer in policy.officers] == [NOW, None, None], "erased texts spoil nothing"
    assert [policy.covers(code) for code in ("Z91", "Z91.01", "Z910", "Z92")] == [True, True, False, False]

    struck = event(EventKind.OFFICER_STRUCK, fingerprint="bb")
    reduced_policy = fold_delegation("I", [grant, struck]).in_force
    assert reduced_policy is not None
    assert reduced_policy.officer_ids == ("aa", "cc")
    split = event(EventKind.LIST_SPLIT, sequence=7)
    stopped = fold_delegation("I", [grant, split])
    assert (stopped.in_force, stopped.stopped) == (None, 7)
    recalled = fold_delegation("I", [grant, split, event(EventKind.TRUST_RECALLED, reason="stolen")])
    assert (recalled.policy, recalled.reason) == (None, "stolen")
    renewed = fold_delegation("I", [grant, split, replace(grant, at=NOW + timedelta(days=1))]).in_force
    assert renewed is not None
    assert (renewed.version, renewed.officer_ids) == (2, ("aa", "bb", "cc"))
