"""What a line of text may be: present, short enough, free of characters that break headers or XML, and readable
Vietnamese. In: values with their rules. Out: reasons and warnings. Pure; nothing is corrected here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from gateway.domain.fields import MOST, Rule, entries, has_bad_characters, is_blank
from gateway.domain.unicode_form import nfc
from gateway.policy import legacy_text
from gateway.policy.profile import Profile
from gateway.policy.verdict import Reason, ReasonCode, reason

_WORDS_WITHOUT_MARK = 3
_WORD = re.compile(r"[^\W_]+(?:[/.-][^\W_]+)*")


def broken_fields(
    rules: Mapping[str, Rule], thing: object, *, wanted: Collection[str] = ()
) -> Iterator[Reason]:
    """Every rule of a text that `thing` breaks. `wanted`: pointers of what must be there beside what the rules want."""
    for pointer, rule, text in entries(rules, thing):
        name = _name(pointer)
        if is_blank(text) and (rule.wanted or pointer in wanted):
            yield reason(ReasonCode.MISSING, pointer, field=name)
        if len(text) > rule.longest:
            yield reason(ReasonCode.TOO_LONG, pointer, field=name, length=len(text), limit=rule.longest)
        if has_bad_characters(text, lines=rule.lines) or any(each in text for each in rule.without):
            yield reason(ReasonCode.BAD_CHARACTERS, pointer, field=name)


def long_lists(thing: object) -> Iterator[Reason]:
    """Every list with more entries than it may have."""
    for name, limit in MOST.items():
        count = len(getattr(thing, name, ()))
        if count > limit:
            yield reason(ReasonCode.TOO_MANY, f"/{name}", field=name, count=count, limit=limit)


def _name(pointer: str) -> str:
    """The last part that is a word: what the labels call the field."""
    return next((part for part in reversed(pointer.split("/")) if part and not part.isdigit()), "")


def odd_subject(subject: str, profile: Profile, pointer: str) -> Iterator[Reason]:
    """Warnings about a subject: watched words (R3), a legacy font (R8), no diacritics (R9), marks that nobody sees and
    that may turn what is read around them."""
    plain = nfc(subject).casefold()
    for word in profile.subject_keywords:
        if re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", plain):
            yield reason(ReasonCode.SENSITIVE_WORD, pointer, word=word)
    if is_legacy_font(subject):
        yield reason(ReasonCode.LEGACY_FONT, pointer, field="subject")
    elif len(plain.split()) > _WORDS_WITHOUT_MARK and plain.isascii():
        yield reason(ReasonCode.NO_DIACRITICS, pointer)
    hidden = {f"U+{ord(letter):04X}" for letter in subject if unicodedata.category(letter) == "Cf"}
    if hidden:
        yield reason(ReasonCode.HIDDEN_MARKS, pointer, field="subject", marks=", ".join(sorted(hidden)))


def stamps_on(page: str, stamps: tuple[str, ...]) -> tuple[str, ...]:
    """Which secrecy stamps stand on a page, each for itself: on its own line, or on a line whose words beside it are no
    capitals. In a heading in capitals the same word is one of many."""
    lines = [_Line.of(line) for line in nfc(page).splitlines()]
    return tuple(stamp for stamp in stamps if any(line.bears(stamp.split()) for line in lines))


@dataclass(frozen=True, slots=True)
class _Line:
    """The words of one line; `apart[n]` says that a sign stands between word n and the one before it."""

    words: tuple[str, ...]
    apart: tuple[bool, ...]

    @classmethod
    def of(cls, line: str) -> _Line:
        found = list(_WORD.finditer(line))
        words = tuple(word[0] for word in found)
        ends = [0, *(word.end() for word in found)]
        apart = tuple(bool(line[end : word.start()].strip()) for end, word in zip(ends, found, strict=False))
        if len(words) > 1 and all(len(word) == 1 for word in words):
            return cls(("".join(words),), (False,))  # letters set apart
        return cls(words, apart)

    def bears(self, stamp: list[str]) -> bool:
        if self.words == ("".join(stamp),):
            return True
        size = len(stamp)
        return any(
            list(self.words[at : at + size]) == stamp and self._stands_alone(at, at + size)
            for at in range(len(self.words) - size + 1)
        )

    def _stands_alone(self, first: int, after: int) -> bool:
        before = first == 0 or self.apart[first] or not _shouts(self.words[first - 1])
        behind = after == len(self.words) or self.apart[after] or not _shouts(self.words[after])
        return before and behind


def _shouts(word: str) -> bool:
    return word.isupper() and word.isalpha()


def is_legacy_font(text: str) -> bool:
    """Whether it looks like TCVN3 or VNI bytes shown as Unicode."""
    return legacy_text.found([text]) is not None
