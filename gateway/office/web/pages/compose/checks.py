"""The list of checks before a document is sent: every subject with ✓, ! or ✗ and the sentences behind it, what must be
confirmed, and what was sent under the same number. In: `recheck.Checked`. Out: what part 4 shows. Pure but for words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.document import Draft, OutgoingDocument
from gateway.domain.wall_clock import local
from gateway.office.web.pages.compose import fields
from gateway.office.web.visit import Visit
from gateway.outgoing.recheck import Checked
from gateway.policy.verdict import ASKED, CONFIRMABLE, Reason, ReasonCode
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.office.web.pages.compose.editor import Sheet

SUBJECTS = ("head", "secrecy", "files", "signature", "recipients", "number")
_SECRECY = frozenset(
    {
        *(ReasonCode.SECRECY_DECLARED, ReasonCode.FORBIDDEN_CATEGORY),
        *(ReasonCode.SENSITIVE_WORD, ReasonCode.SECRECY_STAMP),
    }
)
_SIGNATURE = frozenset(
    {
        *(ReasonCode.UNSIGNED_LEAD, ReasonCode.SIGNATURE_INVALID),
        *(ReasonCode.SIGNATURE_UNCHECKED, ReasonCode.NO_PERSON_SIGNATURE),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One subject: `good`, `warn` or `bad`; `said` are (field id, sentence)."""

    subject: str
    mark: str
    said: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`confirm` are (code, sentence) that the sender may answer for; `asks` are (sentence, id) about what was sent before
    and looks like this. `allowed`: nothing else stands against it."""

    lines: tuple[Line, ...]
    allowed: bool
    count: int
    draft: Draft
    confirm: tuple[tuple[str, str], ...] = ()
    asks: tuple[tuple[str, str], ...] = ()


def told(visit: Visit, checked: Checked, sheet: Sheet) -> Told:
    asked = [each for each in _all(checked) if each.code in CONFIRMABLE]
    reasons = [each for each in checked.verdict.reasons if each.code not in CONFIRMABLE]
    told_apart = CONFIRMABLE | ASKED
    warnings = [each for each in checked.verdict.warnings if each.code not in told_apart]
    asks = _asks(visit, checked)
    return Told(
        lines=tuple(_line(visit, subject, reasons, warnings, asked, asks) for subject in SUBJECTS),
        allowed=not reasons,
        count=len(checked.draft.recipients),
        draft=checked.draft,
        confirm=tuple({each.code.value: _words(visit, each) for each in asked}.items()),
        asks=asks,
    )


def problems(visit: Visit, checked: Checked) -> list[tuple[str, str]]:
    """What stands against it, each with the field it is about."""
    return [said(visit, each) for each in checked.verdict.reasons]


def said(visit: Visit, reason: Reason) -> tuple[str, str]:
    return fields.place_of(reason.pointer), _words(visit, reason)


def _all(checked: Checked) -> Sequence[Reason]:
    return (*checked.verdict.reasons, *checked.verdict.warnings)


def _line(
    visit: Visit,
    subject: str,
    reasons: Sequence[Reason],
    warnings: Sequence[Reason],
    asked: Sequence[Reason],
    asks: Sequence[tuple[str, str]],
) -> Line:
    against = [said(visit, each) for each in reasons if _subject(each) == subject]
    beside = [said(visit, each) for each in (*warnings, *asked) if _subject(each) == subject]
    if subject == "number":
        beside += [("again", text) for text, _ in asks]
    mark = "bad" if against else "warn" if beside else "good"
    return Line(subject=subject, mark=mark, said=(*against, *beside))


def _subject(reason: Reason) -> str:
    if reason.code is ReasonCode.NUMBER_TAKEN:
        return "number"
    if reason.code in _SECRECY:
        return "secrecy"
    if reason.code in _SIGNATURE:
        return "signature"
    first = reason.pointer.removeprefix("/").partition("/")[0]
    if first in ("files", "pages"):
        return "files"
    return "recipients" if first == "recipients" else "head"


def _words(visit: Visit, reason: Reason) -> str:
    return labels.reason_text(reason.code, reason.params, visit.lang, suggest=reason.suggest)


def must_ask(checked: Checked) -> bool:
    """Whether something that was sent before looks like this."""
    return bool(checked.earlier) or any(each.code in ASKED for each in checked.verdict.warnings)


def _asks(visit: Visit, checked: Checked) -> tuple[tuple[str, str], ...]:
    """Under the same identity; under the same number with another date; the same file under another number."""
    twins = [(_twin(visit, each), each.id) for each in checked.earlier[:1]]
    again = [each for each in checked.verdict.warnings if each.code in ASKED]
    return (*twins, *((_words(visit, each), each.params.get("earlier", "")) for each in again))


def _twin(visit: Visit, earlier: OutgoingDocument) -> str:
    """The contract's words for a document that was sent before."""
    said = earlier.draft
    on = said.issued_on.strftime("%d/%m/%Y") if said.issued_on else ""
    at = local(earlier.packed_at or earlier.created_at).strftime("%H:%M %d/%m/%Y")
    return visit.say("compose.twin", code=said.code, date=on, time=at)
