"""Finds the one spelling nearest to what somebody wrote. In: the text and a bounded list of candidates. Out: the
candidate within a small edit distance, or None when there is none or several are equally near: an offer must not
be a guess. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_uppercase, digits

_LETTERS = ascii_uppercase + digits + "."  # what a code may hold (R75)


def nearest(text: str, candidates: Iterable[str], limit: int) -> str | None:
    """The only candidate with the smallest distance to `text`, at most `limit` edits away."""
    best: str | None = None
    best_distance, tied = limit + 1, False
    for candidate in candidates:
        distance = edits(text, candidate, min(limit, best_distance))
        if distance < best_distance:
            best, best_distance, tied = candidate, distance, False
        elif distance == best_distance <= limit and candidate != best:
            tied = True
    return None if tied else best


def one_slip(code: str) -> set[str]:
    """Every text of code letters one edit away from `code`; a few thousand at most, each an exact question."""
    cuts = [(code[:at], code[at:]) for at in range(len(code) + 1)]
    dropped = {left + right[1:] for left, right in cuts if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
    replaced = {left + letter + right[1:] for left, right in cuts if right for letter in _LETTERS}
    inserted = {left + letter + right for left, right in cuts for letter in _LETTERS}
    return (dropped | swapped | replaced | inserted) - {code}


def edits(left: str, right: str, limit: int) -> int:
    """How many letters must be inserted, deleted, replaced or swapped with their neighbour; more than `limit` is
    answered as `limit` + 1, so far texts cost little."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    above = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            cost = min(above[column] + 1, current[-1] + 1, above[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        if min(current) > limit and min(above) > limit:
            return limit + 1
        before, above = above, current
    return min(above[-1], limit + 1)
