"""Checks lines of text: present, short enough, free of characters that break headers or XML, and readable Vietnamese;
and recognises text in the older encodings TCVN3 (ABC) and VNI. In: values with their rules; text whose bytes were read
as Western European. Out: reasons and warnings; the old encoding, if any, and the converted text. Pure; nothing is
corrected unless asked for.

Text counts as old-encoded only where conversion turns nearly every word, abbreviations apart, into a Vietnamese
syllable, and at least two words were none before: one foreign name proves nothing. The time is linear in the text, which
comes from outside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from gateway.domain.document import Rule
from gateway.domain.fields import MOST, entries, has_bad_characters, has_foreign_digits, is_blank
from gateway.domain.text import nfc, nfd, usual
from gateway.policy.personal_data import shorter_subject
from gateway.policy.profile import Profile
from gateway.policy.verdict import Reason, ReasonCode, reason

_WORDS_WITHOUT_MARK = 3
_WORD = re.compile(r"[^\W_]+(?:[/.-][^\W_]+)*")


class Letters(StrEnum):
    """The two old encodings that offices used."""

    TCVN3 = "tcvn3"
    VNI = "vni"


_CERTAIN = 0.9
_SAMPLE = 2_000
_TCVN3: Mapping[int, str] = dict(
    zip(
        (
            *range(0xA1, 0xAF),
            *range(0xB5, 0xBA),
            *range(0xBB, 0xBF),
            *range(0xC6, 0xCD),
            *range(0xCE, 0xD9),
            *range(0xDC, 0xE0),
            *range(0xE1, 0xF0),
            *range(0xF1, 0xFF),
        ),
        "\u0102\xc2\xca\xd4\u01a0\u01af\u0110\u0103\xe2\xea\xf4\u01a1\u01b0\u0111\xe0"
        "\u1ea3\xe3\xe1\u1ea1\u1eb1\u1eb3\u1eb5\u1eaf\u1eb7\u1ea7\u1ea9\u1eab\u1ea5\u1ead\xe8"
        "\u1ebb\u1ebd\xe9\u1eb9\u1ec1\u1ec3\u1ec5\u1ebf\u1ec7\xec\u1ec9\u0129\xed\u1ecb\xf2"
        "\u1ecf\xf5\xf3\u1ecd\u1ed3\u1ed5\u1ed7\u1ed1\u1ed9\u1edd\u1edf\u1ee1\u1edb\u1ee3\xf9"
        "\u1ee7\u0169\xfa\u1ee5\u1eeb\u1eed\u1eef\u1ee9\u1ef1\u1ef3\u1ef7\u1ef9\xfd\u1ef5",
        strict=True,
    )
)
_TONES = dict(zip("\xf9\xf8\xfb\xf5\xef", "\u0301\u0300\u0309\u0303\u0323", strict=True))
_HATS = {"\xe2": "\u0302", "\xea": "\u0306"}
_HATS |= {mark: "\u0302" + tone for mark, tone in zip("\xe1\xe0\xe5\xe3\xe4", _TONES.values(), strict=True)}
_BREVES = {mark: "\u0306" + tone for mark, tone in zip("\xe9\xe8\xfa\xfc\xeb", _TONES.values(), strict=True)}
_ALONE = {
    "\xf1": "\u0111",
    "\xf4": "\u01a1",
    "\xf6": "\u01b0",
    "\xed": "\xed",
    "\xec": "\xec",
    "\xe6": "\u1ec9",
    "\xf3": "\u0129",
    "\xf2": "\u1ecb",
    "\xee": "\u1ef5",
}
_PAIR = re.compile(
    "[aeouy\xf4\xf6AEOUY\xd4\xd6][\xf9\xf8\xfb\xf5\xef\xe2\xea\xe1\xe0\xe5\xe3\xe4\xe9\xe8\xfa\xfc\xeb\xd9\xd8\xdb\xd5\xcf\xc2\xca\xc1\xc0\xc5\xc3\xc4\xc9\xc8\xda\xdc\xcb]|[\xf1\xf4\xf6\xed\xec\xe6\xf3\xf2\xee\xd1\xd4\xd6\xcd\xcc\xc6\xd3\xd2\xce]"
)
# Separators of words: ASCII without its letters, and blanks, dashes and quotes beyond it; other Latin-1 characters may
# be old letters.
_BETWEEN = re.compile(r"[\x00-@\[-`{-\x7f\xa0\u2000-\u206f]+")
_EVIDENCE = 2
# Latin letters that Latin-1 lacks; nearly every Vietnamese text has some.
_ONLY_UNICODE = re.compile("[\u0100-\u024f\u1e00-\u1eff]")
_VOWELS = (
    "uyeu|ieu|yeu|oai|oay|oao|oeo|uai|uay|uoi|uou|uya|uye|uyu|ai|ao|au|ay|eo|eu|ia|ie|iu|oa|oe|oi|oo|ua|ue|ui|uo|uu|uy|ye"
    "|a|e|i|o|u|y"
)
_SYLLABLE = re.compile(
    rf"(?:ngh?|gh|gi|kh|nh|ph|qu|th|tr|ch|[bcdghklmnprstvx])?(?:{_VOWELS})(?:ng|nh|ch|[cmnpt])?"
)
_TONE_MARKS = "\u0300\u0301\u0303\u0309\u0323"
# The second alternative: a vowel with a circumflex follows only i, u and y.
_STRANGE = re.compile(
    "[\u0308\u030a\u0327]|[aeo][aeo]\u0323?\u0302|[^aeo\u0323]\u0302|[^a\u0323]\u0306|[^ou]\u031b"
)


def found_letters(texts: Iterable[str]) -> Letters | None:
    """Return the old encoding of these texts; None where they are Unicode, or it cannot be told."""
    odd = [text for text in texts if _is_odd(text)][:_SAMPLE]
    words = _odd_words(odd) if odd else []
    if not words:
        return None
    judged = {letters: _count_syllables(words, convert) for letters, convert in _CONVERTERS.items()}
    best = max(judged, key=lambda letters: judged[letters].share)
    counts = judged[best]
    is_sure = counts.share >= _CERTAIN and counts.syllables_after - counts.syllables_before >= _EVIDENCE
    return best if is_sure else None


@dataclass(frozen=True, slots=True)
class _SyllableCounts:
    """Number of words, and of those that are syllables before and after conversion."""

    words: int
    syllables_before: int
    syllables_after: int

    @property
    def share(self) -> float:
        return self.syllables_after / self.words if self.words else 0.0


def _count_syllables(words: Sequence[str], convert: Callable[[str], str]) -> _SyllableCounts:
    pairs = [(word, nfc(convert(word))) for word in words]
    telling = [(word, new) for word, new in pairs if not _is_abbreviation(new)]
    return _SyllableCounts(
        words=len(telling),
        syllables_before=sum(_is_syllable(word) for word, _ in telling),
        syllables_after=sum(_is_syllable(new) for _, new in telling),
    )


def _is_abbreviation(word: str) -> bool:
    """Tell whether a word is an abbreviation (NĐ, QĐ, HĐND): capitals without a vowel are no syllable in any encoding,
    and prove nothing."""
    return word.isupper() and not any(letter in "AEIOUY" for letter in nfd(word))


def to_unicode(text: str, letters: Letters) -> str:
    """Convert a text from an old encoding to Unicode; text without old letters is not changed."""
    return nfc(_CONVERTERS[letters](text)) if _is_odd(text) else text


def _is_odd(text: str) -> bool:
    """Tell whether a text has a character beyond ASCII, and no letter that only Unicode has."""
    if text.isascii() or _ONLY_UNICODE.search(text):
        return False
    return all(sign <= "\xff" or not (sign.isalpha() or unicodedata.combining(sign)) for sign in text)


def _convert_vni_pair(match: re.Match[str]) -> str:
    """Convert a VNI letter with its mark; letters that form no such pair stay."""
    pair = match.group()
    base = pair[0]
    plain = _ALONE.get(base.lower(), base.lower())
    if len(pair) == 2:
        mark = pair[1].lower()
        marks = _TONES.get(mark) or (_BREVES.get(mark, "") if base.lower() == "a" else "")
        # In VNI the circumflex mark follows only a, e and o, the breve only a.
        if not marks and mark in _HATS and base.lower() in "aeo":
            marks = _HATS[mark]
        if not marks:
            return pair
        plain += marks
    return plain.upper() if base.isupper() else plain


def _odd_words(texts: Iterable[str]) -> list[str]:
    """Return the words that have a letter and a character beyond ASCII."""
    every = (word for text in texts for word in _BETWEEN.split(text))
    return [word for word in every if not word.isascii() and any(map(str.isalpha, word))]


def _is_syllable(word: str) -> bool:
    """Tell whether a word is spelled like a Vietnamese syllable."""
    parts = nfd(word.lower().replace("\u0111", "d"))
    tones = sum(parts.count(mark) for mark in _TONE_MARKS)
    if _STRANGE.search(parts):
        return False
    bare = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return tones <= 1 and _SYLLABLE.fullmatch(bare) is not None


_CONVERTERS: Mapping[Letters, Callable[[str], str]] = {
    Letters.TCVN3: lambda text: text.translate(_TCVN3),
    Letters.VNI: lambda text: _PAIR.sub(_convert_vni_pair, text),
}


def broken_fields(
    rules: Mapping[str, Rule], source: object, *, required: Collection[str] = ()
) -> Iterator[Reason]:
    """Yield a reason for every text rule that `source` breaks. `required`: pointers that are required beside those of
    the rules."""
    for pointer, rule, text in entries(rules, source):
        is_usual = usual(text) is not None
        if not is_usual and (rule.is_required or pointer in required) and is_blank(text):
            yield reason(ReasonCode.MISSING, pointer, field=_name(pointer))
        if not text:
            continue
        if len(text) > rule.longest:
            length, limit = len(text), rule.longest
            yield reason(ReasonCode.TOO_LONG, pointer, field=_name(pointer), length=length, limit=limit)
        is_bad = not is_usual and has_bad_characters(text, lines=rule.lines)
        is_bad |= rule.plain_digits and has_foreign_digits(text)
        if is_bad or (rule.without and not {*rule.without}.isdisjoint(text)):
            yield reason(ReasonCode.BAD_CHARACTERS, pointer, field=_name(pointer))


def long_lists(source: object) -> Iterator[Reason]:
    """Yield a reason for every list with more entries than allowed."""
    for name, limit in MOST.items():
        count = len(getattr(source, name, ()))
        if count > limit:
            yield reason(ReasonCode.TOO_MANY, f"/{name}", field=name, count=count, limit=limit)


def _name(pointer: str) -> str:
    """Return the field's name in the labels: the last part of the pointer that is a word."""
    return next((part for part in reversed(pointer.split("/")) if part and not part.isdigit()), "")


def odd_subject(subject: str, profile: Profile, pointer: str) -> Iterator[Reason]:
    """Warn about a subject: watched words and personal data (R3), a legacy font (R8, Unicode), no diacritics (R9,
    Vietnamese), or invisible marks that may reorder the text."""
    plain = nfc(subject).casefold()
    if _whole_words(profile.subject_keywords).search(plain):
        for word in profile.subject_keywords:
            if _whole_words((word,)).search(plain):
                yield reason(ReasonCode.SENSITIVE_WORD, pointer, word=word)
    if (shorter := shorter_subject(subject)) is not None:
        yield reason(ReasonCode.SUBJECT_PERSONAL, pointer, suggest=shorter)
    if is_legacy_font(subject):
        yield reason(ReasonCode.LEGACY_FONT, pointer, field="subject")
    elif len(plain.split()) > _WORDS_WITHOUT_MARK and plain.isascii():
        yield reason(ReasonCode.NO_DIACRITICS, pointer)
    if subject.isprintable():
        return
    hidden = {f"U+{ord(letter):04X}" for letter in subject if unicodedata.category(letter) == "Cf"}
    if hidden:
        yield reason(ReasonCode.HIDDEN_MARKS, pointer, field="subject", marks=", ".join(sorted(hidden)))


@lru_cache(maxsize=256)
def _whole_words(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern for any of the words as a whole word, in any letter case."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(word.casefold()) for word in words)})(?!\w)")


def stamps_on(page: str, stamps: tuple[str, ...]) -> tuple[str, ...]:
    """Return the secrecy stamps on a page: those on a line of their own, or beside words that are not in capitals. In a
    heading in capitals the same word is no stamp."""
    page = nfc(page)
    if not _spaced_letters(stamps).search(page):  # most pages have none
        return ()
    lines = [_WordLine.parse(line) for line in page.splitlines()]
    return tuple(stamp for stamp in stamps if any(line.bears(stamp.split()) for line in lines))


@lru_cache(maxsize=16)
def _spaced_letters(stamps: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern for the letters of a stamp in order, with any signs between them."""
    return re.compile("|".join(r"[\W_]*".join(map(re.escape, "".join(stamp.split()))) for stamp in stamps))


@dataclass(frozen=True, slots=True)
class _WordLine:
    """Words of one line; `separated[n]` tells whether a sign precedes word n."""

    words: tuple[str, ...]
    separated: tuple[bool, ...]

    @classmethod
    def parse(cls, line: str) -> _WordLine:
        matches = list(_WORD.finditer(line))
        words = tuple(word[0] for word in matches)
        ends = [0, *(word.end() for word in matches)]
        separated = tuple(bool(line[end : m.start()].strip()) for end, m in zip(ends, matches, strict=False))
        if len(words) > 1 and all(len(word) == 1 for word in words):
            return cls(("".join(words),), (False,))  # letters with spaces form one word
        return cls(words, separated)

    def bears(self, stamp: list[str]) -> bool:
        if self.words == ("".join(stamp),):
            return True
        size = len(stamp)
        return any(
            list(self.words[at : at + size]) == stamp and self._stands_alone(at, at + size)
            for at in range(len(self.words) - size + 1)
        )

    def _stands_alone(self, first: int, end: int) -> bool:
        free_before = first == 0 or self.separated[first] or not _shouts(self.words[first - 1])
        free_behind = end == len(self.words) or self.separated[end] or not _shouts(self.words[end])
        return free_before and free_behind


def _shouts(word: str) -> bool:
    return word.isupper() and word.isalpha()


def is_legacy_font(text: str) -> bool:
    """Tell whether a text looks like TCVN3 or VNI bytes shown as Unicode."""
    return found_letters([text]) is not None
