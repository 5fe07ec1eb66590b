"""Hosted agencies, principals and API keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway import errors
from gateway.domain import account
from gateway.domain.account import (
    ApiKey,
    ApiScope,
    ClientCertificate,
    HostedAgency,
    KeyAuth,
    NumberingMode,
    PrincipalKind,
)
from gateway.domain.document import InState
from gateway.store.store import SqlStore
from tests.support import stores
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, digest


async def test_a_hosted_agency_comes_back_as_it_was_is_found_by_code_or_alias_and_hosted_once(
    store: SqlStore,
) -> None:
    """R42 (one central desk)."""
    agency = HostedAgency(
        id="agy_west", code="Z91.03", name="West", numbering=NumberingMode.B, aliases=("Z91.OLD", "Z91.01")
    )

    await store.accounts.add_hosted(agency)

    assert await store.accounts.hosted_by_code("z91.03") == agency
    assert await store.accounts.hosted_by_code("z91.old") == agency
    assert (await store.accounts.hosted_by_code("Z91.01")) != agency
    assert await store.accounts.hosted_by_code("Z91.99") is None
    assert [a.code for a in await store.hosted()] == ["Z91.01", "Z91.02", "Z91.03"]

    with pytest.raises(errors.Clash, match=r"Z91\.01"):
        await store.accounts.add_hosted(HostedAgency(id="agy_other", code="Z91.01", name="Other"))


async def test_a_principal_is_made_once_per_kind_name_and_agency(store: SqlStore) -> None:
    get = store.accounts.principal_for
    first = await get(PrincipalKind.PROGRAM, "qlvb", NORTH.agency_id)

    assert await get(PrincipalKind.PROGRAM, "qlvb", NORTH.agency_id) == first
    assert (await get(PrincipalKind.PROGRAM, "qlvb", SOUTH.agency_id)).id != first.id
    node = await get(PrincipalKind.NODE, "node")
    assert node.agency_id is None
    assert await get(PrincipalKind.NODE, "node") == node


async def test_a_key_is_found_by_the_hash_of_its_secret_until_it_expires_or_is_revoked(
    store: SqlStore, clock: ManualClock
) -> None:
    principal = await store.accounts.principal_for(PrincipalKind.PROGRAM, "qlvb", NORTH.agency_id)
    scopes = {ApiScope.MESSAGES_SEND, ApiScope.INBOX_READ}
    agencies = [NORTH.agency_id, SOUTH.agency_id]
    key = await store.accounts.add_key(
        secret_hash=digest("secret"), principal=principal, agency_ids=agencies, scopes=scopes
    )
    short = await store.accounts.add_key(
        secret_hash=digest("short"),
        principal=principal,
        agency_ids=[NORTH.agency_id],
        scopes=scopes,
        expires_at=clock.now() + timedelta(days=1),
        networks=[account.read_network("203.0.113.0/24"), account.read_network("2001:db8::7")],
    )

    used_at = clock.now()
    assert await store.accounts.find_key(digest("secret")) == key
    assert await store.accounts.find_key(digest("short")) == short
    clock.advance(timedelta(seconds=59))
    assert await store.accounts.find_key(digest("secret")) == replace(key, used_at=used_at)
    assert await store.accounts.find_key(digest("guess")) is None
    clock.advance(timedelta(days=1))
    assert await store.accounts.find_key(digest("short")) is None
    assert await store.accounts.revoke_key(key.id) is True
    assert await store.accounts.revoke_key(key.id) is False
    assert await store.accounts.find_key(digest("secret")) is None
    listed = await store.accounts.list_keys()
    assert [a.id for a in listed] == [key.id, short.id]
    assert listed[0] == replace(key, revoked_at=clock.now(), used_at=used_at)
    with pytest.raises(errors.NotFound):
        await store.accounts.revoke_key("key_none")


async def test_a_key_needs_a_secret_of_its_own_and_agencies_that_are_hosted(store: SqlStore) -> None:
    principal = await store.accounts.principal_for(PrincipalKind.OPERATOR, "operator")

    async def add(secret: str, agency_id: str) -> None:
        await store.accounts.add_key(
            secret_hash=digest(secret),
            principal=principal,
            agency_ids=[agency_id],
            scopes=[ApiScope.EVIDENCE_READ],
        )

    await add("secret", NORTH.agency_id)
    with pytest.raises(errors.Clash, match="secret"):
        await add("secret", NORTH.agency_id)
    with pytest.raises(errors.Clash):
        await add("other", "agy_none")
    assert len(await store.accounts.list_keys()) == 1


async def test_a_certificate_alone_opens_one_live_key_and_both_may_open_many(
    store: SqlStore, clock: ManualClock
) -> None:
    principal = await store.accounts.principal_for(PrincipalKind.PROGRAM, "qlvb", NORTH.agency_id)
    certificate = ClientCertificate(
        sha256="1" * 64, name="qlvb", begins_at=clock.now(), ends_at=clock.now() + timedelta(days=9)
    )

    async def add(auth: KeyAuth, secret: str | None, days: int = 90) -> ApiKey:
        return await store.accounts.add_key(
            secret_hash=digest(secret) if secret else None,
            principal=principal,
            agency_ids=[NORTH.agency_id],
            scopes=[ApiScope.INBOX_READ],
            expires_at=clock.now() + timedelta(days=days),
            way=auth,
            certificate=None if auth is KeyAuth.SECRET else certificate,
        )

    for secret in ("one", "two"):
        assert await store.accounts.find_key(digest(secret)) is None
        both = await add(KeyAuth.BOTH, secret)
        assert await store.accounts.find_key(digest(secret)) == both
    assert await store.accounts.keys_of_certificate(certificate.sha256) == ()
    alone = await add(KeyAuth.CERTIFICATE, None, days=1)
    plain = await add(KeyAuth.SECRET, "plain")

    assert await store.accounts.keys_of_certificate(certificate.sha256) == [alone]
    bind = store.accounts.bind_certificate
    tried: Sequence[tuple[Callable[[], Awaitable[ApiKey]], str]] = (
        (lambda: add(KeyAuth.CERTIFICATE, None), "GW-CERT-TAKEN"),
        (lambda: bind(plain.id, KeyAuth.CERTIFICATE, certificate), "GW-CERT-TAKEN"),
        (lambda: bind(alone.id, KeyAuth.BOTH, certificate), "GW-CERT-SECRET"),
        (lambda: bind(alone.id, KeyAuth.SECRET, None), "GW-CERT-SECRET"),
        (lambda: bind(plain.id, KeyAuth.SECRET, certificate), "GW-409"),
        (lambda: bind(plain.id, KeyAuth.BOTH, None), "GW-409"),
    )
    for refused, code in tried:
        with pytest.raises(errors.Clash) as caught:
            await refused()
        assert caught.value.code == code
    with pytest.raises(errors.NotFound):
        await bind("key_none", KeyAuth.BOTH, certificate)
    # The same again, for its own key, is no clash; and once that one is over the certificate is free.
    assert await bind(alone.id, KeyAuth.CERTIFICATE, certificate) == alone
    clock.advance(timedelta(days=1))
    with pytest.raises(errors.Clash):
        await bind(alone.id, KeyAuth.CERTIFICATE, certificate)
    bound_key = await bind(plain.id, KeyAuth.CERTIFICATE, certificate)
    assert bound_key == replace(plain, way=KeyAuth.CERTIFICATE, certificate=certificate)
    assert await store.accounts.keys_of_certificate(certificate.sha256) == [alone, bound_key]
    assert await bind(plain.id, KeyAuth.SECRET, None) == plain


async def test_an_agency_that_leaves_is_hosted_no_more_and_comes_back_as_the_same(store: SqlStore) -> None:
    assert await store.accounts.leave(SOUTH.agency_id) == {}

    assert [a.code for a in await store.hosted()] == ["Z91.01"]
    assert await store.accounts.hosted_by_code("Z91.02") is None
    with pytest.raises(errors.NotFound):
        await store.accounts.leave(SOUTH.agency_id)

    back = await store.accounts.add_hosted(HostedAgency(id="agy_new", code="Z91.02", name="South again"))

    assert (back.id, back.name) == (SOUTH.agency_id, "South again")
    assert list(await store.hosted())[1] == back
    with pytest.raises(errors.Clash):
        await store.accounts.add_hosted(HostedAgency(id="agy_third", code="Z91.02", name="Third"))


async def test_a_unit_of_work_knows_its_agency_until_that_left(store: SqlStore) -> None:
    async with store.read(SOUTH) as work:
        assert (await work.agency()).code == "Z91.02"

    async with store.begin(SOUTH) as work:
        assert (await work.agency()).code == "Z91.02"
    await store.accounts.leave(SOUTH.agency_id)

    async with store.begin(SOUTH) as work:
        with pytest.raises(errors.NotFound, match=SOUTH.agency_id):
            await work.agency()


async def test_an_agency_with_open_work_stays_and_the_work_is_counted(
    store: SqlStore, clock: ManualClock
) -> None:
    """Only its own work counts, and only what is not decided."""
    waiting, decided = stores.incoming(clock), stores.incoming(clock, state=InState.ACCEPTED)
    sent = stores.outgoing(clock)
    async with committing(store) as work:
        await work.outgoing.add(sent)
        await work.deliveries.add(
            [stores.delivery(sent, "Z91.02"), stores.delivery(sent, "Z91.03", state="delivered")]
        )
        await work.incoming.add(waiting)
        await work.incoming.add(decided)
        await work.outbox.add(stores.outbox_item(clock))
        await work.inbox.land(stores.inbox_item(clock))
        await work.jobs.add("pack", sent.id)

    open_work = await store.accounts.leave(NORTH.agency_id)

    assert open_work == {"deliveries": 1, "packets": 1, "documents": 1, "answers": 1, "jobs": 1}
    assert [a.code for a in await store.hosted()] == ["Z91.01", "Z91.02"]
    assert await store.accounts.leave(SOUTH.agency_id) == {}
