"""Says whether the agency's own key may sign a PDF. In: the file as it stands, the wish, the key, the exchange keys, the
time. Out: a `Verdict` with every reason. Pure. It never asks whom an earlier signature is to be trusted to: that is the
verdict on the document, made when it is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from gateway.domain.pdf_signing import MOST_BYTES, KeyFacts, Purpose, Standing, Wish
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason

# A typed PIN opens the key for one sitting; a page left open over lunch asks again.
SESSION_LASTS = timedelta(minutes=15)


def may_be_signed(standing: Standing, wish: Wish, name: str) -> Verdict:
    """What can be told before anybody opens a key."""
    return Verdict(reasons=tuple(_of_file(standing, wish, name)))


def may_sign(standing: Standing, key: KeyFacts, exchange_keys: Collection[str], at: datetime) -> Verdict:
    """What the key adds: its time and use (K3), never an exchange key (R23a), never a second time on one file (R30)."""
    return Verdict(reasons=tuple(_of_key(standing, key, exchange_keys, at)))


def is_over(opened_at: datetime, at: datetime) -> bool:
    """Whether the PIN must be typed anew."""
    return not timedelta(0) <= at - opened_at <= SESSION_LASTS


def _of_file(standing: Standing, wish: Wish, name: str) -> Iterator[Reason]:
    if standing.size > MOST_BYTES:
        yield reason(ReasonCode.SIGN_TOO_LARGE, name=name, size_bytes=standing.size, limit_bytes=MOST_BYTES)
    elif standing.encrypted:
        yield reason(ReasonCode.SIGN_ENCRYPTED, name=name)
    elif standing.fault is not None:
        yield reason(ReasonCode.SIGN_BROKEN, name=name)
    else:
        yield from _of_readable(standing, wish, name)


def _of_readable(standing: Standing, wish: Wish, name: str) -> Iterator[Reason]:
    if standing.closed:
        yield reason(ReasonCode.SIGN_CLOSED, name=name)
    for each in standing.earlier:
        if not each.intact:
            yield reason(ReasonCode.SIGN_EARLIER_BROKEN, name=name, signer=each.subject)
    if wish.purpose is Purpose.SEAL and not standing.earlier:
        # R19: the competent person signs first; the seal stands over that signature.
        yield reason(ReasonCode.SIGN_NO_PERSON, name=name)
    if wish.purpose is Purpose.APPENDIX and not wish.number.strip():
        yield reason(ReasonCode.SIGN_NO_NUMBER)
    if wish.at is not None and not 1 <= wish.at.page <= standing.pages:
        yield reason(ReasonCode.SIGN_OUTSIDE, page=wish.at.page)


def _of_key(
    standing: Standing, key: KeyFacts, exchange_keys: Collection[str], at: datetime
) -> Iterator[Reason]:
    if key.key_id in exchange_keys:
        yield reason(ReasonCode.KEY_EXCHANGE, serial=key.serial)
    if not key.signs:
        yield reason(ReasonCode.KEY_USAGE, serial=key.serial)
    if not key.not_before <= at <= key.not_after:
        yield reason(
            ReasonCode.KEY_TIME,
            serial=key.serial,
            begins_on=key.not_before.date().isoformat(),
            ends_on=key.not_after.date().isoformat(),
        )
    if any(each.key_id == key.key_id or each.subject == key.subject for each in standing.earlier):
        yield reason(ReasonCode.SIGN_TWICE, signer=key.subject)
