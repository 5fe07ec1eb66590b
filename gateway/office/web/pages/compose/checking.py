"""What stands against sending a draft: the list of checks before it is sent, every subject with the sentences behind it,
what must be confirmed, and what was sent before and looks like this; and what is left to do as far as it is known while
somebody still writes. In: `CheckedDraft`; a draft with the recipients that the page shows. Out: what a page says of it,
each with its place on the page. Pure but for the words."""

from __future__ import annotations

from collections.abc import Sequence
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
    """`confirm` are (code, sentences) that the sender may answer for; `asks` are (sentence, id) about what was sent before
    and looks like this. `allowed`: nothing else stands against it."""

    lines: tuple[CheckLine, ...]
    allowed: bool
    count: int
    draft: Draft
    confirm: tuple[tuple[str, tuple[str, ...]], ...] = ()
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


def _to_confirm(visit: Visit, asked: Sequence[Reason]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """One tick for each kind of question, with every sentence of that kind."""
    sentences: dict[str, list[str]] = {}
    for reason in asked:
        sentences.setdefault(reason.code.value, []).append(_reason_words(visit, reason))
    return tuple((code, tuple(lines)) for code, lines in sentences.items())


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


_NAMES = {"title": "signer_title", "reply-yes": "reply"}


def left(
    visit: Visit,
    draft: Draft,
    document: OutgoingDocument | None,
    shown: Sequence[ShownRecipient],
    checked: CheckedDraft | None,
) -> list[tuple[str, str]]:
    """What still stands against sending, as far as it is known without reading the files anew: its place on the page and
    its short name."""
    profile = visit.deps.out.profile
    bare = replace(draft, recipients=())
    verdict = rules.check(bare, (), (), profile, visit.deps.out.today(), own_codes=())
    reasons = [*verdict.reasons, *(checked.verdict.reasons if checked else ())]
    found: dict[str, str] = {}
    if document is None or all(each.role is not FileRole.LEAD for each in document.files):
        found["files"] = visit.say("compose.left.lead")
    for each in reasons:
        first = each.pointer.removeprefix("/").partition("/")[0]
        if first not in ("recipients", "files") and each.code not in CONFIRMABLE:
            place = fields.place_of(each.pointer) or "van-ban"
            found.setdefault(place, _named(visit, place))
    for name, _ in document.doubts if document else ():
        place = {"recipients": "noi-nhan"}.get(name, name)
        found.setdefault(place, _named(visit, place))
    if not shown:
        found["find"] = visit.say("compose.part.3")
    found |= {f"to-{n}": each.name or each.code for n, each in enumerate(shown) if each.is_asked}
    return list(found.items())


def _named(visit: Visit, place: str) -> str:
    if place == "noi-nhan":
        return visit.say("compose.part.3")
    return visit.say_or(f"compose.{_NAMES.get(place, place)}", visit.say("compose.check.head"))
