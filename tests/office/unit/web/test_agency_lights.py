"""The light beside an agency in the tree: whether mail goes there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.registry import AgencyEntry
from gateway_office.node.exchange import SIX_MONTHS
from gateway_office.web.pages.agencies.exchanged import lights_of
from gateway_office.web.pages.agencies.registry_views import ShownAgency, light_of
from tests.support.cases import Cases

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


def row(*, standing: str = "active", is_bound: bool = True) -> ShownAgency:
    entry = AgencyEntry(code="Z91", name="A")
    return ShownAgency(entry=entry, path="/co-quan/Z91", standing=standing, is_bound=is_bound)


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


def test_the_lights_of_an_agency_say_what_the_visitor_may_know(cases: Cases) -> None:
    """Without a certificate there is one light; whether it answers is mail, which not every visitor may see."""
    long_ago = NOW - SIX_MONTHS - timedelta(seconds=1)
    rows = {
        "not connected": ((False, None, NOW, True), {"connected": "none"}),
        "well": ((True, 300, NOW, True), {"connected": "good", "valid": "good", "answering": "good"}),
        "ends soon": ((True, 30, NOW, True), {"connected": "good", "valid": "warn", "answering": "good"}),
        "ended": ((True, -1, long_ago, True), {"connected": "good", "valid": "bad", "answering": "warn"}),
        "never heard": ((True, 31, None, True), {"connected": "good", "valid": "good", "answering": "none"}),
        "a visitor": ((True, 31, NOW, False), {"connected": "good", "valid": "good"}),
    }
    for name, ((is_bound, days, heard_at, sees_mail), words) in rows.items():
        with cases.case(name):
            lights = lights_of(is_bound=is_bound, days=days, heard_at=heard_at, now=NOW, sees_mail=sees_mail)
            assert {light.name: light.word for light in lights} == words
