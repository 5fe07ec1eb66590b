"""Finds personal data in a subject, which stands in lists, books and searches of every recipient: an identity number (12
digits with a province and a century), and words of health, which the law on personal data calls sensitive. In: a subject.
Out: the subject without them, or None where it has none. Pure."""

from __future__ import annotations

import re

from gateway.domain.text import fold, nfc

# Codes of provinces in identity numbers, as given out since 2012.
_PROVINCES = (
    "001 002 004 006 008 010 011 012 014 015 017 019 020 022 024 025 026 027 030 031 033 034 035 036 037 038 040 042 044 "
    "045 046 048 049 051 052 054 056 058 060 062 064 066 067 068 070 072 074 075 077 079 080 082 083 084 086 087 089 091 "
    "092 093 094 095 096"
)
# The fourth digit says sex and century: 0 and 1 the twentieth, 2 and 3 the twenty-first. Digits may stand in groups.
_DIGITS = rf"(?<!\d)(?:{_PROVINCES.replace(' ', '|')})[ .]?[0-3](?:[ .]?\d){{8}}(?!\d)"
# Without accents, as the text is searched: subjects are typed in capitals and without accents too.
_NAMES = r"(?:(?:co|mang) )?(?:so )?(?:cccd|can cuoc(?: cong dan)?|dinh danh(?: ca nhan)?)(?: so)? ?:? ?"
_ILLNESS = r"hiv(?:/aids)?|aids|ung thu|tam than|lao phoi|viem gan|benh an|benh hiem ngheo|nghien ma tuy"
# The name of a hospital, or of a programme against an illness, tells of no person.
_OF_NO_PERSON = r"(?<![\w/])(?<!vien )(?<!khoa )(?<!chong )(?<!chong benh )"
_PERSONAL = re.compile(
    rf"(?:{_NAMES})?{_DIGITS}|(?:(?<!\w)(?:bi|nhiem|mac|benh) ){{0,3}}{_OF_NO_PERSON}(?:{_ILLNESS})(?!\w)"
)
_CLAUSE = re.compile(" ?[,;] ?")


class _Letters(dict[int, str]):
    """Folded form of each letter for `str.translate`, worked out when it is first met; rare scripts are not kept."""

    def __missing__(self, code: int) -> str:
        folded = fold(chr(code))[:1] or " "
        if code < _KEPT_BELOW:
            self[code] = folded
        return folded


_KEPT_BELOW = 0x2000
_LETTERS = _Letters()


def shorter_subject(subject: str) -> str | None:
    """Return the subject without identity numbers and words of health; None for a subject that has none. Clauses behind
    the first that told of them go as a whole."""
    text = " ".join(nfc(subject).split())
    if _without(text) == text:
        return None
    first, *clauses = _CLAUSE.split(text)
    plain_clauses = [clause for clause in clauses if _without(clause) == clause]
    return ", ".join(filter(None, (" ".join(_without(first).split()).rstrip(" :-"), *plain_clauses)))


def _without(text: str) -> str:
    """Return the text without personal data, and without brackets that then stand around nothing."""
    # Letter by letter, so that places in the folded text are those of the text; a space folds to nothing.
    folded = text.translate(_LETTERS)
    plain_clauses, end = "", 0
    for match in _PERSONAL.finditer(folded):
        plain_clauses, end = plain_clauses + text[end : match.start()], match.end()
    return re.sub(r"\( *\)", "", plain_clauses + text[end:]) if end else text
