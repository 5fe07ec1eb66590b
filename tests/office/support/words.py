"""Tests that look at all words of the program read every entry of the catalogues here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import gateway_office
from gateway.words import labels
from gateway.words.labels import Text, read_catalogue

# Of the exchange and of the office.
SUBJECTS = {**labels.SUBJECTS, **gateway_office.SUBJECTS}

# What no clerk should have to read: machines, codes of the wire, digests, names of keys, times of another place.
MACHINE_WORDS = re.compile(
    r"hàng đợi|(?<!bằng )(?<!bấm )\bnút\b|\((0[1-9]|1[0-6])\)|\bmã 1[0-9]\b|\bdigest|\bUTC\b|SHA-256|\bhold\b"
    r"|axis\.|giá trị băm|siêu dữ liệu|lệnh gửi|\btrạng thái 0|\(mã \)|\bCN=|\bHTTP\b(?!:)",
    re.I,
)
# What operators read and clerks do not: packets of the axis, our own ids.
OPERATORS_WORDS = re.compile(r"gói tin|(?<!/)\b[a-z]{3}_[0-9A-Z]{20}", re.I)


@cache
def entries(lang: str) -> dict[str, Text]:
    """Return the entries of all subjects together."""
    return {key: text for subject in SUBJECTS for key, text in read_catalogue(lang, subject).items()}


def forms(text: Text) -> tuple[str, ...]:
    """Return the forms of a text: one for a plain text, as many as the language has for one that counts."""
    return (text,) if isinstance(text, str) else text.forms


def texts(lang: str) -> Iterator[str]:
    """Yield every form of every entry."""
    for text in entries(lang).values():
        yield from forms(text)
