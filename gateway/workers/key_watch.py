"""Watch over certificates: record an event when one ends soon, once for each mark of days, and end an own key whose
certificate the authority revoked. In: the registry, the keys, known revocations. Out: events, and ends of keys; a new key
with its signing request before a certificate of ours ends."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
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
from gateway.store.people import claim_notice
from gateway.store.store import SqlStore
from gateway.trust.evidence import NodeTrust
from gateway.trust.key_material import FILE, TOKEN, KeyEntry, KeyKind
from gateway.trust.keys import KeyDirectory
from gateway.workers.loop import Turn

EVERY = timedelta(hours=1)
REVOKED = "revoked"
# Number of the notice that a renewal began; the other notices have the days that are left.
_RENEWAL = 0
_KINDS: Mapping[str, KeyKind] = {"rsa-sha256": "rsa-3072", "ecdsa-sha384": "ecdsa-p384"}
_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class KeyWatch:
    """Worker that checks the certificates every hour."""

    store: SqlStore
    directory: SqlDirectory
    keys: KeyDirectory
    trust: NodeTrust
    deciding: DecisionServices
    clock: Clock
    pool: Pool
    renew_days: int = 0
    """So many days before its end a certificate of ours gets a new key and a request; 0: never."""
    _turn: Turn = field(default_factory=lambda: Turn(EVERY))

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)

    async def step(self) -> bool:
        """Check the certificates, at start and then every hour; a failed check is repeated. Return whether an event was
        recorded."""
        now = self.clock.now()
        if not self._turn.has_come(now):
            return False
        for binding, own in await self._watched(now):
            if own:
                await self._end_revoked(binding, now)
        count = 0
        endings = await self.endings(now)
        for ending, days in upkeep.due_marks(endings, now):
            details = {"code": ending.code, "until": ending.ends_at.isoformat(), "own": ending.own}
            count += await self.store.record_key_expiring(ending.fingerprint, days, details)
        if count:
            log.action(_log, "keys.expiring", told=count)
        for ending in endings:
            if ending.own and ending.ends_at - now <= timedelta(days=self.renew_days):
                await self._begin_renewal(ending, now)
        self._turn.mark_done(now)
        return bool(count)

    async def _begin_renewal(self, ending: CertificateEnding, now: datetime) -> None:
        """Make a new key and its request, once for each certificate, on whichever machine is first: key folders may be each
        machine's own. A request that waits, or a certificate that ends later, is enough."""
        entries = await self.pool.run(partial(self.keys.entries, ending.code))
        if any(e.not_after is None or e.not_after > ending.ends_at for e in entries):
            return
        async with self.store.changing_rows() as tx:
            is_first = await claim_notice(tx, ending.fingerprint, _RENEWAL, now)
        if is_first:
            agency = await self.store.accounts.hosted_by_code(ending.code)
            name = agency.name if agency is not None else ending.code
            key = await self.pool.run(partial(self._make_request, ending.code, name, entries))
            log.action(_log, "keys.renewal", code=ending.code, key=key)

    def _make_request(self, code: str, name: str, entries: Sequence[KeyEntry]) -> str:
        """Make a key of the kind and place of the newest one; return its id."""
        newest = max(entries, key=lambda entry: str(entry.not_after), default=None)
        kind = _KINDS.get(newest.algorithm if newest is not None else "", "ecdsa-p256")
        key = self.keys.generate(code, kind, TOKEN if self.keys.has_token else FILE)
        self.keys.request(code, key.key_id, name)
        return key.key_id

    async def endings(self, now: datetime) -> list[CertificateEnding]:
        """Return the end of every certificate that is bound here or signs for a hosted agency."""
        return [
            CertificateEnding(
                code=binding.code,
                fingerprint=trust.fingerprint(binding.certificate_der),
                ends_at=bound_until(binding),
                own=own,
            )
            for binding, own in await self._watched(now)
        ]

    async def _watched(self, now: datetime) -> list[tuple[Binding, bool]]:
        """Return the bindings in force, and for a hosted agency without one a binding of its newest certificate, because
        that one signs; each with whether the agency is hosted here."""
        hosted = [agency.code for agency in await self.store.hosted()]
        bindings = list(await self.directory.in_force(now))
        bound = {b.code for b in bindings}
        for code in hosted:
            if code not in bound and (der := await self._signing(code, now)) is not None:
                bindings.append(Binding(code=code, certificate_der=der))  # noqa: PERF401  # each waits for its key
        return [(b, b.code in hosted) for b in bindings]

    async def _end_revoked(self, own: Binding, now: datetime) -> None:
        """End an own key if its certificate is revoked, because receivers refuse its signatures from the revocation on."""
        evidence = await self.pool.run(partial(self.trust.collect, own.certificate_der, now))
        mine = trust.fingerprint(own.certificate_der)
        if evidence.revocation == REVOKED and not any(
            e.fingerprint == mine for e in await self.store.key_ends(own.code)
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
    """Return when a binding ends: at its own end or at its certificate's, whichever is earlier."""
    ends = x509.load_der_x509_certificate(binding.certificate_der).not_valid_after_utc
    return ends if binding.valid_to is None else min(ends, binding.valid_to)
