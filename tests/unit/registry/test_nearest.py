"""The nearest spelling: few edits, one winner, or nothing."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.registry.resolving import edits, nearest, one_slip

WORDS = st.text("AB.1", max_size=7)


def test_edits_are_counted() -> None:
    for left_word, right_word, distance in (
        ("Z91", "Z91", 0),
        ("Z91", "Z92", 1),
        ("Z91", "Z9", 1),
        ("Z91.70", "Z91.07", 1),
        ("Z91", "", 3),
        ("AB", "BCA", 3),
    ):
        assert edits(left_word, right_word, 5) == edits(right_word, left_word, 5) == distance
    # A distance beyond the limit is only known to be beyond it.
    assert edits("Z91.07.12", "H49", 2) == edits("ABCDEF", "UVWXYZ", 2) == 3


@given(WORDS, WORDS, st.integers(0, 4))
def test_a_limit_never_changes_a_near_answer(left_word: str, right_word: str, limit: int) -> None:
    assert edits(left_word, right_word, limit) == min(edits(left_word, right_word, 20), limit + 1)


def test_only_one_nearest_candidate_is_offered() -> None:
    rows: list[tuple[list[str], str | None]] = [
        (["Z91.08", "Z91.7", "H49"], None),
        (["Z91.7", "H49"], "Z91.7"),
        (["H49", "G12"], None),
        ([], None),
        (["Z91.0755", "Z91.08"], "Z91.08"),
        (["Z91.08", "Z91.08"], "Z91.08"),
    ]
    for candidates, closest in rows:
        assert nearest("Z91.07", candidates, 2) == closest


@given(WORDS)
def test_every_slip_is_one_edit_away(code: str) -> None:
    assert all(edits(code, slip, 2) == 1 for slip in one_slip(code))


def test_a_slip_is_a_dropped_swapped_wrong_or_extra_letter() -> None:
    slips = {"91.07", "Z91.0", "Z91.70", "Z91.O7", "Z991.07", "Z91.07.", "AZ91.07"}
    assert slips <= set(one_slip("Z91.07"))
