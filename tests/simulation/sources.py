"""Time and randomness of the whole process come from here while a world runs: one virtual clock, one seeded source. Keys
and signatures are made deterministic too. In: a clock and a seed. Out: a process in which nothing is accidental.

Import this module before any of the product: defaults of arguments and tables bind `time.monotonic` and `ec.ECDSA` at
import."""

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

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Orders of the curves, below which private keys lie.
_KEY_BITS = 250
# The second from which virtual time is counted: 2026-01-05 00:00 UTC, a Monday morning in Vietnam. It lies before the
# machine's own date, so that no file looks older than it is.
EPOCH_S = 1_767_571_200

_real_time, _real_ns, _real_monotonic = time.time, time.time_ns, time.monotonic
_real_clock, _real_perf = time.clock_gettime, time.perf_counter
_real_cpu, _real_urandom = time.process_time, os.urandom
_real_key = ec.generate_private_key


class _Source:
    """The clock and randomness in force; without a world those of the machine."""

    elapsed_s: Callable[[], float] | None = None
    chance: random.Random | None = None


def cpu_s() -> float:
    """Return the CPU seconds of this process, which no world replaces."""
    return _real_cpu()


def now_s() -> float:
    """Return the virtual time of day, in seconds since 1970."""
    return _time()


def ulid(at: datetime) -> str:
    """Return a ULID of that moment from the seeded source."""
    chance = _Source.chance or random.Random()
    value = (int(at.timestamp() * 1000) << 80) | chance.getrandbits(80)
    return "".join(_LETTERS[value >> shift & 31] for shift in range(125, -1, -5))


def _monotonic() -> float:
    return _real_monotonic() if _Source.elapsed_s is None else _Source.elapsed_s()


def _perf_counter() -> float:
    return _real_perf() if _Source.elapsed_s is None else _Source.elapsed_s()


def _time() -> float:
    return _real_time() if _Source.elapsed_s is None else EPOCH_S + _Source.elapsed_s()


def _time_ns() -> int:
    return _real_ns() if _Source.elapsed_s is None else int((EPOCH_S + _Source.elapsed_s()) * 1_000_000_000)


def _clock_gettime(clock: int) -> float:
    return _real_clock(clock) if _Source.elapsed_s is None else _Source.elapsed_s()


def _thread_time() -> float:
    return 0.0 if _Source.elapsed_s is not None else _real_cpu()


def _urandom(size: int) -> bytes:
    return _real_urandom(size) if _Source.chance is None else _Source.chance.randbytes(size)


def _generate_private_key(curve: ec.EllipticCurve, backend: Any = None) -> ec.EllipticCurvePrivateKey:
    if _Source.chance is None:
        return _real_key(curve)
    return ec.derive_private_key(_Source.chance.getrandbits(_KEY_BITS) + 1, curve)


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
    """Put the sources in the place of the machine's, for good; without a world they give what the machine gives."""
    time.monotonic, time.perf_counter, time.time, time.time_ns = _monotonic, _perf_counter, _time, _time_ns
    time.clock_gettime, time.thread_time = _clock_gettime, _thread_time
    os.urandom = _urandom
    socket.gethostname = lambda: "world"
    random._urandom = _urandom  # type: ignore[attr-defined]  # what `secrets` draws from
    ec.generate_private_key = _generate_private_key
    _sign_deterministically()


@contextmanager
def in_force(elapsed_s: Callable[[], float], seed: str) -> Iterator[None]:
    """Let the clock and a source of that seed hold within the block."""
    earlier = _Source.elapsed_s, _Source.chance, random.getstate()
    _Source.elapsed_s, _Source.chance = elapsed_s, random.Random(f"{seed} machine")
    random.seed(f"{seed} library")
    try:
        yield
    finally:
        _Source.elapsed_s, _Source.chance = earlier[:2]
        random.setstate(earlier[2])


install()
