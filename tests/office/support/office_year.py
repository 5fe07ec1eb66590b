"""A year of invented decisions of one office. In: a seed. Out: past decisions, the oldest first: senders of unlike size
write about a few matters each, a unit handles each matter, one in twelve decisions is another one, and in the middle of
the year two matters move to other units."""

from __future__ import annotations

import random
from collections.abc import Sequence

from gateway.domain.text import indexed, name_key
from gateway_office.policy.suggestions import PastDecision

UNITS = tuple(f"unit {n}" for n in range(12))
SENDERS = 60
_MATTERS = 40
_DAYS, _A_DAY = 250, 20
_OTHERWISE = 1 / 12
_TEXT = """
an bao bien binh cai can chat chi chinh cong cuu dan dat dau de di dia dien dinh doi dong du duc gia giam giao hai hanh hoa
hoach hoi hop huong khai khoa khu kinh lam lao lap le lich luat luong mo moi nam nghe nghi ngoai nguon nha nhan nhiem nong
nuoc on phap phat phe phi phong quan quy san sinh so su tai tam tap thanh thi thong thu thue thuy tin toan trinh trong tu
tuyen van vay ve viec vien xa xay y
"""
_SYLLABLES = _TEXT.split()
_OPENINGS = ("ve viec", "v/v", "bao cao ve", "de nghi", "trien khai", "huong dan", "lay y kien")
_FILLERS = (
    "tren dia ban tinh",
    "nam 2026",
    "quy 3",
    "theo quy dinh",
    "cua cac don vi",
    "trong thoi gian toi",
    "",
)


def decisions(seed: int) -> Sequence[PastDecision]:
    rng = random.Random(seed)
    phrases = [
        [" ".join(rng.sample(_SYLLABLES, k=rng.choice((2, 3)))) for _ in range(rng.randint(2, 4))]
        for _ in range(_MATTERS)
    ]
    units = [rng.choice(UNITS) for _ in range(_MATTERS)]
    matters = [rng.sample(range(_MATTERS), k=rng.randint(2, 7)) for _ in range(SENDERS)]
    sizes = [1 / (n + 1) for n in range(SENDERS)]
    year = []
    for n in range(_DAYS * _A_DAY):
        if n == _DAYS * _A_DAY // 2:
            for moved in rng.sample(range(_MATTERS), k=2):
                units[moved] = rng.choice(UNITS)
        sender = rng.choices(range(SENDERS), sizes)[0]
        # One letter in ten is about a matter of another sender.
        matter = rng.choice(matters[sender]) if rng.random() < 0.9 else rng.randrange(_MATTERS)
        unit = rng.choice(UNITS) if rng.random() < _OTHERWISE else units[matter]
        subject = f"{rng.choice(_OPENINGS)} {rng.choice(phrases[matter])} {rng.choice(_FILLERS)}"
        name = f"co quan {_SYLLABLES[sender]} {sender}"
        year.append(
            PastDecision(
                document_id=f"inb_{n:05}",
                choice=unit,
                days=rng.choice((None, 5, 5, 7)),
                party=name_key(name),
                words=f" {indexed((f'{n}/CV', subject, name))} ",
            )
        )
    return year
