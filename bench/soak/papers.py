"""The documents of a soak: number, sender, recipients and content, all following from the seed. In: a plan. Out: papers one
by one; most are small, some have a megabyte, and a few are so large that an axis carries them in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from bench.papers import content
from bench.soak.plan import CODES, Plan

KB, MB = 1_000, 1_000_000
# Share of all papers, least and most bytes.
_SIZES = ((0.88, 2 * KB, 20 * KB), (0.097, 50 * KB, 300 * KB), (0.02, MB, MB), (0.003, 6 * MB, 6 * MB))
_SEVERAL = 0.1  # of all papers go to two or three agencies
_URGENT = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One document before it is sent."""

    n: int
    sender: str
    recipients: tuple[str, ...]
    size: int
    urgent: bool
    seed: int

    @property
    def key(self) -> str:
        """Return the caller's own id, and the key under which it asks again."""
        return f"soak-{self.seed}-{self.n}"

    def body(self) -> bytes:
        """Return the PDF; the same bytes at every call."""
        return content(self.size, self.seed * 1_000_003 + self.n)


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def papers(plan: Plan) -> Iterator[Paper]:
    chance = plan.chance("papers")
    for n in range(1, plan.n + 1):
        sender = chance.choice(CODES)
        receivers = [code for code in CODES if code != sender]
        count = chance.choice((2, 3)) if chance.random() < _SEVERAL else 1
        yield Paper(
            n=n,
            sender=sender,
            recipients=tuple(chance.sample(receivers, count)),
            size=_size(chance),
            urgent=chance.random() < _URGENT,
            seed=plan.seed,
        )


def _size(chance: Random) -> int:
    (chosen,) = chance.choices(_SIZES, [share for share, _, _ in _SIZES])
    return chance.randint(chosen[1], chosen[2])
