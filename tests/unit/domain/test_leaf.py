"""Events as leaves: fixed bytes, and texts of people outside them (threat 121)."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import sealed_log
from gateway.domain.sealed_log import Logged
from tests.support.cases import Cases

EVENT = Logged(
    id="evt_1",
    kind="message.status",
    at=datetime(2026, 11, 20, 1, 2, 3, 4, tzinfo=UTC),
    agency_id="agy_north",
    subject_id="msg_1",
    principal_id="prn_1",
    data={"code": "02", "n": 7, "reason": "Sai địa chỉ", "to": ["Z91.02", "Z91.03"], "proved": True},
    node_seq=12,
    agency_seq=5,
)
texts = st.text(max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
events = st.builds(
    replace, st.just(EVENT), data=st.dictionaries(st.text(max_size=12), values, max_size=6), subject_id=texts
)


def salted() -> bytes:
    return bytes(range(32))


def test_a_text_erased_with_its_salt_counts_as_erased_and_every_changed_field_is_named() -> None:
    """A change of this form needs another version, because old proofs rest on it."""
    leaf = sealed_log.write_leaf(EVENT, salted)
    digest = hashlib.sha256(bytes(range(32)) + rb'"Sai \u0111\u1ecba ch\u1ec9"').hexdigest()

    assert leaf.body.decode() == (
        '{"agency":"agy_north","at":"2026-11-20T01:02:03.000004Z",'
        '"data":{"code":"02","n":7,"proved":true,"to":["Z91.02","Z91.03"]},'
        '"id":"evt_1","kind":"message.status","own":5,"personal":{"reason":"' + digest + '"},'
        '"principal":"prn_1","seq":12,"subject":"msg_1","v":1}'
    )
    assert leaf.salts == {"reason": bytes(range(32)).hex()}
    assert leaf.hash == hashlib.sha256(b"\x00" + leaf.body).digest()

    changes: dict[str, dict[str, Any]] = {
        "kind": {"kind": "message.sent"},
        "at": {"at": EVENT.at + timedelta(microseconds=1)},
        "principal": {"principal_id": "prn_2"},
        "subject": {"subject_id": "msg_2"},
        "agency": {"agency_id": ""},
        "seq": {"node_seq": 13},
        "own": {"agency_seq": None},
        "id": {"id": "evt_2"},
    }
    for name, change in changes.items():
        compared = sealed_log.compare_leaf(leaf.body, replace(EVENT, **change), leaf.salts)
        assert compared.changed == (name,)

    without = replace(EVENT, data={name: part for name, part in EVENT.data.items() if name != "reason"})

    assert sealed_log.compare_leaf(leaf.body, without, {}).erased == ("reason",)
    assert sealed_log.compare_leaf(leaf.body, without, leaf.salts).texts == ("reason",)
    assert sealed_log.compare_leaf(leaf.body, EVENT, {}).texts == ("reason",)
    assert sealed_log.compare_leaf(leaf.body, EVENT, {"reason": "no salt"}).texts == ("reason",)

    in_hanoi = replace(EVENT, at=EVENT.at.astimezone(timezone(timedelta(hours=7))))

    assert sealed_log.write_leaf(in_hanoi, salted).body == sealed_log.write_leaf(EVENT, salted).body


def test_what_people_wrote_stands_outside(cases: Cases) -> None:
    rows: list[tuple[str, object]] = [
        ("reason", "no"),
        ("why", "ok"),
        ("anything", "Nguyễn"),
        ("anything", "two words"),
        ("anything", "a.person@example.invalid"),
        ("anything", ["Z91.02", "someone else"]),
        ("anything", {"name": "Lan"}),
        ("anything", {"deep": [{"x": "tab\there"}]}),
        ("anything", "x" * 201),
        ("file", "cv-lan.pdf"),
        ("approved_by", "Lan"),
    ]
    for name, value in rows:
        with cases.case(value):
            leaf = sealed_log.write_leaf(replace(EVENT, data={name: value}), salted)
            parsed = json.loads(leaf.body)
            assert parsed["data"] == {}
            assert list(parsed["personal"]) == list(leaf.salts) == [name]
            for text in ("Lan", "Nguy", "words", "person", "someone", "here", "xxx"):
                assert text.encode() not in leaf.body.replace(b'"personal"', b"")


def test_a_machines_words_stand_inside() -> None:
    """A digest does whatever its name."""
    words: tuple[object, ...] = (
        "Z91.02",
        "0" * 64,
        "GW-T-001",
        "2026-11-20T01:00:00+00:00",
        "@node-a",
        3,
        True,
        None,
        [],
    )
    rows: list[dict[str, Any]] = [{"x": value, "n": {"y": [value]}} for value in words]
    for data in (*rows, {"file": "0a" * 32}):
        parsed = json.loads(sealed_log.write_leaf(replace(EVENT, data=data), salted).body)
        assert (parsed["data"], parsed["personal"]) == (data, {})


@given(events)
def test_every_event_compares_equal_to_its_own_leaf(event: Logged) -> None:
    leaf = sealed_log.write_leaf(event, lambda: secrets.token_bytes(32))

    assert sealed_log.compare_leaf(leaf.body, event, leaf.salts) == sealed_log.ComparedLeaf()
    leaf.body.decode("ascii")
    assert leaf.body == json.dumps(
        json.loads(leaf.body), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    ).encode("ascii")


@given(event=events, data=st.data())
def test_any_change_of_an_event_is_told_by_its_name(event: Logged, data: st.DataObject) -> None:
    leaf = sealed_log.write_leaf(event, lambda: secrets.token_bytes(32))
    name = data.draw(st.sampled_from(sorted(event.data)) if event.data else st.just("new"))
    value = data.draw(values.filter(lambda x: not same(x, event.data.get(name, object()))))

    diff = sealed_log.compare_leaf(leaf.body, replace(event, data={**event.data, name: value}), leaf.salts)

    assert diff.texts == (name,) if name in leaf.salts else diff.changed == (f"data.{name}",)


def same(mine: Any, other: Any) -> bool:
    """Compare two values as JSON does: True is not 1."""
    return type(other) is not object and json.dumps(mine, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_other_bytes_are_no_leaf_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of its kinds
        sealed_log.read_leaf(data)
