"""What stands against sending a draft: the list of checks before it is sent, every subject with the sentences behind it,
what must be confirmed, and what was sent before and looks like this; and what is left to do while somebody still
writes. In: `CheckedDraft`; a draft with the recipients that the page shows. Out: what a page says of it,
each with its place on the page. Pure but for the words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from gateway.domain.document import Draft, FileRole, OutgoingDocument
from gateway.domain.wall_clock import local
from gateway.office.web.dates import day_text
from gateway.office.web.forms import Problems
from gateway.office.web.pages.compose import fields
from gateway.office.web.pages.compose.addressing import ShownRecipient
from gateway.office.web.visits import Visit
from gateway.outgoing.drafting import CheckedDraft
from gateway.policy import outgoing as rules
from gateway.policy.verdict import ASKED, CONFIRMABLE, Reason, ReasonCode
from gateway.words import labels

CHECK_SUBJECTS = ("head", "secrecy", "files", "signature", "recipients", "number")
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


# One subject; `good`, `warn` or `bad`; and what is said of it: (field id, sentence).
CheckLine = tuple[str, str, Problems]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksTold:
    """`confirm` are (id, code, sentences) that the sender may answer for; `asks` are (sentence, id) about what was sent
    before and looks like this. `allowed`: nothing else stands against it."""

    lines: tuple[CheckLine, ...]
    allowed: bool
    count: int
    draft: Draft
    confirm: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    asks: tuple[tuple[str, str], ...] = ()


def checks_told(visit: Visit, checked: CheckedDraft) -> ChecksTold:
    asked = [
        each for each in (*checked.verdict.reasons, *checked.verdict.warnings) if each.code in CONFIRMABLE
    ]
    reasons = [each for each in checked.verdict.reasons if each.code not in CONFIRMABLE]
    told_apart = CONFIRMABLE | ASKED
    warnings = [each for each in checked.verdict.warnings if each.code not in told_apart]
    asks = _earlier_asked(visit, checked)
    return ChecksTold(
        lines=tuple(
            _check_line(visit, subject, reasons, warnings, asked, asks) for subject in CHECK_SUBJECTS
        ),
        allowed=not reasons,
        count=len(checked.draft.recipients),
        draft=checked.draft,
        confirm=_to_confirm(visit, asked),
        asks=asks,
    )


def confirm_id(n: int, code: ReasonCode) -> str:
    return f"confirm-{code}" if n else "confirm"


def _to_confirm(visit: Visit, asked: Sequence[Reason]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """One tick for each kind of question, with every sentence of that kind."""
    sentences: dict[ReasonCode, list[str]] = {}
    for reason in asked:
        sentences.setdefault(reason.code, []).append(_reason_words(visit, reason))
    numbered = enumerate(sentences.items())
    return tuple((confirm_id(n, code), code.value, tuple(lines)) for n, (code, lines) in numbered)


def reason_said(visit: Visit, reason: Reason) -> tuple[str, str]:
    return fields.place_of(reason.pointer), _reason_words(visit, reason)


def _check_line(
    visit: Visit,
    subject: str,
    reasons: Sequence[Reason],
    warnings: Sequence[Reason],
    asked: Sequence[Reason],
    asks: Sequence[tuple[str, str]],
) -> CheckLine:
    against = [reason_said(visit, each) for each in reasons if _subject_of(each) == subject]
    beside = [reason_said(visit, each) for each in (*warnings, *asked) if _subject_of(each) == subject]
    if subject == "number":
        beside += [("again", text) for text, _ in asks]
    mark = "bad" if against else "warn" if beside else "good"
    return subject, mark, [*against, *beside]


def _subject_of(reason: Reason) -> str:
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


def _reason_words(visit: Visit, reason: Reason) -> str:
    return labels.reason_text(reason.code, reason.params, visit.lang, suggest=reason.suggest)


def must_ask(checked: CheckedDraft) -> bool:
    """Whether something that was sent before looks like this."""
    return bool(checked.earlier) or any(each.code in ASKED for each in checked.verdict.warnings)


def _earlier_asked(visit: Visit, checked: CheckedDraft) -> tuple[tuple[str, str], ...]:
    """Under the same identity; under the same number with another date; the same file under another number."""
    twins = [(_twin(visit, each), each.id) for each in checked.earlier[:1]]
    again = [each for each in checked.verdict.warnings if each.code in ASKED]
    return (*twins, *((_reason_words(visit, each), each.params.get("earlier", "")) for each in again))


def _twin(visit: Visit, earlier: OutgoingDocument) -> str:
    """The contract's words for a document that was sent before."""
    said = earlier.draft
    on = day_text(said.issued_on)
    at = local(earlier.packed_at or earlier.created_at).strftime("%H:%M %d/%m/%Y")
    return visit.say("compose.twin", code=said.code, date=on, time=at)


def left(
    visit: Visit,
    draft: Draft,
    document: OutgoingDocument | None,
    shown: Sequence[ShownRecipient],
    checked: CheckedDraft | None,
    ticked: Collection[str] | None,
) -> list[tuple[str, str]]:
    """Everything that stands against sending: its place on the page and its short name. `ticked` is what was confirmed
    beside the checks; None where they are not shown yet."""
    bare = replace(draft, recipients=())
    verdict = rules.check(bare, (), (), visit.deps.out.profile, visit.deps.out.today(), own_codes=())
    of_fields = [each for each in verdict.reasons if not each.pointer.startswith(("/recipients", "/files"))]
    reasons = [*of_fields, *(checked.verdict.reasons if checked else ())]
    found: dict[str, str] = {}
    if document is None or all(each.role is not FileRole.LEAD for each in document.files):
        found["files"] = visit.say("compose.left.lead")
    if not shown:
        found["find"] = visit.say("compose.part.3")
    found |= {f"to-{n}": each.name or each.code for n, each in enumerate(shown) if each.is_asked}
    for each in reasons:
        place = fields.place_of(each.pointer) or "van-ban"
        if each.code not in CONFIRMABLE:
            found.setdefault(place, _named(visit, place))
    for name, _ in document.doubts if document else ():
        place = {"recipients": "noi-nhan"}.get(name, name)
        found.setdefault(place, _named(visit, place))
    if checked is not None:
        found |= dict.fromkeys(_unticked(checked, ticked), visit.say("compose.left.confirm"))
    return list(found.items())


def _unticked(checked: CheckedDraft, ticked: Collection[str] | None) -> list[str]:
    """The ids of what the sender must answer for and has not."""
    asked = [each.code for each in checked.verdict.reasons if each.code in CONFIRMABLE]
    wanted = {code.value: confirm_id(n, code) for n, code in enumerate(dict.fromkeys(asked))}
    if must_ask(checked):
        wanted["again"] = "again"
    if ticked is None:
        return ["to-check"] if wanted else []
    return [id for name, id in wanted.items() if name not in ticked]


def _named(visit: Visit, place: str) -> str:
    first = place.partition("-")[0]
    if place == "noi-nhan" or first in ("to", "find"):
        return visit.say("compose.part.3")
    if first in ("file", "files"):
        return visit.say("compose.part.1")
    return fields.name_of(place, visit.lang) or visit.say("compose.check.head")
