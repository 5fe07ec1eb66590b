"""Reads and prints agency codes in the forms of Decision 20/2020 (root first, `Z91.07.12`) and of QCVN 102
(deepest level first, `000.12.07.Z91`). In: text. Out: `AgencyCode`, or `BadCode` that says what is wrong.
Pure. It may propose the same unit's code in the other form, but never decides that the two are one unit: the
registry's table does (R77); only the all-zero level-1 form is exact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

MAX_LENGTH = 35  # R75
_NEW = re.compile(r"[A-Z][0-9]{2}(?:\.[A-Z0-9]+)*")
_OLD = re.compile(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}")
_SHORT = re.compile(r"(?:[0-9]{2}\.){1,2}[A-Z][0-9]{2}")
_OLD_WIDTHS = (2, 2, 3)  # digits of levels 2, 3 and 4 in the form of QCVN 102


class BadCode(ValueError):
    """The text is not an agency code; the sentence says what was expected and what to do."""


class CodeForm(StrEnum):
    """Which document defines the form: the two run in opposite directions."""

    NEW = "qd20"
    OLD = "qcvn102"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyCode:
    """One valid code. `groups` run root first in both forms; `str()` prints it in its own form."""

    form: CodeForm
    groups: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The code exactly as written: capitals, no spaces. The short old form (`07.Z91`) is completed with zeros."""
        if len(text) > MAX_LENGTH:
            raise BadCode(
                f"agency code of {len(text)} characters: at most {MAX_LENGTH} are allowed; check {text[:50]!r}"
            )
        if _NEW.fullmatch(text):
            return cls(form=CodeForm.NEW, groups=tuple(text.split(".")))
        if _OLD.fullmatch(text) or _SHORT.fullmatch(text):
            return cls(form=CodeForm.OLD, groups=_padded(tuple(reversed(text.split(".")))))
        raise BadCode(
            f"{text!r} is not an agency code: expected a letter and two digits, then groups after dots (Z91.07.12),"
            f" or the form of QCVN 102 (000.12.07.Z91){_advice(text)}"
        )

    def __str__(self) -> str:
        if self.form is CodeForm.NEW:
            return ".".join(self.groups)
        return ".".join(reversed(self.groups))

    @property
    def level(self) -> int:
        """1 for a ministry or province; for the old form the deepest level whose group is not all zeros."""
        if self.form is CodeForm.NEW:
            return len(self.groups)
        return max(n for n, group in enumerate(self.groups, 1) if group.strip("0") or n == 1)

    @property
    def root(self) -> str:
        """The level-1 group: the ministry or province."""
        return self.groups[0]

    @property
    def parent(self) -> AgencyCode | None:
        """The code one level up, of the new form only: units of the old form were renumbered, so its table decides."""
        if self.form is CodeForm.OLD or len(self.groups) == 1:
            return None
        return AgencyCode(form=CodeForm.NEW, groups=self.groups[:-1])

    @property
    def short(self) -> str:
        """As some systems write the old form: without leading groups of zeros."""
        if self.form is CodeForm.NEW:
            return str(self)
        return ".".join(reversed(self.groups[: self.level]))


def propose_new(old: AgencyCode) -> AgencyCode | None:
    """What the old form usually became (rules 14.1). A proposal: units were renumbered, so the table decides, except
    for level 1. None where zeros stand between the levels, which the usual mapping does not explain."""
    if old.form is not CodeForm.OLD:
        return None
    used = old.groups[: old.level]
    if not all(group.strip("0") for group in used[1:]):
        return None
    return AgencyCode(form=CodeForm.NEW, groups=used)


def fold_code(text: str) -> str:
    """The key under which codes are compared for search, routing and display: trimmed, letter case ignored."""
    return text.strip().casefold()


def _padded(groups: tuple[str, ...]) -> tuple[str, ...]:
    zeros = tuple("0" * width for width in _OLD_WIDTHS)
    return groups + zeros[len(groups) - 1 :]


def _advice(text: str) -> str:
    trimmed = text.strip().upper()
    if trimmed != text and (_NEW.fullmatch(trimmed) or _OLD.fullmatch(trimmed)):
        return f"; write it as {trimmed}"
    return ""
