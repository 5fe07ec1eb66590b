"""Every vector is the file that it always was, and each verifier says of it what the table says (G8: F, then G, then
xmlsec, each no laxer than the next)."""

from __future__ import annotations

from dataclasses import asdict

from gateway.edxml.verify import CODES
from tests.support.cases import Cases
from tests.vectors import verdicts
from tests.vectors.verdicts import NOT_MINE, VALID, Row

EXPECTED = verdicts.load_expected()


def test_every_vector_is_the_same_file_and_every_verifier_keeps_its_verdict() -> None:
    now = {row.name: row for row in verdicts.rows()}

    assert list(now) == list(EXPECTED)
    assert {name: asdict(row) for name, row in now.items() if row != EXPECTED[name]} == {}


def test_what_a_path_takes_each_laxer_verifier_takes_too(cases: Cases) -> None:
    def check(row: Row) -> None:
        assert row.fast in (VALID, NOT_MINE)
        assert {row.general, row.end} <= {VALID, *CODES}
        if VALID in (row.fast, row.end):
            assert row.general == VALID
        if row.general == VALID:
            assert (row.xmlsec, row.signxml) == (VALID, VALID)

    cases.check_rows(EXPECTED, check)


def test_only_what_our_own_writer_made_is_fast() -> None:
    """Groups 2, 5 and 6 are never native; of 3 and 4 only words that look like a signature."""
    fast = {name for name, row in EXPECTED.items() if row.fast == VALID}

    assert {name[0] for name in fast} == {"1", "3", "7"}
    assert {name for name in fast if name[0] == "3"} == {"3-words-that-look-like-a-signature"}
    assert all(row.end == VALID for name, row in EXPECTED.items() if name[0] == "1")
