"""The table of roles, cell by cell against the page that people read; what posts and delegations add up to."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from pathlib import Path

from gateway_office.domain.roles import NODE, Delegation, Manner, Post, PostRole, Right
from gateway_office.policy import rights
from gateway_office.policy.rights import NEVER_DELEGATED, Grant, LendingObjection, Loan, Rights, manner
from gateway_office.web.pages import ROUTES
from tests.support.cases import Cases
from tests.support.clock import START

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "accounts.md"
NOW = START
DAY = timedelta(days=1)
SIGNS = {"+": Manner.YES, "-": Manner.NO, "o": Manner.OWN}
OF_NODE = {PostRole.OPERATOR, PostRole.AUDITOR, PostRole.CODES, PostRole.INSPECTOR}
# What the narrowed forms keep of the column that they are cut from.
LIMITED = {
    PostRole.VIEWER: (PostRole.HEAD, {Right.SEE_CONTENT, Right.REPORTS}),
    PostRole.CODES: (PostRole.OPERATOR, {Right.OWN_ENTRY, Right.CODES}),
    PostRole.INSPECTOR: (PostRole.AUDITOR, {Right.INSPECT}),
}


def read_table() -> dict[tuple[PostRole, Right], Manner]:
    """Read every cell of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    head = next(line for line in lines if line.startswith("| right |"))
    roles = [PostRole(cell.strip()) for cell in head.strip("|").split("|")[1:]]
    cells_by_right = {}
    for line in lines:
        if (row := re.match(r"\| `([a-z-]+)` \|(.*)\|$", line)) is not None:
            cells = [cell.strip() for cell in row[2].split("|")]
            assert len(cells) == len(roles)
            for role, cell in zip(roles, cells, strict=True):
                cells_by_right[role, Right(row[1])] = SIGNS.get(cell) or Manner(cell)
    return cells_by_right


def test_each_cell_is_that_of_the_page_in_the_own_and_in_another_agency(cases: Cases) -> None:
    table = read_table()
    assert {right for _, right in table} == set(Right)
    assert {role for role, _ in table} == set(PostRole) - LIMITED.keys()
    for role, right in itertools.product(PostRole, Right):
        with cases.case((role, right)):
            base, allowed = LIMITED.get(role, (role, set(Right)))
            expected = table[base, right] if right in allowed else Manner.NO
            assert manner(role, right, own=True) is expected
            assert manner(role, right, own=False) is (expected if role in OF_NODE else Manner.NO)


def test_the_page_names_what_nothing_in_the_program_asks_for() -> None:
    """A table that is wider than the program would promise rights that do not exist."""
    of_table = {"rights.py", "roles.py"}
    packages = (ROOT / "gateway", ROOT / "office")
    sources = [path for package in packages for path in package.rglob("*.py") if path.name not in of_table]
    used = set(re.findall(r"\b(?:Right|Manner)\.[A-Z_]+", "\n".join(path.read_text() for path in sources)))
    page = " ".join(PAGE.read_text(encoding="utf-8").split())

    def listed(heading: str) -> set[str]:
        return set(re.findall(r"`([a-z-]+)`", page.partition(heading)[2].partition(".")[0]))

    assert listed("asks for these rights:") == {right for right in Right if f"Right.{right.name}" not in used}
    assert listed("open nothing of their own:") == {
        manner for manner in Manner if f"Manner.{manner.name}" not in used
    }


def post(person: str, role: PostRole, agency: str = "agy_a", **more: object) -> Post:
    place = NODE if role.is_of_node else agency
    return Post(person_id=person, role=role, agency_id=place, given_by="prn_x", given_at=NOW - DAY, **more)  # type: ignore[arg-type]


def delegation(**more: object) -> Delegation:
    fields = {
        "id": "dlg_1",
        "agency_id": "agy_a",
        "from_id": "head",
        "to_id": "clerk",
        "rights": frozenset({Right.INSTRUCT}),
        "starts_at": NOW,
        "ends_at": NOW + 10 * DAY,
        "reason": "away",
        "made_at": NOW,
        "act_number": "12/UQ",
    }
    return Delegation(**{**fields, **more})  # type: ignore[arg-type]


def lent(loan: Delegation, *posts: Post, is_active: bool = True) -> Rights:
    mine = (post("clerk", PostRole.CLERK),)
    return Rights(
        person_id="clerk", posts=mine, loans=(Loan(delegation=loan, posts=posts, is_active=is_active),)
    )


def test_of_two_posts_the_one_that_allows_more_counts() -> None:
    both = Rights(person_id="a", posts=(post("a", PostRole.OFFICER), post("a", PostRole.CLERK)))

    assert both.best_grant(Right.DRAFT, "agy_a", NOW) == Grant(manner=Manner.YES, role=PostRole.CLERK)
    assert both.may(Right.PROGRESS, "agy_a", NOW, Manner.OWN)
    assert both.best_grant(Right.DRAFT, "agy_b", NOW) is None


def test_figures_are_open_to_heads_and_viewers_and_change_nothing() -> None:
    """R140 (openness of figures)."""
    for role in (PostRole.HEAD, PostRole.VIEWER):
        assert manner(role, Right.REPORTS, own=True) is Manner.YES
    pages = [route for route in ROUTES if route.path == "/bao-cao" or route.path.startswith("/bao-cao/")]
    assert {route.method for route in pages} == {"GET"}


def test_a_post_is_over_at_its_last_moment() -> None:
    """R130 (rights follow posts)."""
    ending = Rights(person_id="a", posts=(post("a", PostRole.CLERK, until=NOW + DAY),))

    assert ending.may(Right.ISSUE, "agy_a", NOW + DAY - timedelta(microseconds=1))
    assert not ending.may(Right.ISSUE, "agy_a", NOW + DAY)
    assert ending.agencies(NOW + DAY) == frozenset()


def test_what_was_lent_names_the_lender_and_ends_with_its_time_post_or_account() -> None:
    head = post("head", PostRole.HEAD)
    grant = lent(delegation(), head).best_grant(Right.INSTRUCT, "agy_a", NOW)

    assert grant is not None
    assert (grant.on_behalf_of, grant.role, grant.delegation_id) == ("head", PostRole.HEAD, "dlg_1")
    none = (
        lent(delegation(act_number=""), head),
        lent(delegation(starts_at=NOW + DAY), head),
        lent(delegation(ends_at=NOW), head),
        lent(delegation(ended_at=NOW), head),
        lent(delegation(agency_id="agy_b"), head),
        lent(delegation(), head, is_active=False),
        lent(delegation()),
        lent(delegation(rights=frozenset({Right.REPORTS})), head),
    )
    assert [r.may(Right.INSTRUCT, "agy_a", NOW) for r in none] == [False] * len(none)


def test_what_nobody_passes_on_is_worth_nothing_even_in_a_row() -> None:
    forged = lent(
        delegation(rights=frozenset(Right)), post("head", PostRole.HEAD), post("head", PostRole.AGENCY_ADMIN)
    )

    assert [right for right in sorted(NEVER_DELEGATED) if forged.may(right, "agy_a", NOW)] == []


HEAD = Rights(person_id="head", posts=(post("head", PostRole.HEAD),))
UNIT = Rights(person_id="unit", posts=(post("unit", PostRole.UNIT_HEAD),))
CLERK = Rights(person_id="clerk", posts=(post("clerk", PostRole.CLERK),))
OWN_AGENCY = frozenset({"agy_a"})


def test_a_lending_is_checked_for_rights_period_and_scope(cases: Cases) -> None:
    of_unit: dict[str, object] = {"from_id": "unit"}
    by_clerk: dict[str, object] = {"from_id": "clerk", "to_id": "head", "rights": frozenset({Right.ISSUE})}
    rows: list[tuple[Rights, dict[str, object], LendingObjection | None]] = [
        (HEAD, {}, None),
        (UNIT, {**of_unit, "act_number": ""}, None),
        (CLERK, by_clerk, LendingObjection.RIGHT),
        (UNIT, {}, LendingObjection.RIGHT),
        (HEAD, {"to_id": "head"}, LendingObjection.SELF),
        (HEAD, {"agency_id": "agy_b"}, LendingObjection.RIGHT),
        (HEAD, {"ends_at": NOW}, LendingObjection.PERIOD),
        (HEAD, {"ends_at": NOW + 366 * DAY}, None),
        (HEAD, {"ends_at": NOW + 367 * DAY}, LendingObjection.PERIOD),
        (HEAD, {"rights": frozenset()}, LendingObjection.SCOPE),
        (HEAD, {"rights": frozenset({Right.ISSUE})}, LendingObjection.SCOPE),
        (HEAD, {"rights": frozenset({Right.DELEGATE})}, LendingObjection.SCOPE),
        (HEAD, {"act_number": ""}, LendingObjection.ACT),
        (UNIT, {**of_unit, "act_number": "12/UQ"}, LendingObjection.ACT),
    ]
    for lender, more, objection in rows:
        with cases.case((lender.person_id, more)):
            assert rights.objection_to_lending(delegation(**more), lender, OWN_AGENCY, NOW) is objection


def test_what_was_lent_is_not_lent_on() -> None:
    borrower = lent(delegation(rights=frozenset({Right.INSTRUCT})), post("head", PostRole.HEAD))
    onward = delegation(from_id="clerk", to_id="other", act_number="")

    assert rights.objection_to_lending(onward, borrower, OWN_AGENCY, NOW) is LendingObjection.RIGHT


def test_a_head_agrees_never_the_one_who_lends() -> None:
    waits = delegation(from_id="unit", act_number="")
    own = delegation(from_id="head", act_number="")

    assert rights.objection_to_approving(waits, HEAD, NOW) is None
    assert rights.objection_to_approving(own, HEAD, NOW) is LendingObjection.SELF
    assert rights.objection_to_approving(waits, CLERK, NOW) is LendingObjection.RIGHT
    assert rights.objection_to_approving(delegation(from_id="unit"), HEAD, NOW) is LendingObjection.CLOSED
    assert (
        rights.objection_to_approving(delegation(from_id="unit", act_number="", ends_at=NOW), HEAD, NOW)
        is LendingObjection.CLOSED
    )
    assert rights.objection_to_ending(waits, CLERK, NOW) is None
    assert (
        rights.objection_to_ending(delegation(from_id="unit", to_id="x"), CLERK, NOW)
        is LendingObjection.RIGHT
    )
