"""Text for search and order, and its Unicode normal forms. In: texts, or search queries. Out: words without letter case,
accents, dashes and placing of tones; keys in plain ASCII whose byte order, in Python or in a database, is the order of
the dictionary; a text in form NFC, NFD or NFKD. Pure, without a library of languages.

The store keeps the words in one column, which both databases compare in the same way. An indexed text is its bare words
in order, a mark, and then, each once: its accented words, codes without their dots, numbers without leading zeros,
abbreviations of names in it, and words marked with their role.

In the order of Vietnamese words letters decide first, and letters with a shape are letters of their own; then tones, then
capitals. Runs of digits count as numbers, so that `9/UBND` comes before `88/UBND`; any other character is a gap.

The time for normal forms grows with the text's length, but sorting the marks of one letter takes the square of their
number. Therefore a letter keeps at most thirty, the limit of UAX 15; human writing has only a few."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import filterfalse
from typing import Literal, TypeVar

T = TypeVar("T")
# Composed Latin letters, with or without marks: a sequence of them is in form NFC.
LETTERS = "\u00c0-\u024f\u1e00-\u1eff"
usual = re.compile(rf"[0-9A-Za-z{LETTERS}][ -~{LETTERS}]*+(?<! )").fullmatch
"""Matches nearly all texts: they need no composing and no trimming, and have no bad characters."""
MOST_MARKS = 30
# Only characters from U+0300 on can be part of a longer run of marks.
_LONG_RUN = re.compile(rf"[\u0300-\U0010ffff]{{{MOST_MARKS + 1}}}")
# This letter has no canonical decomposition, unlike every other accented letter of the alphabet.
_STROKES = str.maketrans({"\u0111": "d"})
# Decomposed lower-case Vietnamese, which a second decomposition does not change.
_DECOMPOSED = re.compile("[\x00-\x7f\u0111\u0300-\u036f]*+")
_WORD = re.compile(r"[^\W_]+")
# Matched only from the beginning of a word: tried from each letter, one long word would take quadratic time.
_DOTTED = re.compile(r"(?<![^\W_])[^\W_]+(?:\.[^\W_]+)+")
_QUERY_PART = re.compile(r'(?:([^\W_]+):)?"([^"]*)"?|(\S+)')
# A letter that Vietnamese does not have, so that a marked word is never a plain one.
_END = "\u0167"
MOST_TERMS = 12
MOST_LETTERS = 400
_LONGEST_KEPT = 600
# Abbreviations on paper: typing the short form finds the long one.
_SHORT = {
    "uy ban nhan dan": "ubnd",
    "hoi dong nhan dan": "hdnd",
    "uy ban mat tran to quoc": "ubmttq",
    "mat tran to quoc": "mttq",
    "toa an nhan dan": "tand",
    "vien kiem sat nhan dan": "vksnd",
    "giao duc va dao tao": "gddt",
    "tai nguyen va moi truong": "tnmt",
    "nong nghiep va moi truong": "nnmt",
    "nong nghiep va phat trien nong thon": "nnptnt",
    "khoa hoc va cong nghe": "khcn",
    "thong tin va truyen thong": "tttt",
    "ke hoach va dau tu": "khdt",
    "giao thong van tai": "gtvt",
    "lao dong thuong binh va xa hoi": "ldtbxh",
    "van hoa the thao va du lich": "vhttdl",
    "cong nghe thong tin": "cntt",
    "thu tuong": "ttg",
    "van phong": "vp",
}
# Open syllables on which old and new spelling put the tone on different letters; the old place is kept.
_TONES = "\u0300\u0301\u0303\u0309\u0323"
_NEW_PLACE = re.compile(
    rf"(?<!q)(o(?=[ae][{_TONES}])|u(?=y[{_TONES}]))([aey])([{_TONES}])(?![^\W_]|[\u0300-\u036f])"
)
MOST_SORTED_LETTERS = 120  # a key has up to about eight bytes for each letter, and an index limits its size
# No tone, huyen, hoi, nga, sac, nang.
_TONE = {mark: str(n) for n, mark in enumerate(("\u0300", "\u0309", "\u0303", "\u0301", "\u0323"), start=1)}
_LETTER = re.compile(r"[0-9]+|.[\u0300-\u036f]*", re.DOTALL)
_GAP, _NUMBER, _FOREIGN, _LEVEL = "!", "#", "~", " "
_GAPS = re.compile("!{2,}")
_HEADS = (("uy", "ban", "nhan", "dan"), ("so",))


def nfc(text: str) -> str:
    """Compose letters with their marks (form NFC)."""
    return text if text.isascii() or usual(text) else _normalize("NFC", text)


def nfd(text: str) -> str:
    """Decompose letters and their marks (form NFD)."""
    return unicodedata.normalize("NFD", text) if usual(text) else _normalize("NFD", text)


def nfkd(text: str) -> str:
    """Decompose letters and their marks, and replace variants of a letter that differ only in look (form NFKD)."""
    return unicodedata.normalize("NFKD", text) if usual(text) else _normalize("NFKD", text)


def _normalize(form: Literal["NFC", "NFD", "NFKD"], text: str) -> str:
    if text.isascii():  # ASCII is the same in every form
        return text
    is_long = len(text) > MOST_MARKS and _LONG_RUN.search(text)
    return unicodedata.normalize(form, _limit_marks(text) if is_long else text)


def _limit_marks(text: str) -> str:
    letters, run = [], 0
    for letter in text:
        run = run + 1 if unicodedata.combining(letter) else 0
        if run <= MOST_MARKS:
            letters.append(letter)
    return "".join(letters)


def remembered(make: Callable[[str], T]) -> Callable[[str], T]:
    """Return a function that caches the results of `make` for short texts; longer ones would need unbounded memory."""
    cached = lru_cache(maxsize=_MOST_NAMES)(make)
    return lambda text: cached(text) if len(text) <= _LONGEST_KEPT else make(text)


# Keys of names and numbers are cached: each document needs them more than once.
_MOST_NAMES = 1024


class SearchRole(StrEnum):
    """Role of the party that a word names, for searches by role; the value is the mark before the word."""

    SENDER = "\u0163"
    RECIPIENT = "\u00f0"
    SIGNER = "\u0137"
    SOURCE = "\u015f"
    VIEWER = "\u0123"


_FIELDS = {
    **dict.fromkeys(("tu", "from"), SearchRole.SENDER),
    **dict.fromkeys(("den", "to"), SearchRole.RECIPIENT),
    **dict.fromkeys(("ky", "signed"), SearchRole.SIGNER),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Words that must follow each other. `is_whole`: the last one is a whole word, not only a beginning."""

    words: tuple[str, ...]
    is_whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Parsed search query: a document must match all of `terms`; those that match all of `exact` too come first."""

    terms: tuple[Term, ...]
    exact: tuple[Term, ...] = ()


def fold(text: str) -> str:
    """Remove letter case and accents, and replace each run of white space by one space."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = nfkd(text).casefold()
    if not _DECOMPOSED.fullmatch(decomposed):
        # Decompose once more: decomposing may uncover capitals, and folding case may uncover accents.
        decomposed = nfkd(decomposed)
    bare = "".join(filterfalse(unicodedata.combining, decomposed))
    return " ".join(bare.translate(_STROKES).split())


# Texts repeat the same syllables, so their folded forms are cached.
_fold_word = lru_cache(maxsize=4096)(fold)


def bare_words(text: str) -> list[str]:
    """Split a text into its words, without case and accents."""
    return _WORD.findall(fold(text))


def indexed(texts: Iterable[str], roles: Iterable[tuple[SearchRole, str]] = ()) -> str:
    """Return the search column for `texts`, and for names and codes in their roles."""
    text = " ".join(texts)
    folded = fold(text)
    bare = _WORD.findall(folded)
    unpadded = {_strip_zeros(word) for word in bare if word[0] == "0"}
    extra_words = {*_accented_words(text), *_code_words(folded), *(unpadded - {*bare})}
    spaced = f" {' '.join(bare)} "
    extra_words |= {short for full, short in _SHORT.items() if f" {full} " in spaced}
    for role, name in roles:
        extra_words |= _marked_words(role, name)
    if not bare and not extra_words:
        return ""
    return " ".join((*bare, _END, *sorted(extra_words)))


def words_in_order(column: str) -> list[str]:
    """Return the bare words of a search column, in the order of its texts."""
    return column.partition(f" {_END}")[0].split()


@lru_cache(maxsize=_MOST_NAMES)
def _marked_words(role: SearchRole, name: str) -> frozenset[str]:
    folded = fold(name)
    return frozenset(role + word for word in (*_WORD.findall(folded), *_code_words(folded)))


def marked(role: SearchRole, name: str) -> tuple[Term, ...]:
    """Return the terms that find that name or code in that role."""
    codes = [_join_code(c) for c in _DOTTED.findall(fold(name))]
    words = codes or bare_words(name)
    return tuple(Term(words=(role + word,), is_whole=bool(codes)) for word in words)


def exactly(role: SearchRole, word: str) -> Term:
    """Return the term that finds exactly that word in that role, and no longer word that begins with it."""
    return Term(words=(role + word,), is_whole=True)


def sought(query: str) -> Sought:
    """Parse a query: words, numbers, codes, "phrases", and words behind `tu:`, `den:` and `ky:` with or without accents, or
    `from:`, `to:` and `signed:`.
    Words beyond the twelfth are ignored."""
    terms: list[Term] = []
    query = nfc(query[:MOST_LETTERS])
    for field, quoted, plain in _QUERY_PART.findall(query):
        terms += _phrase_terms(field, quoted) if not plain else _plain_terms(plain)
    exact = [Term(words=(word,)) for word in sorted(_accented_words(_without_fields(query)))]
    unique_terms = list(dict.fromkeys(terms))[:MOST_TERMS]
    return Sought(terms=tuple(unique_terms), exact=tuple(exact[: MOST_TERMS - 1]))


def hits(text: str, query: Sought) -> Iterator[tuple[int, int]]:
    """Yield start and end of each word in `text` that the query finds, to be highlighted."""
    pairs = [(word.lstrip("".join(SearchRole)), term.is_whole) for term in query.terms for word in term.words]
    for match in _WORD.finditer(text) if pairs else ():
        word = fold(match[0])
        if any(word == w or (not is_whole and word.startswith(w)) for w, is_whole in pairs if w):
            yield match.span()


def _phrase_terms(field: str, text: str) -> list[Term]:
    if (role := _FIELDS.get(fold(field))) is not None:
        return list(marked(role, text))
    words = bare_words(text)
    field_terms = [Term(words=(word,)) for word in bare_words(field)]
    return [*field_terms, Term(words=tuple(words), is_whole=True)] if words else field_terms


def _plain_terms(text: str) -> list[Term]:
    field, colon, name = text.partition(":")
    if colon and (role := _FIELDS.get(fold(field))) is not None:
        return list(marked(role, name))
    folded = fold(text)
    codes = [Term(words=(_join_code(c),)) for c in _DOTTED.findall(folded)]
    words = _WORD.findall(_DOTTED.sub(" ", folded))
    return codes + [Term(words=(_strip_zeros(word),), is_whole=word.isdigit()) for word in words]


def _without_fields(query: str) -> str:
    return " ".join(
        plain or quoted
        for field, quoted, plain in _QUERY_PART.findall(query)
        if fold(field or plain.partition(":")[0]) not in _FIELDS
    )


def _accented_words(text: str) -> set[str]:
    """Return the words with accents, their tones placed as in old spelling."""
    bare = {word: _fold_word(word) for word in _WORD.findall(old_spelling(text)) if not word.isascii()}
    return {word for word, folded in bare.items() if folded != word and _WORD.fullmatch(folded)}


def old_spelling(text: str) -> str:
    """Return the text in small letters with its marks, tones placed as in old spelling."""
    return nfc(_NEW_PLACE.sub(r"\1\3\2", nfd(nfc(text).casefold())))


def _code_words(folded: str) -> set[str]:
    """Return the codes in a text without dots: in full, and without groups of zeros."""
    codes = _DOTTED.findall(folded)
    return {c.replace(".", "") for c in codes} | {_join_code(c) for c in codes}


def _join_code(code: str) -> str:
    groups = [group for group in code.split(".") if group.strip("0")]
    return "".join(groups) or code.replace(".", "")


def _strip_zeros(word: str) -> str:
    return (word.lstrip("0") or "0") if word.isdigit() else word


# In the order of the alphabet; f, j, w and z do not belong to it, and have their place in other languages.
_ALPHABET = nfd(
    "a \u0103 \xe2 b c d \u0111 e \xea f g h i j k l m n o \xf4 \u01a1 p q r s t u \u01b0 v w x y z"
).split()
_RANK = {letter: chr(ord("A") + n) for n, letter in enumerate(_ALPHABET)}


def sort_key(text: str) -> str:
    """Return the sort key of a text; texts that differ only in spaces and signs have the same key."""
    letters, tones, cases = list[str](), list[str](), list[str]()
    for part in _LETTER.findall(nfd(text.strip()[:MOST_SORTED_LETTERS])):
        letter, tone, case = _sort_parts(part)
        if letter == _GAP:
            letters.append(_GAP if letters and letters[-1] != _GAP else "")
            continue
        letters.append(letter)
        tones.append(tone)
        cases.append(case)
    levels = "".join(letters).rstrip(_GAP), "".join(tones).rstrip("0"), "".join(cases).rstrip("0")
    return _LEVEL.join(levels)


@lru_cache(maxsize=_MOST_NAMES)
def number_key(number: str, symbol: str) -> str:
    """Return the sort key of a document's number and symbol, by number first."""
    return sort_key(f"{number}/{symbol}")


def number_word(number: str, symbol: str) -> str:
    """Return a key that is the same for all spellings of a number and symbol, whatever zeros, spaces, capitals and
    tones."""
    return spelling_key(f"{number}/{symbol}")


@lru_cache(maxsize=_MOST_NAMES)
def spelling_key(text: str) -> str:
    """Return the letters and numbers of a text's sort key: the same whatever zeros, spaces, signs, capitals and tones."""
    return _GAPS.sub(_GAP, sort_key(text).partition(_LEVEL)[0])


@lru_cache(maxsize=_MOST_NAMES)
def name_key(name: str) -> str:
    """Return the sort key of an agency's name without its general first word."""
    words, bare = name.split(), bare_words(name)
    head = next((head for head in _HEADS if tuple(bare[: len(head)]) == head and len(bare) > len(head)), ())
    # The two counts agree only where there are no signs among the words; otherwise the whole name is the key.
    return sort_key(" ".join(words[len(head) :]) if len(words) == len(bare) else name)


# Texts repeat the same letters, so their keys are cached.
@lru_cache(maxsize=4096)
def _sort_parts(part: str) -> tuple[str, str, str]:
    """Return the key of a letter with its marks, or of a number; then its tone, and whether it is a capital."""
    base, marks = part[0], part[1:]
    if part.isascii() and part.isdigit():
        return _digits_key(part), "0", "0"
    if not base.isalnum():
        return _GAP, "", ""
    tone = next((_TONE[mark] for mark in marks if mark in _TONE), "0")
    return _letter_key(base, marks), tone, "1" if base.isupper() else "0"


def _letter_key(base: str, marks: str) -> str:
    small = base.lower()
    shaped = next((small + mark for mark in marks if small + mark in _RANK), small)
    return _RANK.get(shaped) or f"{_FOREIGN}{ord(small[0]):06x}"


def _digits_key(digits: str) -> str:
    bare = digits.lstrip("0")
    return f"{_NUMBER}{len(bare):03}{bare}"


def plain(text: str) -> str:
    """Replace characters of a foreign text that could control a terminal, fake a line or turn the writing."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
