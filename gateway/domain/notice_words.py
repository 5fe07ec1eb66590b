"""Number of the notice and name of the approver of a recall, update or replacement. The wire has a single text for the
reason, so both are written behind the reason, where a person at any system reads them, and parsed from there. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.fields import CHANGE
from gateway.words import labels

_GAP = "\n"
_NOTICE, _AND, _END = labels.say("change.notice", "vi", number=_GAP, name=_GAP).split(_GAP)
_ALONE, _ALONE_END = labels.say("change.approved", "vi", name=_GAP).split(_GAP)
_LONGEST_NOTICE, _LONGEST_NAME = CHANGE["notice_no"].longest, CHANGE["approved_by"].longest


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Reason, with the number of the notice and the approver's name."""

    reason: str
    notice_no: str | None = None
    approved_by: str | None = None


def write(words: Parts) -> str:
    """Join the parts into one text. A notice's number without an approver is left out: it could not be parsed."""
    if words.notice_no and words.approved_by:
        return f"{words.reason}{_NOTICE}{words.notice_no}{_AND}{words.approved_by}{_END}"
    return f"{words.reason}{_ALONE}{words.approved_by}{_ALONE_END}" if words.approved_by else words.reason


def read(text: str) -> Parts:
    """Parse the text of `write`; any other text is a reason alone."""
    reason, notice, tail = text.removesuffix(_END).rpartition(_NOTICE)
    number, separator, name = tail.partition(_AND)
    if text.endswith(_END) and notice and separator:
        if _fits(number, _LONGEST_NOTICE) and _fits(name, _LONGEST_NAME):
            return Parts(reason=reason, notice_no=number, approved_by=name)
        return Parts(reason=text)
    reason, approval, name = text.removesuffix(_ALONE_END).rpartition(_ALONE)
    if text.endswith(_ALONE_END) and approval and _fits(name, _LONGEST_NAME):
        return Parts(reason=reason, approved_by=name)
    return Parts(reason=text)


def _fits(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and "\n" not in text
