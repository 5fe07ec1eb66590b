"""API keys: made, changed over and revoked by an administrator of the agency alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain import account
from gateway.domain.account import ApiScope, KeyAuth
from gateway.domain.event import EventKind
from gateway.errors import Clash, NotFound
from gateway_office.accounts import program_keys
from gateway_office.accounts.program_keys import WantedKey
from gateway_office.domain.roles import PostRole
from gateway_office.services import AccountServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.support import accounts
from tests.office.support.accounts import DAY, NORTH, SOUTH, denied, post
from tests.support import client_certificates
from tests.support.clock import ManualClock

KEY = WantedKey(name="qlvb", scopes=frozenset(program_keys.DAILY), life=90 * DAY)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def test_two_keys_are_good_while_a_program_changes_over(
    services: AccountServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    root = await accounts.operator(services)
    admin = await accounts.someone(services, root.by, "admin", post(PostRole.AGENCY_ADMIN))
    book = store.accounts

    secret, key = await program_keys.make(services, book, admin.by, NORTH, KEY)
    other, second = await program_keys.make(services, book, admin.by, NORTH, KEY)

    assert (key.prefix, key.expires_at) == (secret[:10], clock.now() + 90 * DAY)
    assert [await book.find_key(digest(s)) is not None for s in (secret, other)] == [True, True]
    keys = await program_keys.listed(services, book, admin.by, NORTH)
    assert [key.used_at for key in keys] == [clock.now(), clock.now()]
    await program_keys.revoke(services, book, admin.by, NORTH, key.id)
    assert [await book.find_key(digest(s)) is not None for s in (secret, other)] == [False, True]
    assert [event.kind for event in await accounts.load_events(services, key.id)] == [
        EventKind.API_KEY_CREATED,
        EventKind.API_KEY_REVOKED,
    ]
    clock.advance(timedelta(days=90))
    assert await book.find_key(digest(other)) is None
    assert {key.state(clock.now()) for key in [*keys, second]} == {"expired"}


async def test_a_key_is_its_agencys_alone(services: AccountServices, store: SqlOfficeStore) -> None:
    root = await accounts.operator(services)
    north = await accounts.someone(services, root.by, "north", post(PostRole.AGENCY_ADMIN))
    south = await accounts.someone(services, root.by, "south", post(PostRole.AGENCY_ADMIN, SOUTH))
    clerk = await accounts.someone(services, root.by, "clerk", post(PostRole.CLERK))
    _, key = await program_keys.make(services, store.accounts, north.by, NORTH, KEY)

    for by, agency in ((south.by, NORTH), (clerk.by, NORTH), (north.by, SOUTH)):
        await denied(program_keys.make(services, store.accounts, by, agency, KEY))
    with pytest.raises(NotFound):
        await program_keys.revoke(services, store.accounts, south.by, SOUTH, key.id)
    assert await program_keys.listed(services, store.accounts, south.by, SOUTH) == []
    assert len(await store.accounts.list_keys()) == 1


@pytest.mark.parametrize(
    ("name", "scopes", "days", "code"),
    [
        (" ", program_keys.DAILY, 90, "GW-KEY-NAME"),
        ("a\x07b", program_keys.DAILY, 90, "GW-KEY-NAME"),
        ("qlvb", (), 90, "GW-KEY-SCOPES"),
        ("qlvb", (ApiScope.AGENCIES_WRITE,), 90, "GW-KEY-SCOPES"),
        ("qlvb", program_keys.DAILY, 0, "GW-KEY-LIFE"),
        ("qlvb", program_keys.DAILY, 731, "GW-KEY-LIFE"),
    ],
)
async def test_a_key_with_impossible_terms_is_refused(
    services: AccountServices,
    store: SqlOfficeStore,
    name: str,
    scopes: tuple[ApiScope, ...],
    days: int,
    code: str,
) -> None:
    root = await accounts.operator(services)
    wish = WantedKey(name=name, scopes=frozenset(scopes), life=days * DAY)

    with pytest.raises(Clash) as why:
        await program_keys.make(services, store.accounts, root.by, NORTH, wish)

    assert why.value.code == code
    assert await store.accounts.list_keys() == []


async def test_a_key_keeps_its_networks_each_once_and_twenty_at_most(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    root = await accounts.operator(services)
    twenty = [account.read_network(f"203.0.113.{n}") for n in range(20)]

    _, key = await program_keys.make(
        services, store.accounts, root.by, NORTH, replace(KEY, networks=(*twenty, *twenty))
    )
    more = (*twenty, account.read_network("2001:db8::/32"))
    with pytest.raises(Clash) as why:
        await program_keys.make(services, store.accounts, root.by, NORTH, replace(KEY, networks=more))

    assert why.value.code == "GW-KEY-NETWORKS"
    assert [key.networks for key in await store.accounts.list_keys()] == [tuple(twenty)]
    (event,) = await accounts.load_events(services, key.id)
    assert event.data["networks"][:2] == ["203.0.113.0/32", "203.0.113.1/32"]


async def test_a_key_that_takes_a_certificate_is_changed_over_with_it_and_one_without_a_secret_not_at_all(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    root = await accounts.operator(services)
    admin = await accounts.someone(services, root.by, "admin", post(PostRole.AGENCY_ADMIN))
    certificate = client_certificates.bound(client_certificates.program())
    wish = replace(KEY, key_kind=KeyAuth.BOTH, certificate=certificate)

    _, key = await program_keys.make(services, store.accounts, admin.by, NORTH, wish)

    assert (key.way, key.certificate) == (KeyAuth.BOTH, certificate)
    with pytest.raises(Clash) as caught:
        await program_keys.make(
            services, store.accounts, admin.by, NORTH, replace(wish, key_kind=KeyAuth.CERTIFICATE)
        )
    assert caught.value.code == "GW-CERT-SECRET"
