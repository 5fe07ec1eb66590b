"""The light beside an agency in the tree: whether mail goes there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.registry import AgencyEntry
from gateway.office.web.pages.agencies.looking import SIX_MONTHS, ShownAgency, light_of

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


def row(*, standing: str = "active", is_bound: bool = True) -> ShownAgency:
    entry = AgencyEntry(code="Z91", name="A")
    return ShownAgency(entry=entry, path="/co-quan/Z91", level=1, standing=standing, is_bound=is_bound)


@pytest.mark.parametrize(
    ("ago", "light"),
    [(timedelta(), "reachable"), (SIX_MONTHS, "reachable"), (SIX_MONTHS + timedelta(seconds=1), "silent")],
)
def test_who_was_heard_in_half_a_year_is_reachable(ago: timedelta, light: str) -> None:
    assert light_of(row(), {"Z91": NOW - ago}, NOW) == light


def test_who_was_never_heard_is_silent() -> None:
    assert light_of(row(), {}, NOW) == "silent"


def test_without_a_certificate_nothing_else_counts() -> None:
    assert light_of(row(is_bound=False), {"Z91": NOW}, NOW) == "no_certificate"


@pytest.mark.parametrize("standing", ["upcoming", "ended"])
def test_who_is_not_in_force_has_no_light(standing: str) -> None:
    assert light_of(row(standing=standing), {"Z91": NOW}, NOW) == ""
