"""Every pattern of the program is attacked at its own repeats: none takes the square of a text that was made for it."""

from __future__ import annotations

from tests.support.cases import Cases
from tests.support.patterns import attacks_on, uses_in
from tests.unit.domain.test_linear_time import assert_linear

# How a pattern is asked where its module does not say so by name, and why one is not tried.
ASKED_BY = {
    "gateway.edxml.safe_xml._TAG": "match",
    "gateway.edxml.safe_xml._SIGNATURE_END": "match",
    "gateway_office.web.pages.agencies.common._PATTERNS": "fullmatch",
}
NOT_TRIED = {
    "gateway.edxml.dialects._ANY": "refers back to a separator; each of its repeats is bounded by a few digits",
    "gateway_foreign.rest.line._CONTENT": "what is shorter than 120 letters is tried 120 times at most",
}


def test_no_pattern_of_the_program_takes_the_square_of_a_text_made_for_it(cases: Cases) -> None:
    """Each of its repeats is fed what it eats, after what leads to it, and what a search begins with again and again."""
    uses = {
        use
        for package in ("gateway", "gateway_office", "gateway_foreign", "gateway_client")
        for use in uses_in(package)
    }
    assert len(uses) > 200
    assert {use.place for use in uses} >= ASKED_BY.keys() | NOT_TRIED.keys()
    for use in sorted(uses, key=lambda use: (use.place, use.method, str(use.pattern.pattern))):
        attacks = list(attacks_on(use.pattern))
        if use.place in NOT_TRIED or not attacks:
            continue
        method = ASKED_BY.get(use.place, use.method)
        with cases.case(f"{use.place}, {method}, {use.pattern.pattern!r}"):
            assert_linear(use.pattern, method, attacks)
