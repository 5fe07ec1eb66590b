"""The light beside an agency in the tree: whether mail goes there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.registry import AgencyEntry
from gateway.office.node.exchange import SIX_MONTHS
from gateway.office.web.pages.agencies.registry_views import ShownAgency, light_of
from tests.support.cases import Cases

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


def row(*, standing: str = "active", is_bound: bool = True) -> ShownAgency:
    entry = AgencyEntry(code="Z91", name="A")
    return ShownAgency(entry=entry, path="/co-quan/Z91", level=1, standing=standing, is_bound=is_bound)


def test_a_light_says_whether_mail_reaches_an_agency(cases: Cases) -> None:
    """An agency heard in half a year is reachable; without a certificate none is; one that is not in force has no light."""
    recently, never = {"Z91": NOW}, dict[str, datetime]()
    rows = {
        "now": (row(), recently, "reachable"),
        "half a year ago": (row(), {"Z91": NOW - SIX_MONTHS}, "reachable"),
        "before that": (row(), {"Z91": NOW - SIX_MONTHS - timedelta(seconds=1)}, "silent"),
        "never": (row(), never, "silent"),
        "no certificate": (row(is_bound=False), recently, "no_certificate"),
        "upcoming": (row(standing="upcoming"), recently, ""),
        "ended": (row(standing="ended"), recently, ""),
    }
    for name, (agency, contacts, light) in rows.items():
        with cases.case(name):
            assert light_of(agency, contacts, NOW) == light
