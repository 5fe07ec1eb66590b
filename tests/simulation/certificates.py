"""Certificates that end while documents travel: one agency gets its new key in time, another hours too late. In: a seed.
Out: documents that wait for the new key, or are kept out with a reason until an operator lets them in; none is lost."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

from cryptography import x509

from gateway.trust.keys import KeyDirectory
from tests.simulation import renewal, sources
from tests.simulation.kept_out import Lapse
from tests.simulation.programs import HOUR_S, IN_TIME, LATE, Program, restart_all
from tests.simulation.stage import CASTS

_TERM = timedelta(days=700)


class Certificates(Program):
    """Renews the two certificates that end during the world."""

    def begin(self) -> None:
        """Draw when each is renewed, and how long each node takes to bind the new one."""
        self._chance = chance = self.world.chance("certificates")
        now = datetime.fromtimestamp(sources.now_s(), UTC)
        for cast in CASTS:
            if cast.code in self.opening.terms:
                folder = self.world.hosts[cast.node].site.settings.keys.folder
                der = KeyDirectory(folder, None).signer(cast.code, now).certificate_der
                self.crowd.ledger.lapses[cast.code] = Lapse(
                    ends_at=x509.load_der_x509_certificate(der).not_valid_after_utc,
                    certificate=hashlib.sha256(der).hexdigest(),
                )
        left_s = (self.crowd.ledger.lapses[IN_TIME].ends_at - now).total_seconds()
        self.early_s = left_s * chance.uniform(0.1, 0.6)
        self.late_s = left_s + HOUR_S * chance.choice((0.05, 1.0, 9.0))
        self.lag_s = chance.choice((0.0, left_s * 0.1, HOUR_S))
        self.finished = asyncio.Event()
        self.world.tell(
            "certificates.drawn", "", f"{left_s:.0f} s left, late {self.late_s:.0f}, lag {self.lag_s:.0f}"
        )

    async def run(self) -> None:
        await asyncio.gather(self._renew(IN_TIME, self.early_s), self._renew(LATE, self.late_s))
        self.finished.set()

    async def _renew(self, code: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        cast = next(cast for cast in CASTS if cast.code == code)
        await renewal.renew(self.crowd, cast, _TERM, (0.0, self.lag_s, self.lag_s))

    async def finish(self) -> None:
        """Wait for the last renewal, and let an operator of each node look again at what was kept out; then let nodes start
        with a key that has ended beside the one that has not."""
        await self.finished.wait()
        await asyncio.sleep(300.0)
        for name in self.world.hosts:
            await renewal.reopen_packets(self.crowd, name)
        await restart_all(self.world)
