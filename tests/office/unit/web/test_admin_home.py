"""Accounts that need their administrator, each by its gravest reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.person import AccountStanding
from gateway_office.accounts.admin import AccountLine
from gateway_office.domain.roles import PostRole
from gateway_office.web.pages.administration.home import Attention, list_attention
from tests.office.support.rows import person_row, post_row
from tests.support.cases import Cases

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
DAY = timedelta(days=1)
UNIT = "Phòng Tổng hợp"


def account(
    *posts: tuple[PostRole, str, datetime | None],
    standing: AccountStanding = AccountStanding.ACTIVE,
    enrolled: bool = True,
    link_until: datetime | None = None,
) -> AccountLine:
    names = {"name": "Hoàng Văn Mới", "login": "hoangvanmoi"}
    person = person_row("prn_1", NOW, enrolled_at=NOW if enrolled else None, standing=standing, **names)
    held_posts = tuple(
        post_row("prn_1", role, NOW, agency_id="a", unit=unit, until=end) for role, unit, end in posts
    )
    return AccountLine(person=person, posts=held_posts, link_until=link_until)


CLERK = (PostRole.CLERK, "", None)


def test_each_reason_is_found_and_the_gravest_counts(cases: Cases) -> None:
    for name, line, attention in (
        ("well", account(CLERK), None),
        ("in a unit", account((PostRole.OFFICER, "phòng tổng hợp", None)), None),
        ("left", account((PostRole.CLERK, "", NOW - DAY)), Attention.LEFT),
        (
            "left and locked",
            account((PostRole.CLERK, "", NOW - DAY), standing=AccountStanding.LOCKED),
            "left",
        ),
        ("another post holds", account((PostRole.OFFICER, UNIT, NOW - DAY), CLERK), None),
        ("withdrawn", account((PostRole.CLERK, "", NOW - DAY), standing=AccountStanding.WITHDRAWN), None),
        ("locked", account(CLERK, standing=AccountStanding.LOCKED), Attention.LOCKED),
        ("suspended", account(CLERK, standing=AccountStanding.SUSPENDED), Attention.SUSPENDED),
        ("link over", account(CLERK, enrolled=False, link_until=NOW - DAY), Attention.LINK_OVER),
        ("link good", account(CLERK, enrolled=False, link_until=NOW + DAY), None),
        ("no unit", account((PostRole.OFFICER, "", None)), Attention.NO_UNIT),
        ("a closed unit", account((PostRole.UNIT_HEAD, "Phòng Cũ", None)), Attention.NO_UNIT),
        ("ends soon", account((PostRole.CLERK, "", NOW + 3 * DAY)), Attention.ENDS_SOON),
        ("ends later", account((PostRole.CLERK, "", NOW + 30 * DAY)), None),
    ):
        with cases.case(name):
            rows = list(list_attention([line], {"phong tong hop"}, NOW))
            assert [row.attention for row in rows] == ([attention] if attention else [])
