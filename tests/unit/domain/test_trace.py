"""Headers that name a trace, after the recommendation of the W3C; the trace that is passed on is the same."""

from __future__ import annotations

import string

from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.domain import trace
from gateway.domain.trace import LONGEST_STATE, Trace
from tests.support.cases import Cases

ID, STEP = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{ID}-{STEP}-01"

HEX = "0123456789abcdef"


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=count, max_size=count)


def ids(count: int) -> st.SearchStrategy[str]:
    return digits(count).filter(lambda t: t.strip("0") != "")


KEYS = st.from_regex(r"[a-z][a-z0-9_\-*/]{0,20}(@[a-z][a-z0-9_\-*/]{0,13})?", fullmatch=True)
VALUES = st.text([chr(n) for n in range(0x20, 0x7F) if chr(n) not in ",="], min_size=1, max_size=200).filter(
    lambda t: t.strip() == t
)
STATES = st.dictionaries(KEYS, VALUES, max_size=32).map(lambda m: [f"{k}={v}" for k, v in m.items()])


@given(ids(32), ids(16), digits(2))
def test_whatever_holds_is_read(id: str, step: str, flags: str) -> None:
    read = trace.from_headers([f"00-{id}-{step}-{flags}"])

    assert read == Trace(id, int(flags, 16) % 2 == 1)


@given(ids(32), ids(16), ids(16), digits(2), STATES)
def test_what_is_kept_and_passed_on_is_the_same_trace_from_another_step(
    id: str, step: str, ours: str, flags: str, members: list[str]
) -> None:
    first = trace.from_headers([f"00-{id}-{step}-{flags}"], [",".join(members)])
    assert first is not None

    stored = trace.from_line(first.to_line())
    headers = stored.headers(ours)

    assert stored == first
    version, same, parent, sampled = headers["traceparent"].split("-")
    assert (version, same, parent) == ("00", id, ours)
    assert int(sampled, 16) == int(flags, 16) & 1
    assert trace.from_headers([headers["traceparent"]], [headers.get("tracestate", "")]) == first
    assert "\n" not in first.to_line()


@given(st.text(max_size=80))
@example(GOOD.upper())
@example(GOOD + "-")
@example(GOOD + "-00")
@example(GOOD + "\n")
@example(" " + GOOD)
@example(GOOD[:-1])
@example(GOOD.replace("-", "_"))
@example("ff" + GOOD[2:])
@example("0٠" + GOOD[2:])
@example(f"00-{'0' * 32}-{STEP}-01")
@example(f"00-{ID}-{'0' * 16}-01")
def test_anything_else_names_none(text: str) -> None:
    fits = len(text) >= 55 and text[2:3] == text[35:36] == text[52:53] == "-"
    assume(not (fits and set(text[:55]) <= set(HEX + "-") and text[:2] not in ("00", "ff")))
    assume(text != GOOD)

    read = trace.from_headers([text])

    assert read is None or text.startswith(f"00-{read.id}-")
    assert read is None or len(text) == 55


@given(st.integers(0, 54), st.sampled_from(string.printable))
def test_one_wrong_letter_is_enough(place: int, letter: str) -> None:
    broken = GOOD[:place] + letter + GOOD[place + 1 :]
    assume(letter not in HEX and not (letter == "-" and GOOD[place] == "-"))

    assert trace.from_headers([broken]) is None


def test_a_later_version_is_read_as_far_as_this_one_goes_and_two_parents_are_none() -> None:
    assert trace.from_headers([f"cc-{ID}-{STEP}-01"]) == Trace(ID, True)
    assert trace.from_headers([f"cc-{ID}-{STEP}-01-what-the-future-will-be"]) == Trace(ID, True)
    assert trace.from_headers([f"cc-{ID}-{STEP}-01.what"]) is None
    assert trace.from_headers([f"cc-{ID}-{STEP}-0"]) is None

    assert trace.from_headers([GOOD, GOOD]) is None
    assert trace.from_headers([]) is None
    assert trace.from_headers(["00-x"], ["congo=1"]) is None
    read = trace.from_headers([f"00-{ID}-{STEP}-ff"])
    assert read is not None
    assert read.headers(STEP)["traceparent"].endswith("-01")


def test_of_the_state_whole_members_are_passed_on_or_nothing(cases: Cases) -> None:
    rows = [
        (["congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"], "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
        (["congo=1", "rojo=2"], "congo=1,rojo=2"),
        ([" congo=1 ,\t, rojo=2,"], "congo=1,rojo=2"),
        (["fw529a3039@dt=FfgA"], "fw529a3039@dt=FfgA"),
        (["a=b c"], "a=b c"),
        ([""], ""),
        (["congo=1,congo=2"], ""),
        (["congo"], ""),
        (["Congo=1"], ""),
        (["congo=1=2"], ""),
        (["congo=\u00e9"], ""),
        (["congo=1\r\nx: y"], ""),
        (["congo=" + "x" * 257], ""),
        ([",".join(f"k{n}=1" for n in range(33))], ""),
    ]
    for states, passed in rows:
        with cases.case(states):
            read = trace.from_headers([GOOD], states)
            assert read is not None
            assert read.state == passed


def test_an_oversized_trace_loses_long_members_first_and_then_the_last_members() -> None:
    long, short = "long=" + "x" * 200, [f"k{n}=" + "y" * 40 for n in range(15)]

    read = trace.from_headers([GOOD], [",".join([long, *short])])

    assert read is not None
    assert read.state == ",".join(short[:11])
    assert len(read.state) <= LONGEST_STATE < len(",".join(short[:12]))


@given(st.lists(st.text(max_size=300), max_size=4))
def test_no_state_grows_or_breaks_a_line(states: list[str]) -> None:
    read = trace.from_headers([GOOD], states)

    assert read is not None
    assert len(read.state) <= LONGEST_STATE
    assert read.state.isascii()
    assert read.state.isprintable()
