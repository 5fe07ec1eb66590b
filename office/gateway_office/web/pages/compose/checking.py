"""Reasons against sending a draft: the list of checks before it is sent, every subject with the sentences behind it, the
points to confirm, and earlier documents that look like this one; and the open points while a person still writes. In:
`CheckedDraft`; a draft with the recipients that the page shows. Out: sentences, each with its place on the page. Pure but
for the words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.domain.document import Draft, FileRole, OutgoingDocument
from gateway.domain.wall_clock import local
from gateway.outgoing.drafting import CheckedDraft
from gateway.policy import outgoing as rules
from gateway.policy.verdict import CONFIRMABLE, TO_CONFIRM, Reason, ReasonCode
from gateway.words import labels
from gateway.words.legal import basis_of_codes
from gateway_office.web.dates import day_text
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.compose import fields
from gateway_office.web.pages.compose.addressing import ShownRecipient

CHECK_SUBJECTS = ("head", "secrecy", "files", "signature", "recipients", "number")
_SECRECY = frozenset(
    {
        ReasonCode.SECRECY_DECLARED,
        ReasonCode.FORBIDDEN_CATEGORY,
        ReasonCode.SENSITIVE_WORD,
        ReasonCode.SUBJECT_PERSONAL,
        ReasonCode.SECRECY_STAMP,
    }
)
_SIGNATURE = frozenset(
    {
        ReasonCode.UNSIGNED_LEAD,
        ReasonCode.SIGNATURE_INVALID,
        ReasonCode.SIGNATURE_UNCHECKED,
        ReasonCode.NO_PERSON_SIGNATURE,
        ReasonCode.SEAL_OTHER,
        ReasonCode.SEAL_UNKNOWN,
        ReasonCode.SEAL_UNREGISTERED,
        ReasonCode.SIGNATORY_UNKNOWN,
        ReasonCode.SIGNATORY_ENDED,
        ReasonCode.SIGNER_OTHER,
    }
)


# One subject; `good`, `warn` or `bad`; and its sentences: (field id, sentence).
CheckLine = tuple[str, str, Problems]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckList:
    """Checks as the page shows them. `bases` are the articles behind the sentences of a subject. `confirm` are (id, code,
    sentences) that the sender may answer for; `asks` are (sentence, id) on earlier documents that look like this one.
    `allowed`: no other reason stands against it."""

    lines: tuple[CheckLine, ...]
    bases: Mapping[str, str]
    allowed: bool
    count: int
    draft: Draft
    confirm: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    asks: tuple[tuple[str, str], ...] = ()


def make_check_list(request: PageRequest, checked: CheckedDraft) -> CheckList:
    to_confirm = [r for r in (*checked.verdict.reasons, *checked.verdict.warnings) if r.code in CONFIRMABLE]
    reasons = [r for r in checked.verdict.reasons if r.code not in CONFIRMABLE]
    listed_elsewhere = CONFIRMABLE | TO_CONFIRM
    warnings = [r for r in checked.verdict.warnings if r.code not in listed_elsewhere]
    asks = _twin_questions(request, checked)
    return CheckList(
        lines=tuple(
            _check_line(request, subject, reasons, warnings, to_confirm, asks) for subject in CHECK_SUBJECTS
        ),
        bases=_bases(request, [*reasons, *warnings, *to_confirm]),
        allowed=not reasons,
        count=len(checked.draft.recipients),
        draft=checked.draft,
        confirm=_to_confirm(request, to_confirm),
        asks=asks,
    )


def _bases(request: PageRequest, reasons: Sequence[Reason]) -> Mapping[str, str]:
    """Return the articles that the reasons of each subject rest on."""
    return {
        subject: basis_of_codes((r.code for r in reasons if _subject_of(r) == subject), request.lang)
        for subject in CHECK_SUBJECTS
    }


def confirm_id(n: int, code: ReasonCode) -> str:
    return f"confirm-{code}" if n else "confirm"


def _to_confirm(
    request: PageRequest, to_confirm: Sequence[Reason]
) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Make one tick for each kind of question, with every sentence of that kind."""
    sentences: dict[ReasonCode, list[str]] = {}
    for reason in to_confirm:
        sentences.setdefault(reason.code, []).append(_reason_words(request, reason))
    numbered = enumerate(sentences.items())
    return tuple((confirm_id(n, code), code.value, tuple(lines)) for n, (code, lines) in numbered)


def reason_line(request: PageRequest, reason: Reason) -> tuple[str, str]:
    return fields.place_of(reason.pointer), _reason_words(request, reason)


def _check_line(
    request: PageRequest,
    subject: str,
    reasons: Sequence[Reason],
    warnings: Sequence[Reason],
    to_confirm: Sequence[Reason],
    asks: Sequence[tuple[str, str]],
) -> CheckLine:
    against = [reason_line(request, r) for r in reasons if _subject_of(r) == subject]
    remarks = [reason_line(request, r) for r in (*warnings, *to_confirm) if _subject_of(r) == subject]
    if subject == "number":
        remarks += [("again", text) for text, _ in asks]
    mark = "bad" if against else "warn" if remarks else "good"
    return subject, mark, [*against, *remarks]


def _subject_of(reason: Reason) -> str:
    if reason.code is ReasonCode.NUMBER_IN_USE:
        return "number"
    if reason.code in _SECRECY:
        return "secrecy"
    if reason.code in _SIGNATURE:
        return "signature"
    first = reason.pointer.removeprefix("/").partition("/")[0]
    if first in ("files", "pages"):
        return "files"
    return "recipients" if first == "recipients" else "head"


def _reason_words(request: PageRequest, reason: Reason) -> str:
    return labels.reason_text(reason.code, reason.params, request.lang, suggest=reason.suggest)


def must_ask(checked: CheckedDraft) -> bool:
    """Tell whether an earlier document looks like this one."""
    return bool(checked.earlier) or any(reason.code in TO_CONFIRM for reason in checked.verdict.warnings)


def _twin_questions(request: PageRequest, checked: CheckedDraft) -> tuple[tuple[str, str], ...]:
    """List documents under the same identity; under the same number with another date; with the same file under another
    number."""
    twins = [(_twin_sentence(request, earlier), earlier.id) for earlier in checked.earlier[:1]]
    same_file = [r for r in checked.verdict.warnings if r.code in TO_CONFIRM]
    return (*twins, *((_reason_words(request, r), r.params.get("earlier", "")) for r in same_file))


def _twin_sentence(request: PageRequest, earlier: OutgoingDocument) -> str:
    """Write the contract's sentence for a document that was sent before."""
    draft = earlier.draft
    on = day_text(draft.issued_on)
    at = local(earlier.packed_at or earlier.created_at).strftime("%H:%M %d/%m/%Y")
    return request.say("compose.twin", code=draft.code, date=on, time=at)


def open_points(
    request: PageRequest,
    draft: Draft,
    document: OutgoingDocument | None,
    rows: Sequence[ShownRecipient],
    checked: CheckedDraft | None,
    ticked: Collection[str] | None,
) -> list[tuple[str, str]]:
    """List the reasons against sending: place on the page and short name. `ticked` are the confirmed points beside the
    checks; None where they are not shown yet."""
    bare = replace(draft, recipients=())
    verdict = rules.check(bare, (), (), request.deps.out.profile, request.deps.out.today(), own_codes=())
    of_fields = [r for r in verdict.reasons if not r.pointer.startswith(("/recipients", "/files"))]
    reasons = [*of_fields, *(checked.verdict.reasons if checked else ())]
    open_points: dict[str, str] = {}
    if document is None or all(f.role is not FileRole.LEAD for f in document.files):
        open_points["files"] = request.say("compose.left.lead")
    if not rows:
        open_points["find"] = request.say("compose.part.3")
    open_points |= {f"to-{n}": row.name or row.code for n, row in enumerate(rows) if row.is_asked}
    for reason in reasons:
        place = fields.place_of(reason.pointer) or "van-ban"
        if reason.code not in CONFIRMABLE:
            open_points.setdefault(place, _place_name(request, place))
    for name, _ in document.doubts if document else ():
        place = {"recipients": fields.RECIPIENTS_PART}.get(name, name)
        open_points.setdefault(place, _place_name(request, place))
    if checked is not None:
        open_points |= dict.fromkeys(_unticked(checked, ticked), request.say("compose.left.confirm"))
    return list(open_points.items())


def _unticked(checked: CheckedDraft, ticked: Collection[str] | None) -> list[str]:
    """List the ids of the points that the sender must still confirm."""
    codes = [reason.code for reason in checked.verdict.reasons if reason.code in CONFIRMABLE]
    tick_ids = {code.value: confirm_id(n, code) for n, code in enumerate(dict.fromkeys(codes))}
    if must_ask(checked):
        tick_ids["again"] = "again"
    if ticked is None:
        return ["to-check"] if tick_ids else []
    return [id for name, id in tick_ids.items() if name not in ticked]


def _place_name(request: PageRequest, place: str) -> str:
    first = place.partition("-")[0]
    if place == fields.RECIPIENTS_PART or first in ("to", "find"):
        return request.say("compose.part.3")
    if first in ("file", "files"):
        return request.say("compose.part.1")
    return fields.name_of(place, request.lang) or request.say("compose.check.head")
