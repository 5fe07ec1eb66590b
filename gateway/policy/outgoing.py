"""Decides whether a document, or a change to a sent one, may leave; which recipients would get it; and which of its
files go on paper. In: the draft, its files with their facts, the directory's answer for each recipient, the profile and
today's date; a change with the document it acts on. Out: a `Verdict` with every broken rule, each at its JSON pointer.
Pure.

Updates, recalls and replacements follow R70 and R71 (changes after sending); whether a request is still open is
`domain.status.open_request`. A recipient without certificate or route only warns, because one may come tomorrow. Files
on paper (R6, R7, R21) are chosen by the sender, else by the agency's own table, else by the document's class."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

from gateway.domain.agency_profile import PAPER_TYPES
from gateway.domain.document import (
    DeliveryMode,
    DocumentChange,
    Draft,
    FileItem,
    FileRole,
    Kind,
    OutgoingDocument,
    OutState,
    Recipient,
    RecipientRole,
    Urgency,
)
from gateway.domain.fields import CHANGE, DRAFT, FIELDS, has_bad_characters
from gateway.domain.pdf import FirstPage
from gateway.domain.registry import AgencyEntry, CodeStanding, Resolution, RowSource
from gateway.domain.signatures import ORIGINALS, FileFacts, FileVerdict, LegalValue, SignerRole
from gateway.domain.text import nfc
from gateway.domain.wall_clock import FIRST_DAY, LAST_DAY, is_in_span, local
from gateway.policy import first_page
from gateway.policy.admission import (
    check_declared,
    judge_file,
    never_stored,
    over_limit,
    secrecy_stamps,
    unread_part,
)
from gateway.policy.profile import Profile, told_by
from gateway.policy.texts import broken_fields, long_lists, odd_subject
from gateway.policy.verdict import CONFIRMABLE, NOTHING, Reason, ReasonCode, Verdict, reason
from gateway.words import labels
from gateway.words.reading import ANSWERS, NUMBER_LABEL

_TYPES = frozenset(labels.say(f"type.{key}").casefold() for key in labels.tails("type"))
_NUMBERS = [f for f in FIELDS if f.holds is int]
_DAYS = [f for f in FIELDS if f.holds in (date, datetime)]
_ANSWERED = re.compile(
    rf"(?<!\w)(?:{'|'.join(ANSWERS)}) (?:[^\W\d]+ ){{0,6}}{NUMBER_LABEL} ?:? ?(\d{{1,6}}[a-z]? ?/ ?[\w&./-]*\w)",
    re.IGNORECASE,
)
_STANDS_AGAINST = {
    CodeStanding.UNKNOWN: ReasonCode.RECIPIENT_UNKNOWN,
    CodeStanding.CLOSED: ReasonCode.RECIPIENT_CLOSED,
    CodeStanding.UNCERTAIN: ReasonCode.RECIPIENT_UNCERTAIN,
}
_PARENTS = (Kind.DOCUMENT, Kind.REPLACEMENT)
# Most names listed in a warning.
_MOST_NAMES = 3
_ADDRESSED = (CodeStanding.ACTIVE, CodeStanding.MAPPED)
# R6 (paper copy) by type of document. Types that are not listed go over the axis alone.
PAPER_CLASSES: Mapping[str, DeliveryMode] = MappingProxyType(
    {
        **dict.fromkeys(("giay_moi", "bao_cao"), DeliveryMode.ELECTRONIC),
        "to_trinh": DeliveryMode.BOTH,
    }
)
# R7 (letter alone): for these types only the letter is printed; attachments go over the axis.
_LETTER_ALONE = frozenset({"giay_moi", "bao_cao"})
LONGEST_NOTE = 500


def check(
    draft: Draft,
    files: Sequence[tuple[FileItem, FileFacts]],
    resolutions: Sequence[Resolution],
    profile: Profile,
    today: date,
    *,
    own_codes: Collection[str],
    confirmed: Collection[str] = (),
) -> Verdict:
    """Check a document by every rule. `resolutions[i]` answers for `draft.recipients[i]`; `own_codes` are the sender's
    code and aliases; `today` is the date in Asia/Ho_Chi_Minh. Reason codes in `confirmed` only warn, where they may be
    confirmed."""
    # A recipient without a name must have a code.
    required_codes = [f"/recipients/{n}/code" for n, r in enumerate(draft.recipients) if not r.name]
    reasons = (
        *broken_fields(DRAFT, draft, required=required_codes),
        *long_lists(draft),
        *_number_reasons(draft),
        *_odd_days(draft),
        *_time_reasons(draft, profile, today),
    )
    head = Verdict.make(reasons, [*_head_warnings(draft, profile, today)])
    declared = check_declared(draft.secrecy, draft.category, profile)
    stamped = Verdict.asking(_stamp_reasons(files, profile), confirmed)
    recipients = _check_recipients(draft, resolutions, own_codes, confirmed)
    unlinked = Verdict.make((), [*_unlinked_reply(draft, files)])
    return head + declared + recipients + _check_files(draft, files, profile) + stamped + unlinked


def _unlinked_reply(draft: Draft, files: Sequence[tuple[FileItem, FileFacts]]) -> Iterator[Reason]:
    """Warn where a document names the one that it answers but is not linked to it, because the asker would go on
    waiting."""
    if draft.replies_to:
        return
    pages = (facts.first_page for item, facts in files if item.role is FileRole.LEAD)
    for text in (draft.subject, *pages):
        answered = _ANSWERED.search(" ".join(nfc(text).split()))
        if answered is not None:
            yield reason(ReasonCode.REPLY_UNLINKED, "/replies_to", text="".join(answered[1].split()))
            return


def check_first_page(
    draft: Draft,
    files: Sequence[tuple[FileItem, FileFacts]],
    kind: Kind,
    confirmed: Collection[str],
    *,
    is_numbered: bool = False,
) -> Verdict:
    """Ask about a lead file that is probably of another document; a single difference warns, unless it is of the number.
    An update only warns, because its file may carry the number of the document that it changes; a recall is not checked.
    With `is_numbered` the node gives the numbers and the page is signed: it goes under its own number, or not at all."""
    page = lead_page(files)
    if page is None or kind is Kind.RECALL:
        return NOTHING
    if is_numbered and kind.is_whole and page.number and first_page.names_another(page, draft):
        printed = "/".join(filter(None, (page.number, page.symbol)))
        params = {"page": printed, "text": draft.code}
        fixed = reason(ReasonCode.PAGE_NUMBERED, "/number", suggest=page.number, **params)
        return Verdict(reasons=(fixed,))
    differences = first_page.judge_sent(page, draft)
    if kind is Kind.UPDATE or any(difference.code not in CONFIRMABLE for difference in differences):
        return Verdict(warnings=differences)
    return Verdict.asking(differences, confirmed)


def check_sealed_number(
    files: Sequence[tuple[FileItem, FileFacts]], kind: Kind, verdict: FileVerdict | None
) -> Verdict:
    """Refuse a sealed lead file on whose first page the place of the number is blank: its recipients would see a document
    without one, and nothing can be written on it any more."""
    page = lead_page(files)
    is_sealed = verdict is not None and any(signer.role is SignerRole.AGENCY for signer in verdict.signers)
    if page is None or not page.is_unnumbered or not is_sealed or not kind.is_whole:
        return NOTHING
    return Verdict(reasons=(reason(ReasonCode.PAGE_UNNUMBERED, "/files"),))


def lead_page(files: Sequence[tuple[FileItem, FileFacts]]) -> FirstPage | None:
    """Return what was surely read on the first page of the lead file."""
    return next((facts.page_fields for item, facts in files if item.role is FileRole.LEAD), None)


def assumed_answers(draft: Draft, files: Sequence[tuple[FileItem, FileFacts]]) -> tuple[ReasonCode, ...]:
    """Return the questions that are answered for a program which cannot be asked, and noted with its document. Another
    number on the page, another signer and a person who was not competent are surely known, and refused."""
    is_other = first_page.names_another(lead_page(files), draft)
    page = () if is_other else (ReasonCode.FIRST_PAGE_OTHER,)
    return (ReasonCode.SIGNATORY_UNKNOWN, ReasonCode.SIGNED_REUSED, *page)


def check_kept(draft: Draft, change: DocumentChange | None = None) -> Verdict:
    """Return the rules that refuse even a draft: texts and lists that are too long, characters that no form can hold,
    impossible dates."""
    reasons = [*broken_fields(DRAFT, draft), *long_lists(draft), *_odd_days(draft)]
    if change is not None:
        reasons += [*broken_fields(CHANGE, change), *long_lists(change)]
    return never_stored(Verdict(reasons=tuple(reasons)))


def _number_reasons(draft: Draft) -> Iterator[Reason]:
    for field in _NUMBERS:
        value, least, most = getattr(draft, field.attribute), field.rule.least, field.rule.most
        if value is not None and not least <= value <= most:
            params = {"field": field.name, "value": value, "least": least, "most": most}
            yield reason(ReasonCode.OUT_OF_RANGE, f"/{field.name}", **params)


def _odd_days(draft: Draft) -> Iterator[Reason]:
    """Refuse dates outside those that an office uses; some of them no clock can convert."""
    days = [(f"/{field.name}", getattr(draft, field.attribute)) for field in _DAYS]
    days += [(f"/replies_to/{n}/date", link.date) for n, link in enumerate(draft.replies_to)]
    for pointer, at in days:
        # The written day is checked, because an odd time cannot be converted to Vietnam's clock.
        day = at.date() if isinstance(at, datetime) else at
        if day is not None and not is_in_span(day):
            yield _odd_day(pointer, day, LAST_DAY)


def _odd_day(pointer: str, day: date, last: date) -> Reason:
    name = pointer.rsplit("/", 1)[-1]
    return reason(ReasonCode.DATE_ODD, pointer, field=name, given_on=day, least_on=FIRST_DAY, most_on=last)


def _time_reasons(draft: Draft, profile: Profile, today: date) -> Iterator[Reason]:
    if draft.issued_on is None:
        yield reason(ReasonCode.MISSING, "/date", field="date")
    elif draft.issued_on > today:
        yield reason(ReasonCode.DATE_IN_FUTURE, "/date", given_on=draft.issued_on, today_on=today)
    if draft.signed_at is not None and is_in_span(draft.signed_at.date()):
        signed_on = local(draft.signed_at).date()
        if signed_on > today:
            yield _odd_day("/signed_at", signed_on, today)
    if draft.urgency is Urgency.TIMED_EXPRESS and draft.due_at is None:
        yield reason(ReasonCode.DUE_AT_MISSING, "/due_at")
    if draft.urgency is Urgency.TIMED_EXPRESS and not profile.timed_express:
        yield reason(ReasonCode.TIMED_EXPRESS_OFF, "/urgency", suggest=Urgency.EXPRESS.key)
    if draft.reply_required is None:
        yield reason(ReasonCode.MISSING, "/reply_required", field="reply_required")
    elif draft.reply_due is not None and not draft.reply_required:
        yield reason(ReasonCode.REPLY_DUE_WITHOUT_REPLY, "/reply_due")


def _head_warnings(draft: Draft, profile: Profile, today: date) -> Iterator[Reason]:
    yield from odd_subject(draft.subject, profile, "/subject")
    if len(unspaced := "".join(draft.symbol.split())) < len(draft.symbol):
        yield reason(ReasonCode.SYMBOL_SPACED, "/symbol", given=draft.symbol, suggest=unspaced)
    if draft.type_name and " ".join(draft.type_name.casefold().split()) not in _TYPES:
        yield reason(ReasonCode.TYPE_UNKNOWN, "/type", name=draft.type_name)
    if draft.reply_required and draft.reply_due is None:
        yield reason(ReasonCode.REPLY_DUE_MISSING, "/reply_due")
    if draft.reply_required and draft.reply_due is not None and draft.reply_due < today:
        yield reason(ReasonCode.DUE_PASSED, "/reply_due", field="reply_due", given_on=draft.reply_due)
    if draft.due_at is not None and draft.due_at.date() < today:
        yield reason(ReasonCode.DUE_PASSED, "/due_at", field="due_at", given_on=draft.due_at.date())


def _check_recipients(
    draft: Draft,
    resolutions: Sequence[Resolution],
    own_codes: Collection[str],
    confirmed: Collection[str],
) -> Verdict:
    if not draft.recipients:
        return Verdict(reasons=(reason(ReasonCode.MISSING, "/recipients", field="recipients"),))
    own = {code.strip().casefold() for code in own_codes}
    used_codes: set[str] = set()
    verdict = NOTHING
    for n, recipient in enumerate(draft.recipients):
        pointer = f"/recipients/{n}/code"
        resolution = resolutions[n] if n < len(resolutions) else None
        entry = resolution.entry if resolution is not None else None
        code = (entry.code if entry is not None else recipient.code).strip()
        reasons = []
        if code.casefold() in own:
            reasons.append(reason(ReasonCode.RECIPIENT_SELF, pointer, recipient=code))
        if code and code.casefold() in used_codes:
            reasons.append(reason(ReasonCode.RECIPIENT_TWICE, pointer, recipient=code))
        used_codes.add(code.casefold())
        standing = _check_standing(recipient, resolution, pointer, bool(code), confirmed)
        verdict += Verdict.make(reasons) + standing
    return verdict


def _check_standing(
    recipient: Recipient,
    resolution: Resolution | None,
    pointer: str,
    has_code: bool,
    confirmed: Collection[str],
) -> Verdict:
    """Judge the recipient's code. Only an imported or synced row refuses or redirects; a starter row warns, or asks
    about a code that it calls closed (R48, starter rows). A name without a code is always refused: it has no address."""
    address = recipient.code or recipient.name or ""
    if not address.strip():
        # The field rules report a missing address already.
        return NOTHING
    if resolution is None:
        return Verdict(reasons=(reason(ReasonCode.RECIPIENT_UNKNOWN, pointer, recipient=address),))
    code = _STANDS_AGAINST.get(resolution.standing)
    if code is None:
        return NOTHING
    suggest = _heirs(resolution) if resolution.standing is CodeStanding.CLOSED else resolution.nearest
    entry = resolution.entry
    if entry is not None and entry.has_no_code and resolution.standing is CodeStanding.UNCERTAIN:
        code = ReasonCode.RECIPIENT_WITHOUT_CODE
    params = {"recipient": resolution.query or address, "name": entry.name if entry is not None else ""}
    if entry is not None and entry.valid_to is not None:
        params["closed_on"] = entry.valid_to.isoformat()
    broken = reason(code, pointer, suggest=suggest, **params)
    may_refuse = resolution.may_refuse or not has_code
    if resolution.standing is CodeStanding.CLOSED and not may_refuse:
        return Verdict.asking([replace(broken, code=ReasonCode.RECIPIENT_CLOSED_STARTER)], confirmed)
    return Verdict(reasons=(broken,)) if may_refuse else Verdict(warnings=(broken,))


def check_sender(resolution: Resolution) -> Verdict:
    """Refuse documents of an agency whose own code has ended, by a row that may refuse: its certificates ended with the
    code, and no other will ever be bound to it (K1, bindings)."""
    if resolution.standing is not CodeStanding.CLOSED or not resolution.may_refuse:
        return NOTHING
    return Verdict(
        reasons=(reason(ReasonCode.SENDER_CLOSED, suggest=_heirs(resolution), sender=resolution.query),)
    )


def _heirs(resolution: Resolution) -> str | None:
    """Return the successor; after a split without one, all heirs, between which a person chooses (R83, closed
    recipients)."""
    if resolution.successor is None and resolution.ending is not None and resolution.ending.heirs:
        return ", ".join(resolution.ending.heirs)
    return resolution.successor or resolution.nearest


def _check_files(draft: Draft, files: Sequence[tuple[FileItem, FileFacts]], profile: Profile) -> Verdict:
    verdict = NOTHING
    for position, (item, facts) in enumerate(files):
        verdict += judge_file(item.name, facts, profile, f"/files/{position}")
    total = sum(facts.size for _, facts in files)
    reasons = [*_leads(draft, files, profile)]
    largest = max(files, key=lambda pair: pair[1].size)[0].name if files else ""
    if (excess := over_limit(largest, 0, total, profile, "/files", complete=True)) is not None:
        reasons.append(excess)
    return verdict + Verdict.make(reasons, [*_file_warnings(draft, files)])


def _stamp_reasons(files: Sequence[tuple[FileItem, FileFacts]], profile: Profile) -> Iterator[Reason]:
    """Yield a question about each secrecy stamp on the lead file (R2): words alone never refuse, and the sender may
    confirm."""
    for n, (item, facts) in enumerate(files):
        if item.role is FileRole.LEAD:
            yield from secrecy_stamps(item.name, facts, profile, f"/files/{n}")


def _leads(draft: Draft, files: Sequence[tuple[FileItem, FileFacts]], profile: Profile) -> Iterator[Reason]:
    """Check the lead file. For a document that goes on paper alone, the paper is the original and no file is needed."""
    leads = [(n, pair) for n, pair in enumerate(files) if pair[0].role is FileRole.LEAD]
    least = 0 if draft.delivery_mode is DeliveryMode.PAPER else 1
    if not least <= len(leads) <= 1:
        yield reason(ReasonCode.LEAD_COUNT, "/files", found=len(leads))
    for n, (item, facts) in leads:
        if facts.found_type not in profile.lead_types:
            yield reason(
                ReasonCode.LEAD_TYPE,
                f"/files/{n}",
                name=item.name,
                type=facts.found_type,
                allowed=", ".join(sorted(profile.lead_types)),
            )


def _file_warnings(draft: Draft, files: Sequence[tuple[FileItem, FileFacts]]) -> Iterator[Reason]:
    roles = {item.role for item, _ in files}
    if FileRole.LEAD in roles and FileRole.SOURCE not in roles:
        yield reason(ReasonCode.NO_SOURCE, "/files")
    for n, (item, facts) in enumerate(files):
        is_lead = item.role is FileRole.LEAD
        if is_lead:
            yield from unread_part(item.name, facts, f"/files/{n}")
        if is_lead and draft.pages is not None and facts.pages is not None and draft.pages != facts.pages:
            yield reason(
                ReasonCode.PAGES_DIFFER, "/pages", name=item.name, stated=draft.pages, found=facts.pages
            )


def check_change(
    change: DocumentChange, kind: Kind, parent: OutgoingDocument, replacement: Draft | None = None
) -> Verdict:
    """Return every rule that the change breaks. `replacement` is the new draft where the kind carries one; `check`
    judges the draft's own rules."""
    # A recall must name the leader who approved it and the number of its notice (decree 30/2020, article 18.4b).
    required = ("/approved_by", "/notice_no") if kind is Kind.RECALL else ()
    reasons = [
        *broken_fields(CHANGE, change, required=required),
        *long_lists(change),
        *_parent_reasons(change, kind, parent),
    ]
    if kind is Kind.UPDATE:
        reasons += _update_reasons(change, parent)
    if replacement is not None and replacement.delivery_mode is DeliveryMode.PAPER:
        reasons.append(reason(ReasonCode.CHANGE_ON_PAPER, "/delivery_mode"))
    if kind is Kind.REPLACEMENT and replacement is not None:
        # With the same number and date it would get the DocumentId that it replaces.
        old = parent.draft
        if (replacement.code, replacement.issued_on) == (old.code, old.issued_on):
            reasons.append(reason(ReasonCode.REPLACES_ITSELF, "/number", document=old.code))
    return Verdict(reasons=tuple(reasons))


def _parent_reasons(change: DocumentChange, kind: Kind, parent: OutgoingDocument) -> Iterator[Reason]:
    if parent.kind not in _PARENTS:
        yield reason(ReasonCode.PARENT_IS_CHANGE, "", kind=parent.kind)
    if parent.is_sealed and kind is not Kind.RECALL:
        yield reason(ReasonCode.PARENT_SEALED, "", document=parent.draft.code)
    if parent.state is OutState.PAPER:
        yield reason(ReasonCode.PARENT_ON_PAPER, "", document=parent.draft.code)
    elif parent.state is not OutState.PACKED and (kind, parent.state) != (Kind.RECALL, OutState.CANCELLED):
        # A document cancelled in doubt may have arrived; its deliveries tell which recipients a recall can ask.
        yield reason(ReasonCode.PARENT_NOT_SENT, "", state=parent.state)
    if change.target is not None and change.target != parent.document_id:
        yield reason(ReasonCode.TARGET_DIFFERS, "/target", given=change.target, expected=parent.document_id)


def _update_reasons(change: DocumentChange, parent: OutgoingDocument) -> Iterator[Reason]:
    if not change.information_changed and not change.receivers_changed:
        yield reason(ReasonCode.NOTHING_CHANGED, "")
    if change.receivers_changed and not (change.receivers_added or change.receivers_removed):
        yield reason(ReasonCode.MISSING, "/receivers_added", field="receivers_added")
    recipient_codes = {recipient.code.casefold() for recipient in parent.draft.recipients}
    for n, code in enumerate(change.receivers_added):
        if code.casefold() in recipient_codes:
            yield reason(ReasonCode.RECIPIENT_TWICE, f"/receivers_added/{n}", recipient=code)
    for n, code in enumerate(change.receivers_removed):
        if code.casefold() not in recipient_codes:
            yield reason(ReasonCode.RECIPIENT_UNKNOWN, f"/receivers_removed/{n}", recipient=code, name="")


def addressed_agencies(answers: Sequence[Resolution]) -> Sequence[AgencyEntry]:
    """Return the agencies that mail would go to; other rules report unknown and closed recipients."""
    return [entry for _, entry in _addressed_entries(answers)]


def warnings_of_registry(answers: Sequence[Resolution], bound: Collection[str]) -> Iterator[Reason]:
    """Warn of recipients from starter rows and of unbound codes. `bound` are the codes with a confirmed certificate; a
    recipient without one cannot sign."""
    for pointer, entry in _addressed_entries(answers):
        params = {"recipient": entry.code, "name": entry.name}
        if entry.source is RowSource.STARTER:
            yield reason(ReasonCode.RECIPIENT_STARTER, pointer, **params)
        if entry.code not in bound:
            yield reason(ReasonCode.RECIPIENT_UNBOUND, pointer, **params)


def unhosted_reasons(recipients: Sequence[Recipient], unhosted: Collection[str]) -> Iterator[Reason]:
    """Yield a reason for each recipient whose code is `unhosted`, which means that no node receives for it."""
    for n, recipient in enumerate(recipients):
        if recipient.code in unhosted:
            yield reason(
                ReasonCode.RECIPIENT_UNHOSTED,
                f"/recipients/{n}/code",
                recipient=recipient.code,
                name=recipient.name or "",
            )


def warnings_of_loss(draft: Draft, lossy: Collection[str]) -> Iterator[Reason]:
    """Warn of fields that get lost. `lossy` are the codes whose mail goes by an axis that rewrites every file into a
    format without these fields."""
    affected = [recipient for recipient in draft.recipients if recipient.code in lossy]
    if not affected:
        return
    names = ", ".join(recipient.name or recipient.code for recipient in affected[:_MOST_NAMES])
    params = {"name": f"{names}…" if len(affected) > _MOST_NAMES else names}
    if draft.reply_required and draft.reply_due is None:
        yield reason(ReasonCode.AXIS_LOSES, "/reply_required", field="reply_required", **params)
    if draft.urgency is Urgency.TIMED_EXPRESS:
        yield reason(ReasonCode.AXIS_LOSES, "/due_at", field="due_at", **params)
    if any(recipient.role is not RecipientRole.TO_ACT for recipient in affected):
        yield reason(ReasonCode.AXIS_LOSES, "/recipients", field="recipients", **params)


def _addressed_entries(answers: Sequence[Resolution]) -> Iterator[tuple[str, AgencyEntry]]:
    for n, answer in enumerate(answers):
        if answer.entry is not None and answer.standing in _ADDRESSED:
            yield f"/recipients/{n}/code", answer.entry


class Means(StrEnum):
    """Ways to hand over a letter on paper."""

    POST = "post"
    HAND = "hand"
    COURIER = "courier"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Record of handing over a letter on paper, as a person enters it; for `other` the note describes the way."""

    on: date
    means: Means
    note: str = ""


def delivery_mode_of(draft: Draft, worth: LegalValue | None, profile: Profile) -> DeliveryMode:
    """Return the delivery mode: the sender's, else the agency's own; else electronic for a document with both signatures
    (R21, legal value); else that of its class."""
    if draft.delivery_mode is not None:
        return draft.delivery_mode
    key = draft.type_key or ""
    if key in profile.paper_too:
        return DeliveryMode.BOTH
    if key in profile.delivery_modes:
        return profile.delivery_modes[key]
    if worth in ORIGINALS:
        return DeliveryMode.ELECTRONIC
    return PAPER_CLASSES.get(key, DeliveryMode.ELECTRONIC)


def paper_reasons(draft: Draft, profile: Profile) -> Iterator[Reason]:
    """Yield a note where the agency's own list sends the document on paper too."""
    if (draft.type_key or "") in profile.paper_too and draft.delivery_mode is DeliveryMode.BOTH:
        yield reason(ReasonCode.PAPER_TOO, "/delivery_mode", **told_by(profile, PAPER_TYPES))


def printed_files(draft: Draft, files: Sequence[FileItem]) -> tuple[FileItem, ...]:
    """Return the files to print: never a source; beside an electronic copy, for some classes the letter alone."""
    alone = draft.delivery_mode is DeliveryMode.BOTH and (draft.type_key or "") in _LETTER_ALONE
    roles = (FileRole.LEAD,) if alone else (FileRole.LEAD, FileRole.APPENDIX, FileRole.REFERENCE)
    return tuple(file for file in files if file.role in roles)


def check_handed_over(handover: Handover, issued_on: date | None, today: date) -> Verdict:
    """Return every broken rule of a handover on paper."""
    note = handover.note.strip()
    broken: list[Reason] = []
    if handover.on > today:
        broken.append(reason(ReasonCode.DATE_IN_FUTURE, "/on", given_on=handover.on, today_on=today))
    elif issued_on is not None and handover.on < issued_on:
        broken.append(reason(ReasonCode.BEFORE_ITS_DATE, "/on", given_on=handover.on, least_on=issued_on))
    if handover.means is Means.OTHER and not note:
        broken.append(reason(ReasonCode.MISSING, "/note", field="note"))
    if len(note) > LONGEST_NOTE:
        broken.append(
            reason(ReasonCode.TOO_LONG, "/note", field="note", length=len(note), limit=LONGEST_NOTE)
        )
    if has_bad_characters(note):
        broken.append(reason(ReasonCode.BAD_CHARACTERS, "/note", field="note"))
    return Verdict(reasons=tuple(broken))
