"""The report of accounts: how many there are, were used, never were, are locked; by role, or by agency for operators. In:
posts and persons as they are today, sign-ins of a period as the figures have them. Out: the report's table. A person with
several roles counts in each line, and once in the total."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from gateway.domain.figures import USE, Dimension
from gateway.domain.person import AccountStanding, Person
from gateway.domain.wall_clock import midnight
from gateway.store.figures import CellQuery, Group, sum_cells
from gateway.store.people import SqlPeople
from gateway.store.store import SqlStore
from gateway.store.transaction import Transaction
from gateway_office.domain.roles import Post
from gateway_office.policy.reports import By, Question, ReportTable, make_table
from gateway_office.store.accounts import SqlPosts

_SignIns = dict[tuple[str, str], int]
"""Sign-ins of a period by agency and person."""


async def make(store: SqlStore, agencies: Sequence[str], question: Question, today: date) -> ReportTable:
    async with store.reading() as tx:
        all_posts = await SqlPosts(tx).all()
        people = {p.id: p for p in await SqlPeople(tx).all() if p.standing is not AccountStanding.WITHDRAWN}
        now = await _load_sign_ins(tx, agencies, (question.since, question.until))
        earlier = await _load_sign_ins(tx, agencies, question.before)
    posts = [
        post
        for post in all_posts
        if post.agency_id in agencies and post.person_id in people and post.holds(midnight(today))
    ]
    by_line: dict[str, list[Post]] = {}
    for post in posts:
        key = post.agency_id if question.by is By.AGENCY else post.role.value
        by_line.setdefault(key, []).append(post)
    lines = {key: _count(of_line, people, now) for key, of_line in by_line.items()}
    past = _count(posts, people, earlier)
    return make_table(
        question,
        lines,
        {"": {name: past[name] for name in ("active", "sign_ins")}},
        total=_count(posts, people, now),
    )


def _count(posts: Collection[Post], people: dict[str, Person], sign_ins: _SignIns) -> dict[str, int]:
    """Count the persons of these posts, each once, and their sign-ins for the agencies of the posts."""
    places = {(post.agency_id, post.person_id) for post in posts}
    persons = [people[id] for id in sorted({person_id for _, person_id in places})]
    return {
        "accounts": len(persons),
        "active": len({person_id for place in places if sign_ins.get(place) for person_id in place[1:]}),
        "never": sum(person.last_login_at is None for person in persons),
        "locked": sum(
            person.blocked_at is not None or person.standing is not AccountStanding.ACTIVE
            for person in persons
        ),
        "sign_ins": sum(sign_ins.get(place, 0) for place in places),
    }


async def _load_sign_ins(tx: Transaction, agencies: Sequence[str], period: tuple[date, date]) -> _SignIns:
    sign_ins: _SignIns = {}
    for agency_id in agencies:
        query = CellQuery(
            agencies=(agency_id,),
            side=USE,
            dimension=Dimension.PERSON,
            since=period[0],
            until=period[1],
            measures=("sign_ins",),
        )
        sums = await sum_cells(tx, query, Group.KEY)
        sign_ins |= {(agency_id, person_id): of_person["sign_ins"] for person_id, of_person in sums.items()}
    return sign_ins
