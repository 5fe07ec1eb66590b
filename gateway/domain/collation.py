"""The order of Vietnamese words. In: text. Out: a key in plain ASCII; keys compared byte by byte, in Python or in a
database, give the order of the dictionary. Pure, and needs no library of languages.

Letters decide first, and letters with a shape are letters of their own; then tones, then capitals. Runs of digits count
as numbers, so that `9/UBND` stands before `88/UBND`; everything that is no letter and no digit is a gap."""

from __future__ import annotations

import re

from gateway.domain.text import bare_words
from gateway.domain.unicode_form import nfd

MOST_LETTERS = 120  # a key is at most some eight bytes for each, and an index takes no longer ones
_BREVE, _ROOF, _HORN = "\u0306", "\u0302", "\u031b"
# In the order of the alphabet; j, f, w and z are no letters of it and stand where other languages have them.
_ALPHABET = (
    *(
        "a",
        "a" + _BREVE,
        "a" + _ROOF,
        "b",
        "c",
        "d",
        "\u0111",
        "e",
        "e" + _ROOF,
        "f",
        "g",
        "h",
        "i",
        "j",
        "k",
    ),
    *("l", "m", "n", "o", "o" + _ROOF, "o" + _HORN, "p", "q", "r", "s", "t", "u", "u" + _HORN, "v", "w", "x"),
    *("y", "z"),
)
_RANK = {letter: chr(ord("A") + n) for n, letter in enumerate(_ALPHABET)}
# No tone, huyen, hoi, nga, sac, nang.
_TONE = {mark: str(n) for n, mark in enumerate(("\u0300", "\u0309", "\u0303", "\u0301", "\u0323"), start=1)}
_LETTER = re.compile(r"[0-9]+|.[\u0300-\u036f]*", re.DOTALL)
_GAP, _NUMBER, _FOREIGN, _LEVEL = "!", "#", "~", " "
_HEADS = (("uy", "ban", "nhan", "dan"), ("so",))


def sort_key(text: str) -> str:
    """The key of `text`; equal for texts that differ only in spaces and signs."""
    letters, tones, cases = [], [], []
    for part in _LETTER.findall(nfd(text.strip()[:MOST_LETTERS])):
        base, marks = part[0], part[1:]
        if part.isascii() and part.isdigit():
            letters.append(_number(part))
        elif not base.isalnum():
            letters.append(_GAP if letters and letters[-1] != _GAP else "")
            continue
        else:
            letters.append(_letter(base, marks))
        tones.append(next((_TONE[mark] for mark in marks if mark in _TONE), "0"))
        cases.append("1" if base.isupper() else "0")
    last = _LEVEL.join("".join(level).rstrip("0") for level in (tones, cases))
    return f"{''.join(letters).rstrip(_GAP)}{_LEVEL}{last}"


def number_key(number: str, symbol: str) -> str:
    """The key of a document's number and symbol: by number, then by what stands behind it."""
    return sort_key(f"{number}/{symbol}")


def number_word(number: str, symbol: str) -> str:
    """The same for every way of writing that number and symbol: leading zeros, spaces, capitals and tones aside."""
    return number_key(number, symbol).partition(_LEVEL)[0]


def name_key(name: str) -> str:
    """The key of an agency's name without the general word at its head, for lists that ignore it."""
    words, bare = name.split(), bare_words(name)
    head = next((head for head in _HEADS if tuple(bare[: len(head)]) == head and len(bare) > len(head)), ())
    # Words are counted alike only where no sign stands among them; otherwise the name is taken whole.
    return sort_key(" ".join(words[len(head) :]) if len(words) == len(bare) else name)


def _letter(base: str, marks: str) -> str:
    small = base.lower()
    shaped = next((small + mark for mark in marks if small + mark in _RANK), small)
    return _RANK.get(shaped) or f"{_FOREIGN}{ord(small[0]):06x}"


def _number(digits: str) -> str:
    bare = digits.lstrip("0")
    return f"{_NUMBER}{len(bare):03}{bare}"
