"""Threat 108: parts of a packet from a node that lies. Each lie is bounded before anything is kept, ends its own set at
most, and harms no other; and nothing that was kept vanishes silently (A2)."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.identity import Digest
from gateway.transport.amqp.parts_spool import Landed, PartLabel, PartRefused, Spool
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.parts import LIMITS, TO, bytes_of, cut, files_in, label_of, land, opened

PACKET = b"the true bytes of one large packet"
TRUE = cut(PACKET)
GOOD = dict(TRUE[0].headers())


@pytest.fixture
def spool(tmp_path: Path, clock: ManualClock) -> Spool:
    return opened(tmp_path / "parts", clock)


def read(headers: Mapping[str, object], packet_id: object = "p1", kind: object = "edoc") -> PartLabel:
    return PartLabel.read(headers, "n1", packet_id=packet_id, kind=kind, limits=LIMITS)


# --- headers --------------------------------------------------------------------------------------------------

NUMBERS = ["x-part", "x-parts", "x-whole-size"]
NOT_A_NUMBER = [None, "1", b"1", 1.0, True, 0, -1, 2_000_000_000, 2**63, 10**5000, [1], {"n": 1}]
NOT_A_DIGEST = [
    *(None, "", "ab" * 31, "AB" * 32, "ab" * 32 + "\n", b"ab" * 32, "../" * 21 + "a", "/" * 64, 7),
    "ａ" * 64,
]
NOT_A_WORD = [None, "", "x" * 129, "two\nlines", "\x00", b"bytes", 7, ["x"]]


def test_threat_108_headers_are_numbers_digests_and_words_within_bounds_or_refused_by_name(
    cases: Cases,
) -> None:
    """A set is named by a digest and by no path; words are short and printable."""
    rows = [
        *((name, value) for name in NUMBERS for value in NOT_A_NUMBER),
        *((name, value) for name in ("x-set", "x-whole-digest") for value in NOT_A_DIGEST),
        *((name, value) for name in ("x-sender", "x-lane") for value in NOT_A_WORD),
    ]
    for name, value in rows:
        with cases.case((name, "huge" if value == 10**5000 else value)):
            with pytest.raises(PartRefused, match=name) as refusal:
                read({**GOOD, name: value})
            assert len(str(refusal.value)) < 300
    for value in NOT_A_WORD:
        with cases.case(value):
            with pytest.raises(PartRefused, match="message_id"):
                read(GOOD, packet_id=value)
            with pytest.raises(PartRefused, match="type"):
                read(GOOD, kind=value)


def test_threat_108_a_part_beyond_the_last_and_more_parts_than_bytes_are_refused() -> None:
    with pytest.raises(PartRefused, match="x-part is 5; a whole number from 1 to 4"):
        read({**GOOD, "x-part": 5})
    with pytest.raises(PartRefused, match="4 parts of 3 bytes"):
        read({**GOOD, "x-whole-size": 3})


VALUES = st.one_of(
    *(st.none(), st.integers(), st.booleans(), st.text(max_size=80), st.binary(max_size=80)),
    *(st.floats(), st.lists(st.integers(), max_size=3), st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), VALUES), VALUES, VALUES)
def test_threat_108_any_headers_give_a_label_within_the_limits_or_a_refusal(
    headers: dict[str, object], packet_id: object, kind: object
) -> None:
    try:
        label = read({**GOOD, **headers}, packet_id, kind)
    except PartRefused:
        return
    assert 1 <= label.n <= label.of <= min(LIMITS.parts, label.whole_size)
    assert label.whole_size <= LIMITS.set_bytes
    assert max(map(len, (label.packet_id, label.kind, label.sender))) <= 128


# --- lies that are refused before anything is kept ------------------------------------------------------------


def test_threat_108_what_is_over_a_limit_leaves_nothing_on_the_disk(tmp_path: Path, spool: Spool) -> None:
    everybody = tuple(f"Z92.{n}" for n in range(LIMITS.recipients + 1))
    rows: list[tuple[dict[str, Any], bytes, tuple[str, ...]]] = [
        ({"n": 2_000_000_000, "of": 2_000_000_000}, b"x", TO),
        ({"whole_size": 10**15}, b"x", TO),
        ({}, b"x" * (LIMITS.part_bytes + 1), TO),
        ({}, b"", TO),
        ({"whole_size": 5, "of": 2}, b"12345", TO),  # no room for the other part
        ({"of": 1}, b"short", TO),
        ({}, b"x", ()),
        ({}, b"x", everybody),
        ({}, b"x", ("Z" * 129,)),
    ]
    for changes, body, to in rows:
        landing = spool.land(replace(label_of(TRUE[0]), **changes), body, to)
        assert landing.landed is Landed.REFUSED
        assert landing.reason
        assert files_in(tmp_path) == 0


def test_threat_108_a_node_fills_its_own_quota_of_sets_and_of_announced_bytes_and_nobody_elses(
    tmp_path: Path,
) -> None:
    spool = opened(tmp_path / "sets", limits=replace(LIMITS, open_sets=3))
    flood = [cut(bytes([n]) * 20) for n in range(20)]
    landings = [land(spool, parts[0], "liar") for parts in flood]
    assert [landing.landed for landing in landings] == [Landed.STORED] * 3 + [Landed.REFUSED] * 17
    assert "3 sets of this node are open already" in landings[-1].reason
    assert [land(spool, part, "honest").landed for part in TRUE] == [Landed.STORED] * len(TRUE)
    assert land(spool, flood[0][1], "liar").landed is Landed.STORED

    spool = opened(tmp_path / "bytes", limits=replace(LIMITS, open_bytes=60))
    first, second = land(spool, cut(b"a" * 40)[0]), land(spool, cut(b"b" * 40)[0])
    assert (first.landed, second.landed) == (Landed.STORED, Landed.REFUSED)
    assert "80 bytes, at most 60" in second.reason
    assert land(spool, cut(b"b" * 40)[0], "n2").landed is Landed.STORED


def test_threat_108_what_is_remembered_of_a_nodes_sets_is_bounded(tmp_path: Path) -> None:
    clock = ManualClock()
    spool = opened(tmp_path / "parts", clock, replace(LIMITS, remembered=5))
    for n in range(12):
        clock.advance(1)
        land(spool, cut(bytes([65 + n]))[0])
        (joined,) = spool.complete(1)
        spool.end_set(joined.token)

    assert len(list((tmp_path / "parts").rglob("over/*"))) == 5
    assert land(spool, cut(b"L")[0]).landed is Landed.REPEAT


# --- lies about a set -----------------------------------------------------------------------------------------


CONTRADICTIONS: list[dict[str, object]] = [
    {"x-parts": 5},
    {"x-whole-size": 35},
    {"x-whole-digest": "ab" * 32},
    {"x-sender": "Z91.08"},
    {"x-lane": "urgent"},
]


def test_threat_108_a_header_that_contradicts_the_first_part_refuses_the_set_with_a_reason(
    tmp_path: Path, clock: ManualClock
) -> None:
    for lie in CONTRADICTIONS:
        (name,) = lie
        spool = opened(tmp_path / name, clock)
        land(spool, TRUE[0])

        landing = land(spool, TRUE[1], lies=lie)

        assert landing.landed is Landed.REFUSED
        assert name in landing.reason
        assert land(spool, TRUE[2]) == landing
        (flawed,) = spool.overdue(clock.now())
        assert flawed.flaw.startswith("1 of 4 parts came, and the set was refused: part 2 says")
        assert bytes_of(flawed) == TRUE[0].body


def test_threat_108_a_part_that_came_with_two_contents_refuses_the_set_until_it_is_sent_again_from_its_first_part(
    spool: Spool, clock: ManualClock
) -> None:
    for part in TRUE:
        land(spool, part)

    landing = land(spool, replace(TRUE[1], body=b"ten forged"))

    assert landing.landed is Landed.REFUSED
    assert "part 2 came twice with different bytes" in landing.reason
    assert spool.complete(10) == []
    (flawed,) = spool.overdue(clock.now())
    spool.end_set(flawed.token)
    assert {land(spool, part).landed for part in TRUE[1:]} == {Landed.REFUSED}

    assert {land(spool, part).landed for part in TRUE} == {Landed.STORED}
    (joined_set,) = spool.complete(10)
    assert bytes_of(joined_set) == PACKET


def test_threat_108_a_total_that_is_a_lie_is_seen_at_the_part_that_breaks_it(tmp_path: Path) -> None:
    """Three parts of ten bytes, four bytes announced for the last."""
    for size in (11, 200, 9):
        spool = opened(tmp_path / str(size))
        assert [land(spool, part).landed for part in TRUE[:3]] == [Landed.STORED] * 3
        last = land(spool, replace(TRUE[3], body=b"x" * size))
        assert last.landed is Landed.REFUSED
        assert "the whole was announced with 34" in last.reason
        assert spool.complete(10) == []


def test_threat_108_parts_that_are_not_what_was_announced_are_told_and_never_handed_on(
    spool: Spool, clock: ManualClock
) -> None:
    for part in TRUE[:3]:
        land(spool, part)
    land(spool, replace(TRUE[3], body=b"lies"))

    assert spool.complete(10) == []
    (flawed,) = spool.overdue(clock.now())

    assert "4 of 4 parts came, and the set was refused: the parts together have SHA-256" in flawed.flaw
    assert bytes_of(flawed) == PACKET[:30] + b"lies"
    assert flawed.digest != TRUE[0].whole_digest


def test_threat_108_parts_of_two_nodes_never_join(spool: Spool, clock: ManualClock) -> None:
    for part in TRUE[:2]:
        land(spool, part, "n1")
    for part in TRUE[2:]:
        land(spool, part, "n2")

    assert spool.complete(10) == []
    clock.advance(LIMITS.age)
    assert (
        sorted(s.flaw.partition(" since")[0] for s in spool.overdue(clock.now())) == ["2 of 4 parts came"] * 2
    )


def test_threat_108_another_node_can_neither_spoil_nor_finish_a_nodes_set(tmp_path: Path) -> None:
    for n, liar in enumerate(("n2", None, "nobody", "../n1", "N1")):
        spool = opened(tmp_path / str(n))
        land(spool, TRUE[0])
        land(spool, replace(TRUE[1], body=b"ten forged"), liar)
        land(spool, TRUE[2], liar, lies={"x-parts": 5})
        for part in TRUE[1:]:
            assert land(spool, part).landed is Landed.STORED
        (joined,) = spool.complete(10)
        assert (bytes_of(joined), joined.label.user) == (PACKET, "n1")


def test_threat_108_no_name_leads_out_of_the_folder(tmp_path: Path, spool: Spool) -> None:
    """Even one that did not pass the reading of headers."""
    label = replace(label_of(TRUE[0]), set_id="../../../escaped", user="../../out", packet_id="/p")
    spool.land(label, TRUE[0].body, ["../../to", "/to"])

    assert [path.name for path in tmp_path.iterdir()] == ["parts"]
    names = [path.name for path in (tmp_path / "parts").rglob("*")]
    assert not [name for name in names if "escaped" in name or "out" in name]


BODIES = (b"", b"x", b"ten bytes!", b"0123456789", b"four", b"y" * 40)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 6),
            st.integers(1, 6),
            st.integers(1, 60),
            st.sampled_from(["ab" * 32, "cd" * 32]),
            st.sampled_from(BODIES),
            st.sampled_from(["liar", "n1"]),
        ),
        max_size=25,
    )
)
@settings(max_examples=40)
def test_threat_108_whatever_a_liar_sends_the_honest_set_joins_and_other_sets_are_bounded_and_reported(
    tmp_path_factory: pytest.TempPathFactory, lies: list[tuple[int, int, int, str, bytes, str]]
) -> None:
    clock = ManualClock()
    limits = replace(LIMITS, open_sets=4, open_bytes=200)
    spool = opened(tmp_path_factory.mktemp("parts"), clock, limits)
    for n, part in enumerate(TRUE):
        assert land(spool, part).landed is Landed.STORED
        for number, total, size, digest, body, user in lies[n :: len(TRUE)]:
            label = replace(
                label_of(part, user),
                n=number,
                of=total,
                whole_size=size,
                whole_digest=Digest(digest),
                set_id=digest,
            )
            spool.land(label, body, TO)
    assert spool.counts()["bytes"] <= 2 * limits.open_bytes

    joined = [s for s in spool.complete(10) if s.label.user == "n1"]
    assert PACKET in [bytes_of(s) for s in joined]
    for s in joined:
        spool.end_set(s.token)
    clock.advance(LIMITS.age)
    for s in spool.overdue(clock.now(), 100):
        assert s.flaw
        spool.end_set(s.token)
    assert spool.counts()["sets"] == 0


def test_threat_108_a_flood_of_lies_costs_no_memory(spool: Spool) -> None:
    tracemalloc.start()
    try:
        for n in range(2000):
            with pytest.raises(PartRefused):
                read({**GOOD, "x-parts": 2_000_000_000 + n})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 2_000_000
