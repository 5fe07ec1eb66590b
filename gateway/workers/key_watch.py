"""Looks after certificates as time passes: tells once at each mark that one ends soon, and stops signing under one of ours
that its authority revoked. In: the registry, the keys, what is known of revocation. Out: events, and ends of keys."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from cryptography import x509

from gateway import log
from gateway.deciding import DecisionServices, proposals
from gateway.domain.certificates import ANY_KEY, KeyEnd
from gateway.domain.proof import Binding
from gateway.errors import GatewayError
from gateway.policy import trust, upkeep
from gateway.policy.upkeep import CertificateEnding
from gateway.ports.services import Clock, Pool
from gateway.registry.directory import SqlDirectory
from gateway.store.store import SqlStore
from gateway.trust.evidence import NodeTrust
from gateway.trust.keys import KeyDirectory
from gateway.workers.loop import Turn

EVERY = timedelta(hours=1)
REVOKED = "revoked"
_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class KeyWatch:
    """Remembers when it last looked, so that an idle loop does not look at every turn."""

    store: SqlStore
    directory: SqlDirectory
    keys: KeyDirectory
    trust: NodeTrust
    deciding: DecisionServices
    clock: Clock
    pool: Pool
    _turn: Turn = field(default_factory=lambda: Turn(EVERY))

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)

    async def step(self) -> bool:
        """Looks once an hour; the first look is at start. A look that failed is taken again at the next turn."""
        now = self.clock.now()
        if not self._turn.has_come(now):
            return False
        for each, own in await self._watched(now):
            if own:
                await self._end_revoked(each, now)
        told = 0
        for ending, days in upkeep.due_marks(await self.endings(now), now):
            about = {"code": ending.code, "until": ending.ends_at.isoformat(), "own": ending.own}
            told += await self.store.tell_key_expiring(ending.fingerprint, days, about)
        if told:
            log.action(_log, "keys.expiring", told=told)
        self._turn.done(now)
        return bool(told)

    async def endings(self, now: datetime) -> list[CertificateEnding]:
        """Of every certificate that signs for us or speaks for somebody here."""
        return [
            CertificateEnding(
                code=each.code,
                fingerprint=trust.fingerprint(each.certificate_der),
                ends_at=bound_until(each),
                own=own,
            )
            for each, own in await self._watched(now)
        ]

    async def _watched(self, now: datetime) -> list[tuple[Binding, bool]]:
        """What is bound here, and of a hosted agency that has nothing bound here its newest certificate, for that one
        signs; each with whether it is ours."""
        hosted = [agency.code for agency in await self.store.hosted()]
        found = list(await self.directory.in_force(now))
        bound = {each.code for each in found}
        for code in hosted:
            if code not in bound and (der := await self._signing(code, now)) is not None:
                found.append(Binding(code=code, certificate_der=der))  # noqa: PERF401  # each waits for its key
        return [(each, each.code in hosted) for each in found]

    async def _end_revoked(self, own: Binding, now: datetime) -> None:
        """Every receiver would refuse what it signs, from the moment that its authority named."""
        evidence = await self.pool.run(partial(self.trust.collect, own.certificate_der, now))
        mine = trust.fingerprint(own.certificate_der)
        if evidence.revocation == REVOKED and not any(
            each.fingerprint == mine for each in await self.store.key_ends(own.code)
        ):
            log.action(_log, "keys.revoked", evidence.chain_detail, code=own.code, fingerprint=mine)
            key_end = KeyEnd(agency_code=own.code, key_id="", fingerprint=mine, at=now, by="node")
            await proposals.retire_key(self.deciding, key_end)

    async def _signing(self, code: str, now: datetime) -> bytes | None:
        try:
            return (await self.pool.run(partial(self.keys.signer, code, now, ANY_KEY))).certificate_der
        except GatewayError:
            return None


def bound_until(binding: Binding) -> datetime:
    """When a binding ends: by itself, or with its certificate."""
    ends = x509.load_der_x509_certificate(binding.certificate_der).not_valid_after_utc
    return ends if binding.valid_to is None else min(ends, binding.valid_to)
