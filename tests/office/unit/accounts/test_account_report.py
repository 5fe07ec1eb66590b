"""The report of accounts is that of an independent count of persons, posts and sign-ins."""

from __future__ import annotations

from datetime import date, timedelta

from gateway.domain.event import EventKind
from gateway.domain.person import AccountStanding
from gateway.domain.wall_clock import local
from gateway.store import figures
from gateway_office.accounts import admin
from gateway_office.book import reports
from gateway_office.domain.roles import PostRole
from gateway_office.policy.reports import REPORTS, By, Question, ReportTable
from gateway_office.services import AccountServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.support import accounts
from tests.office.support.accounts import NORTH, SOUTH, post
from tests.support.clock import ManualClock


async def test_accounts_are_counted_by_role_and_agency_as_used_never_used_and_locked(
    services: AccountServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """R93 (sign-ins are counted)."""
    root = await accounts.operator(services)
    clerk = await accounts.someone(services, root.by, "clerk", post(PostRole.CLERK), post(PostRole.HEAD))
    both = await accounts.someone(
        services, root.by, "both", post(PostRole.CLERK), post(PostRole.CLERK, SOUTH)
    )
    await accounts.someone(services, root.by, "gone", post(PostRole.CLERK))
    await admin.stand(services, root.by, "gone", AccountStanding.WITHDRAWN, "has left the office")
    new = admin.NewAccount(login="new", name="New", posts=(post(PostRole.OFFICER),))
    await admin.add(services, root.by, new)
    clock.advance(timedelta(days=40))
    since = local(clock.now()).date()
    await clerk.enters()
    await both.acts(SOUTH)
    await both.acts(SOUTH)
    await admin.stand(services, root.by, "clerk", AccountStanding.LOCKED, "the token was lost")
    while await store.number_events():
        pass
    while await figures.fold_next(store):
        pass

    async def report(by: By, *agencies: str) -> ReportTable:
        question = Question(report=REPORTS["accounts"], by=by, since=since, until=since)
        return await reports.make(store, agencies, question, since)

    signed_in = await sign_ins(services, since)
    by_role, by_agency = await report(By.ROLE, NORTH), await report(By.AGENCY, NORTH, SOUTH)
    north = signed_in["clerk", NORTH], signed_in["both", NORTH]
    south = signed_in["both", SOUTH]
    # Accounts, used, their share, never used, locked, sign-ins.
    assert line_figures(by_role) == {
        "clerk": (2, *share(2, north), 0, 1, sum(north)),
        "head": (1, *share(1, north[:1]), 0, 1, north[0]),
        "officer": (1, 0, 0.0, 1, 0, 0),
    }
    assert by_role.total == (3, *share(3, north), 1, 1, sum(north))
    assert line_figures(by_agency) == {NORTH: by_role.total, SOUTH: (1, *share(1, (south,)), 0, 0, south)}
    assert south == 2
    # Of a period before, only what was used is known.
    assert by_role.before == (None, 0, None, None, None, 0)


def line_figures(table: ReportTable) -> dict[str, tuple[object, ...]]:
    return {line.key: line.figures for line in table.lines}


def share(accounts: int, signed_in: tuple[int, ...]) -> tuple[int, float]:
    active = sum(n > 0 for n in signed_in)
    return active, round(100 * active / accounts, 1)


async def sign_ins(services: AccountServices, since: date) -> dict[tuple[str, str], int]:
    """Count the events of each person since a day, for an agency."""
    counts = {(login, agency): 0 for login in ("clerk", "both") for agency in (NORTH, SOUTH)}
    for login, agency in counts:
        async with services.accounts.read() as view:
            person = await view.people.find_by_name(login)
            events = await view.events.of_subject(person.id)
        counts[login, agency] = sum(
            e.data.get("agency") == agency and local(e.at).date() >= since
            for e in events
            if e.kind in (EventKind.SESSION_BEGUN, EventKind.SESSION_AGENCY)
        )
    return counts
