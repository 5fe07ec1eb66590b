"""Unicode normal forms of what other people wrote, in time that grows with its length. In: any text. Out: the same in form
NFC, NFD or NFKD. Putting the marks of one letter in order takes the square of their number, so a letter keeps thirty, as
UAX 15 bounds them; no writing of people has more than a few."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

MOST_MARKS = 30
# What can hold a longer run at all: below U+0300 there is no mark.
_LONG_RUN = re.compile(rf"[\u0300-\U0010ffff]{{{MOST_MARKS + 1}}}")


def nfc(text: str) -> str:
    """Letters and their marks composed."""
    return _form("NFC", text)


def nfd(text: str) -> str:
    """Letters and their marks apart."""
    return _form("NFD", text)


def nfkd(text: str) -> str:
    """The same, and letters that only look different become the same ones."""
    return _form("NFKD", text)


def _form(form: Literal["NFC", "NFD", "NFKD"], text: str) -> str:
    return unicodedata.normalize(form, _bounded(text) if _LONG_RUN.search(text) else text)


def _bounded(text: str) -> str:
    kept, run = [], 0
    for letter in text:
        run = run + 1 if unicodedata.combining(letter) else 0
        if run <= MOST_MARKS:
            kept.append(letter)
    return "".join(kept)
