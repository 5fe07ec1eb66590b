"""Which documents go on paper, and what of them does (R6, R7, R21). In: a draft, what its lead file is worth, the agency's
own table. Out: the delivery mode where the sender names none; the files that are printed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from gateway.domain.document import DeliveryMode, Draft, FileItem, FileRole
from gateway.domain.fields import has_bad_characters
from gateway.domain.signatures import LegalValue
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason

# R6 by type of document. What no row names goes over the axis alone.
CLASSES: Mapping[str, DeliveryMode] = MappingProxyType(
    {
        **dict.fromkeys(("giay_moi", "bao_cao"), DeliveryMode.ELECTRONIC),
        "to_trinh": DeliveryMode.BOTH,
    }
)
# R7: of these the letter alone is printed, and what is attached goes over the axis.
_LETTER_ALONE = frozenset({"giay_moi", "bao_cao"})
LONGEST_NOTE = 500


class Means(StrEnum):
    """How a letter on paper was handed over."""

    POST = "post"
    HAND = "hand"
    COURIER = "courier"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """What a person says of a letter that has gone; with `other` means the note names them."""

    on: date
    means: Means
    note: str = ""


def mode_of(draft: Draft, worth: LegalValue | None, own: Mapping[str, DeliveryMode]) -> DeliveryMode:
    """As the sender says; else as the agency's own table says; else nothing follows on paper what has both signatures
    (R21); else as its class says."""
    if draft.delivery_mode is not None:
        return draft.delivery_mode
    key = draft.type_key or ""
    if key in own:
        return own[key]
    if worth is LegalValue.OFFICIAL:
        return DeliveryMode.ELECTRONIC
    return CLASSES.get(key, DeliveryMode.ELECTRONIC)


def printed(draft: Draft, files: Sequence[FileItem]) -> tuple[FileItem, ...]:
    """What goes on paper: never a source; beside a copy that travels, of some classes the letter alone."""
    alone = draft.delivery_mode is DeliveryMode.BOTH and (draft.type_key or "") in _LETTER_ALONE
    roles = (FileRole.LEAD,) if alone else (FileRole.LEAD, FileRole.APPENDIX, FileRole.REFERENCE)
    return tuple(each for each in files if each.role in roles)


def check(said: HandedOver, issued_on: date | None, today: date) -> Verdict:
    """Every broken rule at once."""
    note = said.note.strip()
    broken: list[Reason] = []
    if said.on > today:
        broken.append(reason(ReasonCode.DATE_IN_FUTURE, "/on", given_on=said.on, today_on=today))
    elif issued_on is not None and said.on < issued_on:
        broken.append(reason(ReasonCode.BEFORE_ITS_DATE, "/on", given_on=said.on, least_on=issued_on))
    if said.means is Means.OTHER and not note:
        broken.append(reason(ReasonCode.MISSING, "/note", field="note"))
    if len(note) > LONGEST_NOTE:
        broken.append(
            reason(ReasonCode.TOO_LONG, "/note", field="note", length=len(note), limit=LONGEST_NOTE)
        )
    if has_bad_characters(note):
        broken.append(reason(ReasonCode.BAD_CHARACTERS, "/note", field="note"))
    return Verdict(reasons=tuple(broken))
