"""Ends of certificates are announced at 60, 30 and 7 days, once each, for ours and for those bound here; a revoked key
of ours signs no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.bootstrap import core as bootstrap_keys
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.proof import Binding, Evidence
from gateway.errors import StoreFailure
from gateway.policy import trust, upkeep
from gateway.policy.upkeep import CertificateEnding
from gateway.trust.evidence import NodeTrust
from gateway.workers.key_watch import EVERY, KeyWatch
from gateway_labs.authority import Authority
from tests.support.node import DEPARTMENT, PROVINCE, Town

NOW = datetime(2026, 11, 20, tzinfo=UTC)
NODE = AgencyScope(agency_id="", principal_id="node")


def ending(code: str, days: float, fingerprint: str = "aa") -> CertificateEnding:
    return CertificateEnding(
        code=code, fingerprint=fingerprint, ends_at=NOW + timedelta(days=days), own=False
    )


def test_the_nearest_mark_that_was_passed_counts() -> None:
    marks = {61: None, 60: 60, 31: 60, 30: 30, 8: 30, 7: 7, 0: 7, -5: 7}
    assert {days: upkeep.expiry_mark_of(NOW + timedelta(days=days), NOW) for days in marks} == marks


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-9, 99), st.sampled_from("xyz"))))
def test_of_each_code_the_certificate_that_ends_last_counts(endings: list[tuple[str, int, str]]) -> None:
    last_by_code = upkeep.last_of_each_code([ending(code, days, mine) for code, days, mine in endings])

    assert {x.code: x.ends_at for x in last_by_code} == {
        code: NOW + timedelta(days=max(days for c, days, _ in endings if c == code)) for code, *_ in endings
    }


def watch_of(town: Town, **other: Any) -> KeyWatch:
    node = town.node
    key_watch = bootstrap_keys.key_watch(node.store, node.directory, node.keys, node.trust, node.deciding)
    return replace(key_watch, **other)


def signing(town: Town, code: str = DEPARTMENT) -> bytes:
    return town.node.keys.signer(code, town.clock.now()).certificate_der


async def expiry_days(town: Town, code: str) -> list[int]:
    async with town.node.store.read(NODE) as work:
        events = await work.events.of_subject(f"key:{trust.fingerprint(signing(town, code))}")
    return [int(event.data["days"]) for event in events if event.kind is EventKind.KEY_EXPIRING]


async def test_each_mark_is_told_once_also_by_two_processes(town: Town) -> None:
    """T25 (certificates end)."""
    ends = x509.load_der_x509_certificate(signing(town, PROVINCE)).not_valid_after_utc
    first_watch, second_watch = watch_of(town), watch_of(town)

    await first_watch.step()
    assert await expiry_days(town, PROVINCE) == []
    for days in (59, 45, 29, 6, 3):
        town.clock.advance(ends - timedelta(days=days) - town.clock.now())
        for watch in (first_watch, second_watch):
            await watch.step()

    assert await expiry_days(town, PROVINCE) == [60, 30, 7]
    assert await expiry_days(town, DEPARTMENT) == [60, 30, 7]


async def test_an_idle_loop_looks_once_an_hour(town: Town) -> None:
    watch = watch_of(town)
    ends = x509.load_der_x509_certificate(signing(town, PROVINCE)).not_valid_after_utc
    await watch.step()
    town.clock.advance(EVERY - timedelta(seconds=1))
    assert await watch.step() is False

    town.clock.advance(ends - timedelta(days=50) - town.clock.now())
    assert await watch.step() is True


@dataclass(frozen=True)
class Revoked:
    """Says of these certificates that they are revoked."""

    trust: NodeTrust
    ders: frozenset[bytes]

    def collect(self, certificate_der: bytes, at: datetime) -> Evidence:
        evidence = self.trust.collect(certificate_der, at)
        return replace(evidence, revocation="revoked") if certificate_der in self.ders else evidence


async def test_a_key_of_ours_that_its_authority_revoked_signs_no_more(town: Town) -> None:
    now, der = town.clock.now(), signing(town)

    await watch_of(town, trust=Revoked(town.node.trust, frozenset([der]))).step()

    (end,) = await town.node.store.key_ends(DEPARTMENT)
    assert (end.fingerprint, end.at, end.by) == (trust.fingerprint(der), now, "node")
    assert await town.node.store.key_ends(PROVINCE) == []
    sent = await town.send("15")
    await town.carry()
    assert (await town.document(sent)).state == "queued"


async def test_a_new_key_that_waits_does_not_hide_that_the_one_in_use_is_revoked(town: Town) -> None:
    """The newest certificate is not the one that signs while it is not bound."""
    der = town.node.keys.signer(DEPARTMENT, town.clock.now()).certificate_der
    town.clock.advance(timedelta(days=1))
    waiting = town.node.keys.generate(DEPARTMENT).key_id
    authority = Authority.load(town.node.settings.node.data_dir / "authority")
    certificate = authority.issue_for_request(
        town.node.keys.request(DEPARTMENT, waiting, "Demo"), town.clock.now()
    )
    town.node.keys.import_certificate(DEPARTMENT, certificate.public_bytes(Encoding.PEM))
    watch = watch_of(town, trust=Revoked(town.node.trust, frozenset([der])))

    await watch.step()

    (end,) = await town.node.store.key_ends(DEPARTMENT)
    assert end.fingerprint == trust.fingerprint(der)
    sent = await town.send("15")
    await town.carry()
    assert (await town.document(sent)).state == "queued"
    town.clock.advance(EVERY)
    await watch.step()
    assert len(await town.node.store.key_ends(DEPARTMENT)) == 1, "told once"


async def test_a_look_that_failed_is_taken_again_at_the_next_turn(town: Town) -> None:
    """Not an hour later: meanwhile a revoked key would go on signing."""
    der = town.node.keys.signer(DEPARTMENT, town.clock.now()).certificate_der
    real = town.node.directory

    class Down:
        async def in_force(self, at: datetime) -> Sequence[Binding]:
            raise StoreFailure("the database is away")

    watch = watch_of(town, trust=Revoked(town.node.trust, frozenset([der])), directory=Down())
    with pytest.raises(StoreFailure):
        await watch.step()
    watch.directory = real

    await watch.step()

    assert [key_end.by for key_end in await town.node.store.key_ends(DEPARTMENT)] == ["node"]
