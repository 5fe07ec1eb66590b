"""Builds rows of accounts for tests: persons and their posts, with usual values for all that a test is not about; and the
services that work on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.domain.person import Credentials, Person
from gateway.pool import ThreadPool
from gateway.ports.services import Clock
from gateway.trust.person_secrets import PersonSecrets
from gateway_office.domain.roles import Post, PostRole
from gateway_office.services import AccountRules, AccountServices
from gateway_office.store.accounts import SqlAccounts
from gateway_office.store.store import SqlOfficeStore
from tests.support.stores import NORTH


def person_row(id: str, now: datetime, **fields: Any) -> Person:
    """Build a person that the operator added just now."""
    values: dict[str, Any] = {"name": id, "roles": frozenset(), "added_at": now, "roles_at": now}
    return Person(id=id, **(values | {"added_by": "operator", "roles_by": "operator"} | fields))


def post_row(person_id: str, role: PostRole, now: datetime, **fields: Any) -> Post:
    """Build a post in the north that the operator gave just now."""
    values: dict[str, Any] = {"agency_id": NORTH.agency_id, "given_by": "operator", "given_at": now} | fields
    return Post(person_id=person_id, role=role, **values)


async def hire(services: AccountServices, person: Person, *posts: Post) -> None:
    """Store a person with posts."""
    async with services.accounts.begin("operator") as work:
        await work.people.add(person, Credentials())
        for post in posts:
            await work.posts.give(post)
        await work.commit()


def account_services(
    store: SqlOfficeStore, clock: Clock, pool: ThreadPool, rules: AccountRules | None = None
) -> AccountServices:
    return AccountServices(
        accounts=SqlAccounts(store, clock),
        secrets=PersonSecrets(),
        clock=clock,
        pool=pool,
        rules=rules or AccountRules(),
    )
