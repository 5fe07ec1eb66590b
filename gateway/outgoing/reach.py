"""Remembers which recipients are hosted by a node, as far as the axis tells. In: codes of recipients. Out: those codes
that no node receives mail for. An answer is remembered for a short while, so that a busy sender does not ask the axis for
every document, and an axis that does not answer delays only one sender."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gateway.ports.axis import Axis

REMEMBERED = timedelta(minutes=1)
SILENT = timedelta(seconds=10)
_MOST = 10_000
_NEVER = datetime.min.replace(tzinfo=UTC)


class Reach:
    """Cache of the codes that some node receives for, each until the axis is asked about it again."""

    def __init__(self) -> None:
        self._hosted_until: dict[str, datetime] = {}
        self._silent_until = _NEVER

    async def unhosted(self, axis: Axis, codes: Sequence[str], now: datetime) -> frozenset[str]:
        """Return the codes that no node receives for; an empty set where the axis does not know."""
        unsure = [code for code in codes if self._hosted_until.get(code, _NEVER) <= now]
        if not unsure or now < self._silent_until:
            return frozenset()
        unhosted = await axis.unhosted(unsure)
        if unhosted is None:
            self._silent_until = now + SILENT
            return frozenset()
        if len(self._hosted_until) > _MOST:
            self._hosted_until.clear()
        self._hosted_until |= {code: now + REMEMBERED for code in unsure if code not in unhosted}
        return unhosted
