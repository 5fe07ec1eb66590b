"""Time and randomness of the whole process come from here while a world runs: one virtual clock, one seeded source. Keys
and signatures are made deterministic too. In: a clock and a seed. Out: a process in which nothing is accidental.

`install` comes before any import of the product (`machine.py`): defaults of arguments bind `ec.ECDSA` at import."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import random_source, time_source

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Private keys lie below the orders of the curves.
_KEY_BITS = 250
# The second from which virtual time is counted: 2026-01-05 00:00 UTC, a Monday morning in Vietnam. It lies before the
# machine's own date, so that no file looks older than it is.
EPOCH_S = 1_767_571_200

_real_urandom, _real_key = os.urandom, ec.generate_private_key


class _World:
    """The seeded source in force; without a world that of the machine."""

    chance: random.Random | None = None


def cpu_s() -> float:
    """Return the CPU seconds of this process, which no world replaces."""
    return time.process_time()


def now_s() -> float:
    """Return the virtual time of day, in seconds since 1970."""
    return time_source.unix_ns() / 1_000_000_000


def ulid(at: datetime) -> str:
    """Return a ULID of that moment from the seeded source."""
    value = (int(at.timestamp() * 1000) << 80) | int.from_bytes(random_source.token_bytes(10))
    return "".join(_LETTERS[value >> shift & 31] for shift in range(125, -1, -5))


def _urandom(size: int) -> bytes:
    return _real_urandom(size) if _World.chance is None else _World.chance.randbytes(size)


def _generate_private_key(curve: ec.EllipticCurve, backend: Any = None) -> ec.EllipticCurvePrivateKey:
    if _World.chance is None:
        return _real_key(curve)
    return ec.derive_private_key(_World.chance.getrandbits(_KEY_BITS) + 1, curve)


def _sign_deterministically() -> None:
    """Let every ECDSA signature follow from key and content alone (RFC 6979)."""
    ec.ECDSA.__init__.__defaults__ = (True,)
    for builder in (
        x509.CertificateBuilder,
        x509.CertificateRevocationListBuilder,
        x509.CertificateSigningRequestBuilder,
    ):
        keywords: dict[str, Any] = builder.sign.__kwdefaults__ or {}
        keywords["ecdsa_deterministic"] = True


def install() -> None:
    """Replace for good what libraries take from the machine past the product's own sources."""
    os.urandom = _urandom
    socket.gethostname = lambda: "world"
    ec.generate_private_key = _generate_private_key
    _sign_deterministically()


@contextmanager
def in_force(elapsed_s: Callable[[], float], seed: str, epoch_s: float = EPOCH_S) -> Iterator[None]:
    """Let the clock, counted from that second, and a source of that seed hold within the block."""
    clocks = time_source.TimeSource(
        unix_ns=lambda: int((epoch_s + elapsed_s()) * 1_000_000_000),
        monotonic=elapsed_s,
        boottime=elapsed_s,
        thread_time=lambda: 0.0,
    )
    chance = random.Random(f"{seed} machine")
    earlier, _World.chance = (_World.chance, random.getstate()), chance
    random.seed(f"{seed} library")
    try:
        with time_source.replaced(clocks), random_source.replaced(chance.randbytes):
            yield
    finally:
        _World.chance = earlier[0]
        random.setstate(earlier[1])
