"""Certificates are bound to codes by two people: one key for one code at a time, four at most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.proof import Binding
from gateway.errors import Clash, Denied, NotFound, Refused
from gateway.registry.binding import fingerprint
from tests.support import pki
from tests.support.clock import ManualClock
from tests.support.sealed import tamper
from tests.unit.registry.conftest import Registry

JUNE, JULY, AUGUST = (datetime(2026, month, 1, tzinfo=UTC) for month in (6, 7, 8))


def certificate(code: str, owner: str) -> bytes:
    """Issue a new certificate for that owner's one key."""
    return pki.der(pki.root().issue(code, pki.key("p256", owner)))


async def bind(registry: Registry, code: str, der: bytes, *span: datetime | None) -> Binding:
    since, valid_to = (*span, None, None)[:2]
    return await registry.changes.bind(code, der, since, valid_to, "an", "binh")


async def test_a_binding_is_told_with_its_certificate_and_time_for_the_exact_code_alone(
    registry: Registry,
) -> None:
    """K1; F10: letter for letter."""
    der = certificate("Z91.DN", "one")

    binding = await bind(registry, "Z91.DN", der, JUNE, JULY)

    assert list(await registry.directory.bindings("Z91.DN")) == [binding]
    assert binding == Binding(code="Z91.DN", certificate_der=der, valid_from=JUNE, valid_to=JULY)
    assert await registry.directory.bindings("Z91.dn") == []
    assert await registry.directory.bindings("Z91") == []


async def test_one_person_alone_binds_nothing_and_an_agency_may_renew_with_its_own_key(
    registry: Registry,
) -> None:
    """K6"""
    with pytest.raises(Denied, match="needs two people"):
        await registry.changes.bind("Z91", certificate("Z91", "one"), None, None, "an", " An ")
    assert await registry.directory.bindings("Z91") == []

    # K5: the new binding overlaps the old one.
    await bind(registry, "Z91", certificate("Z91", "one"))
    await bind(registry, "Z91", certificate("Z91", "one"))

    assert len(await registry.directory.bindings("Z91")) == 2


async def test_what_cannot_be_bound_or_withdrawn_is_refused_with_the_reason(registry: Registry) -> None:
    good, kind = certificate("Z91", "one"), bytes.fromhex("06072a8648ce3d0201")  # an elliptic curve key
    with pytest.raises(Refused, match=r"expected X\.509 in DER, found 4 bytes"):
        await bind(registry, "Z91", b"junk")
    with pytest.raises(Refused, match="before it begins"):
        await bind(registry, "Z91", good, JULY, JUNE)
    with pytest.raises(Refused, match="cannot be read"):
        await bind(registry, "Z91", good.replace(kind, kind[:-1] + b"\x7f"))
    with pytest.raises(NotFound, match="is bound to Z91"):
        await registry.changes.unbind("Z91", "0" * 64)


async def test_the_same_binding_again_changes_nothing_and_another_does_not_rewrite_it(
    registry: Registry,
) -> None:
    der = certificate("Z91", "one")
    first = await bind(registry, "Z91", der, JUNE)

    assert await bind(registry, "Z91", der, JUNE) == first
    with pytest.raises(Clash, match="a binding is not rewritten"):
        await bind(registry, "Z91", der, JULY)
    assert await registry.directory.bindings("Z91") == [first]


async def test_one_key_under_two_codes_is_refused(registry: Registry) -> None:
    """K1; also in another certificate of the key."""
    der = certificate("Z91", "one")
    await bind(registry, "Z91", der)

    for same_key in (der, certificate("Z92", "one")):
        with pytest.raises(Clash, match="bound to Z91 already"):
            await bind(registry, "Z92", same_key)
    assert await registry.directory.bindings("Z92") == []


async def test_a_key_may_move_when_its_time_under_the_old_code_is_over(registry: Registry) -> None:
    """K1: to one code at a time."""
    der = certificate("Z91", "one")
    await bind(registry, "Z91", der, JUNE, JULY)

    with pytest.raises(Clash):
        await bind(registry, "Z92", der, JULY - timedelta(seconds=1))
    await bind(registry, "Z92", der, JULY)

    assert len(await registry.directory.bindings("Z92")) == 1


async def test_a_fifth_certificate_at_one_time_is_refused(registry: Registry) -> None:
    """K1: at most 4 candidates."""
    await bind(registry, "Z91", certificate("Z91", "past"), None, JUNE)
    for n in range(4):
        await bind(registry, "Z91", certificate("Z91", f"key {n}"), JUNE)

    with pytest.raises(Clash, match="has 4 certificates in that time"):
        await bind(registry, "Z91", certificate("Z91", "one too many"), AUGUST)
    await registry.changes.unbind(
        "Z91", fingerprint((await registry.directory.bindings("Z91"))[1].certificate_der), JULY
    )
    await bind(registry, "Z91", certificate("Z91", "one too many"), AUGUST)


async def test_a_withdrawn_binding_keeps_its_past(registry: Registry, clock: ManualClock) -> None:
    """K2: what was signed before it ended is still proved."""
    der = certificate("Z91", "one")
    await bind(registry, "Z91", der, JUNE)

    await registry.changes.unbind("Z91", fingerprint(der))

    (binding,) = await registry.directory.bindings("Z91")
    assert (binding.valid_from, binding.valid_to) == (JUNE, clock.now())
    with pytest.raises(Clash, match="is withdrawn for Z91"):
        await bind(registry, "Z91", der)
    await bind(registry, "Z92", der, clock.now())


async def test_withdrawing_never_lengthens_a_binding(registry: Registry) -> None:
    der = certificate("Z91", "one")
    await bind(registry, "Z91", der, JUNE, JULY)

    await registry.changes.unbind("Z91", fingerprint(der), AUGUST)

    assert (await registry.directory.bindings("Z91"))[0].valid_to == JULY


async def test_a_binding_ends_at_its_last_moment_for_all_who_ask(registry: Registry) -> None:
    """K1: the end of a validity is its first moment that does not count."""
    binding = await bind(registry, "Z91", certificate("Z91", "one"), JUNE, JULY)

    for at, is_valid in ((JUNE, True), (JULY - timedelta(seconds=1), True), (JULY, False)):
        assert list(await registry.directory.bound(["Z91"], at)) == ["Z91"] * is_valid
        assert await registry.directory.in_force(at) == [binding] * is_valid


async def test_the_certificates_to_compare_are_confirmed_and_have_not_ended(
    registry: Registry, url: str
) -> None:
    """Write access to the table alone binds nothing (threat 114). One that begins later is compared too."""
    await bind(registry, "Z91", certificate("Z91", "past"), None, JUNE)
    await bind(registry, "Z91", certificate("Z91", "one"), JUNE)
    await bind(registry, "Z92", certificate("Z92", "later"), AUGUST)
    await tamper(
        url,
        "INSERT INTO agency_binding"
        " (id, code, certificate_pem, fingerprint, state, proposed_by, approved_by, created_at)"
        " SELECT 'x', 'Z93', certificate_pem, fingerprint, state, proposed_by, approved_by, created_at"
        " FROM agency_binding WHERE code = 'Z92'",
    )

    assert [x.code for x in await registry.directory.speakers(JULY)] == ["Z91", "Z92"]
