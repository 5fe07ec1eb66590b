"""Says whether a document may leave, and a change after it; who would hear of it; and what of it goes on paper. In:
the draft, its files with what they were found to be, the directory's answer for each recipient, the profile and
today's date; a change with the document it acts on. Out: a `Verdict` with every broken rule, each at its JSON
pointer. Pure.

Updates, recalls and replacements are R70 and R71; whether a request is still open is `domain.status.open_request`.
That a recipient has no certificate or no route only warns, for one may come tomorrow. What goes on paper (R6, R7,
R21) is the sender's to say, else the agency's own table, else that of the document's class."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

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
from gateway.domain.fields import CHANGE, DRAFT, FIELDS, FIRST_DAY, LAST_DAY, has_bad_characters
from gateway.domain.registry import AgencyEntry, CodeStanding, Resolution, RowSource
from gateway.domain.signatures import FileFacts, LegalValue
from gateway.domain.text import nfc
from gateway.domain.wall_clock import local
from gateway.policy import first_page
from gateway.policy.door import (
    check_declared,
    judge_file,
    never_stored,
    over_limit,
    secrecy_stamps,
    unread_rest,
)
from gateway.policy.profile import Profile
from gateway.policy.texts import broken_fields, long_lists, odd_subject
from gateway.policy.verdict import CONFIRMABLE, NOTHING, Reason, ReasonCode, Verdict, reason
from gateway.words import labels
from gateway.words.reading import ANSWERS, NUMBER_LABEL

_TYPES = frozenset(labels.say(f"type.{key}").casefold() for key in labels.tails("type"))
_NUMBERS = [each for each in FIELDS if each.holds is int]
_DAYS = [each for each in FIELDS if each.holds in (date, datetime)]


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
    """Every rule at once. `resolutions[i]` answers for `draft.recipients[i]`; `own_codes` are the sender's code and
    aliases; `today` is the date in Asia/Ho_Chi_Minh. What the sender `confirmed` only warns, where it may be confirmed."""
    # A recipient without a name has a code.
    codes_wanted = [f"/recipients/{n}/code" for n, each in enumerate(draft.recipients) if not each.name]
    reasons = (
        *broken_fields(DRAFT, draft, wanted=codes_wanted),
        *long_lists(draft),
        *_numbers(draft),
        *_odd_days(draft),
        *_times(draft, profile, today),
    )
    head = Verdict.of(reasons, [*_head_warnings(draft, profile, today)])
    declared = check_declared(draft.secrecy, draft.category, profile)
    stamped = Verdict.asking(_stamped(files, profile), confirmed)
    recipients = _recipients(draft, resolutions, own_codes, confirmed)
    unlinked = Verdict.of((), [*_unlinked_reply(draft, files)])
    return head + declared + recipients + _files(draft, files, profile) + stamped + unlinked


_ANSWERED = re.compile(
    rf"(?<!\w)(?:{'|'.join(ANSWERS)}) (?:[^\W\d]+ ){{0,6}}{NUMBER_LABEL} ?:? ?(\d{{1,6}}[a-z]? ?/ ?[\w&./-]*\w)",
    re.IGNORECASE,
)


def _unlinked_reply(draft: Draft, files: Sequence[tuple[FileItem, FileFacts]]) -> Iterator[Reason]:
    """A document that says which one it answers, and has no link to it: whoever asked goes on waiting."""
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
) -> Verdict:
    """Ask about a lead file that is probably of another document; one difference warns. A change warns alone: it carries
    what it is about, under the number of what it changes."""
    lead = next((facts for item, facts in files if item.role is FileRole.LEAD), None)
    if lead is None or kind is Kind.RECALL:
        return NOTHING
    differences = first_page.judge_sent(lead.page_fields, draft)
    if kind is Kind.UPDATE or any(one.code not in CONFIRMABLE for one in differences):
        return Verdict(warnings=differences)
    return Verdict.asking(differences, confirmed)


def never_kept(draft: Draft, change: DocumentChange | None = None) -> Verdict:
    """What is not even stored as a draft: texts and lists that are too long, characters that nobody can write, dates that
    no office has."""
    reasons = [*broken_fields(DRAFT, draft), *long_lists(draft), *_odd_days(draft)]
    if change is not None:
        reasons += [*broken_fields(CHANGE, change), *long_lists(change)]
    return never_stored(Verdict(reasons=tuple(reasons)))


def _numbers(draft: Draft) -> Iterator[Reason]:
    for each in _NUMBERS:
        value, least, most = getattr(draft, each.attribute), each.rule.least, each.rule.most
        if value is not None and not least <= value <= most:
            told = {"field": each.name, "value": value, "least": least, "most": most}
            yield reason(ReasonCode.OUT_OF_RANGE, f"/{each.name}", **told)


def _odd_days(draft: Draft) -> Iterator[Reason]:
    """Days before and after all that an office dates; no clock can tell the time of some of them elsewhere."""
    days = [(f"/{each.name}", getattr(draft, each.attribute)) for each in _DAYS]
    days += [(f"/replies_to/{n}/date", link.date) for n, link in enumerate(draft.replies_to)]
    for pointer, at in days:
        # As it was written: of an odd time the day elsewhere cannot be told.
        day = at.date() if isinstance(at, datetime) else at
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            yield _odd_day(pointer, day, LAST_DAY)


def _odd_day(pointer: str, day: date, last: date) -> Reason:
    name = pointer.rsplit("/", 1)[-1]
    return reason(ReasonCode.DATE_ODD, pointer, field=name, given_on=day, least_on=FIRST_DAY, most_on=last)


def _times(draft: Draft, profile: Profile, today: date) -> Iterator[Reason]:
    if draft.issued_on is None:
        yield reason(ReasonCode.MISSING, "/date", field="date")
    elif draft.issued_on > today:
        yield reason(ReasonCode.DATE_IN_FUTURE, "/date", given_on=draft.issued_on, today_on=today)
    if draft.signed_at is not None and FIRST_DAY <= draft.signed_at.date() <= LAST_DAY:
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
    if len(written := "".join(draft.symbol.split())) < len(draft.symbol):
        yield reason(ReasonCode.SYMBOL_SPACED, "/symbol", given=draft.symbol, suggest=written)
    if draft.type_name and " ".join(draft.type_name.casefold().split()) not in _TYPES:
        yield reason(ReasonCode.TYPE_UNKNOWN, "/type", name=draft.type_name)
    if draft.reply_required and draft.reply_due is None:
        yield reason(ReasonCode.REPLY_DUE_MISSING, "/reply_due")
    if draft.reply_required and draft.reply_due is not None and draft.reply_due < today:
        yield reason(ReasonCode.DUE_PASSED, "/reply_due", field="reply_due", given_on=draft.reply_due)
    if draft.due_at is not None and draft.due_at.date() < today:
        yield reason(ReasonCode.DUE_PASSED, "/due_at", field="due_at", given_on=draft.due_at.date())


def _recipients(
    draft: Draft,
    resolutions: Sequence[Resolution],
    own_codes: Collection[str],
    confirmed: Collection[str],
) -> Verdict:
    if not draft.recipients:
        return Verdict(reasons=(reason(ReasonCode.MISSING, "/recipients", field="recipients"),))
    own = {code.strip().casefold() for code in own_codes}
    seen: set[str] = set()
    verdict = NOTHING
    for n, recipient in enumerate(draft.recipients):
        pointer = f"/recipients/{n}/code"
        resolution = resolutions[n] if n < len(resolutions) else None
        entry = resolution.entry if resolution is not None else None
        code = (entry.code if entry is not None else recipient.code).strip()
        reasons = []
        if code.casefold() in own:
            reasons.append(reason(ReasonCode.RECIPIENT_SELF, pointer, recipient=code))
        if code and code.casefold() in seen:
            reasons.append(reason(ReasonCode.RECIPIENT_TWICE, pointer, recipient=code))
        seen.add(code.casefold())
        standing = _standing(recipient, resolution, pointer, bool(code), confirmed)
        verdict += Verdict.of(reasons) + standing
    return verdict


_STANDS_AGAINST = {
    CodeStanding.UNKNOWN: ReasonCode.RECIPIENT_UNKNOWN,
    CodeStanding.CLOSED: ReasonCode.RECIPIENT_CLOSED,
    CodeStanding.UNCERTAIN: ReasonCode.RECIPIENT_UNCERTAIN,
}


def _standing(
    recipient: Recipient,
    resolution: Resolution | None,
    pointer: str,
    has_code: bool,
    confirmed: Collection[str],
) -> Verdict:
    """Only an imported or synced row refuses or redirects; where starter rows alone speak it warns, and asks about a code
    that they call closed (R48). A name that led to no code is always refused: there is nowhere to send to."""
    given = recipient.code or recipient.name or ""
    if not given.strip():
        # Named as missing by the fields already.
        return NOTHING
    if resolution is None:
        return Verdict(reasons=(reason(ReasonCode.RECIPIENT_UNKNOWN, pointer, recipient=given),))
    code = _STANDS_AGAINST.get(resolution.standing)
    if code is None:
        return NOTHING
    suggest = _heirs(resolution) if resolution.standing is CodeStanding.CLOSED else resolution.nearest
    entry = resolution.entry
    told = {"recipient": resolution.query or given, "name": entry.name if entry is not None else ""}
    if entry is not None and entry.valid_to is not None:
        told["closed_on"] = entry.valid_to.isoformat()
    broken = reason(code, pointer, suggest=suggest, **told)
    may_refuse = resolution.may_refuse or not has_code
    if resolution.standing is CodeStanding.CLOSED and not may_refuse:
        return Verdict.asking([replace(broken, code=ReasonCode.RECIPIENT_CLOSED_STARTER)], confirmed)
    return Verdict(reasons=(broken,)) if may_refuse else Verdict(warnings=(broken,))


def _heirs(resolution: Resolution) -> str | None:
    """The successor; of a split where a person chooses, each of those that took over (R83)."""
    if resolution.successor is None and resolution.ending is not None and resolution.ending.heirs:
        return ", ".join(resolution.ending.heirs)
    return resolution.successor or resolution.nearest


def _files(draft: Draft, files: Sequence[tuple[FileItem, FileFacts]], profile: Profile) -> Verdict:
    verdict = NOTHING
    for position, (item, facts) in enumerate(files):
        verdict += judge_file(item.name, facts, profile, f"/files/{position}")
    total = sum(facts.size for _, facts in files)
    reasons = [*_lead(draft, files, profile)]
    largest = max(files, key=lambda pair: pair[1].size)[0].name if files else ""
    if (over := over_limit(largest, 0, total, profile, "/files", whole=True)) is not None:
        reasons.append(over)
    return verdict + Verdict.of(reasons, [*_file_warnings(draft, files)])


def _stamped(files: Sequence[tuple[FileItem, FileFacts]], profile: Profile) -> Iterator[Reason]:
    """R2: words on a page never refuse alone. They ask, and the sender's word is enough."""
    for n, (item, facts) in enumerate(files):
        if item.role is FileRole.LEAD:
            yield from secrecy_stamps(item.name, facts, profile, f"/files/{n}")


def _lead(draft: Draft, files: Sequence[tuple[FileItem, FileFacts]], profile: Profile) -> Iterator[Reason]:
    """The original of what goes on paper alone is the paper; the node need not have a file of it."""
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
            yield from unread_rest(item.name, facts, f"/files/{n}")
        if is_lead and draft.pages is not None and facts.pages is not None and draft.pages != facts.pages:
            yield reason(
                ReasonCode.PAGES_DIFFER, "/pages", name=item.name, stated=draft.pages, found=facts.pages
            )


_PARENTS = (Kind.DOCUMENT, Kind.REPLACEMENT)


def check_change(
    change: DocumentChange, kind: Kind, parent: OutgoingDocument, replacement: Draft | None = None
) -> Verdict:
    """Every rule the change breaks. `replacement` is the new draft when the kind carries one; its own rules are
    `policy.outgoing`'s."""
    # A recall names the leader who approved it and the number of its notice (ND30 18.4b).
    wanted = ("/approved_by", "/notice_no") if kind is Kind.RECALL else ()
    reasons = [
        *broken_fields(CHANGE, change, wanted=wanted),
        *long_lists(change),
        *_parent(change, kind, parent),
    ]
    if kind is Kind.UPDATE:
        reasons += _update(change, parent)
    if replacement is not None and replacement.delivery_mode is DeliveryMode.PAPER:
        reasons.append(reason(ReasonCode.CHANGE_ON_PAPER, "/delivery_mode"))
    if kind is Kind.REPLACEMENT and replacement is not None:
        # It is a document of its own; the same number and date would give it the DocumentId that it replaces.
        old = parent.draft
        if (replacement.code, replacement.issued_on) == (old.code, old.issued_on):
            reasons.append(reason(ReasonCode.REPLACES_ITSELF, "/number", document=old.code))
    return Verdict(reasons=tuple(reasons))


def _parent(change: DocumentChange, kind: Kind, parent: OutgoingDocument) -> Iterator[Reason]:
    if parent.kind not in _PARENTS:
        yield reason(ReasonCode.PARENT_IS_CHANGE, "", kind=parent.kind)
    if parent.is_sealed and kind is not Kind.RECALL:
        yield reason(ReasonCode.PARENT_SEALED, "", document=parent.draft.code)
    if parent.state is OutState.PAPER:
        yield reason(ReasonCode.PARENT_ON_PAPER, "", document=parent.draft.code)
    elif parent.state is not OutState.PACKED and (kind, parent.state) != (Kind.RECALL, OutState.CANCELLED):
        # What was cancelled in doubt may have arrived: its deliveries say whom a recall can ask.
        yield reason(ReasonCode.PARENT_NOT_SENT, "", state=parent.state)
    if change.target is not None and change.target != parent.document_id:
        yield reason(ReasonCode.TARGET_DIFFERS, "/target", given=change.target, expected=parent.document_id)


def _update(change: DocumentChange, parent: OutgoingDocument) -> Iterator[Reason]:
    if not change.information_changed and not change.receivers_changed:
        yield reason(ReasonCode.NOTHING_CHANGED, "")
    if change.receivers_changed and not (change.receivers_added or change.receivers_removed):
        yield reason(ReasonCode.MISSING, "/receivers_added", field="receivers_added")
    known = {recipient.code.casefold() for recipient in parent.draft.recipients}
    for n, code in enumerate(change.receivers_added):
        if code.casefold() in known:
            yield reason(ReasonCode.RECIPIENT_TWICE, f"/receivers_added/{n}", recipient=code)
    for n, code in enumerate(change.receivers_removed):
        if code.casefold() not in known:
            yield reason(ReasonCode.RECIPIENT_UNKNOWN, f"/receivers_removed/{n}", recipient=code, name="")


# So many names stand in a warning.
_NAMED = 3
_ADDRESSED = (CodeStanding.ACTIVE, CodeStanding.MAPPED)


def addressed(answers: Sequence[Resolution]) -> Sequence[AgencyEntry]:
    """The agencies that mail would go to; whoever is unknown or closed is told of by the rules for recipients."""
    return [entry for _, entry in _each(answers)]


def warnings_of_registry(answers: Sequence[Resolution], bound: Collection[str]) -> Iterator[Reason]:
    """`bound` are the codes for which a confirmed certificate speaks: what comes from others is not taken as theirs."""
    for pointer, entry in _each(answers):
        told = {"recipient": entry.code, "name": entry.name}
        if entry.source is RowSource.STARTER:
            yield reason(ReasonCode.RECIPIENT_STARTER, pointer, **told)
        if entry.code not in bound:
            yield reason(ReasonCode.RECIPIENT_UNBOUND, pointer, **told)


def asked_of_axis(recipients: Sequence[Recipient], unhosted: Collection[str]) -> Iterator[Reason]:
    """`recipients` as they would be addressed; `unhosted` are the codes that no node receives for."""
    for n, each in enumerate(recipients):
        if each.code in unhosted:
            yield reason(
                ReasonCode.RECIPIENT_UNHOSTED,
                f"/recipients/{n}/code",
                recipient=each.code,
                name=each.name or "",
            )


def warnings_of_loss(draft: Draft, lossy: Collection[str]) -> Iterator[Reason]:
    """`lossy` are the codes whose mail goes by an axis that writes every file anew: what the file has no place for does
    not reach them."""
    there = [each for each in draft.recipients if each.code in lossy]
    if not there:
        return
    names = ", ".join(each.name or each.code for each in there[:_NAMED])
    told = {"name": f"{names}…" if len(there) > _NAMED else names}
    if draft.reply_required and draft.reply_due is None:
        yield reason(ReasonCode.AXIS_LOSES, "/reply_required", field="reply_required", **told)
    if draft.urgency is Urgency.TIMED_EXPRESS:
        yield reason(ReasonCode.AXIS_LOSES, "/due_at", field="due_at", **told)
    if any(each.role is not RecipientRole.TO_ACT for each in there):
        yield reason(ReasonCode.AXIS_LOSES, "/recipients", field="recipients", **told)


def _each(answers: Sequence[Resolution]) -> Iterator[tuple[str, AgencyEntry]]:
    for n, answer in enumerate(answers):
        if answer.entry is not None and answer.standing in _ADDRESSED:
            yield f"/recipients/{n}/code", answer.entry


# R6 by type of document. What no row names goes over the axis alone.
PAPER_CLASSES: Mapping[str, DeliveryMode] = MappingProxyType(
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


def delivery_mode_of(draft: Draft, worth: LegalValue | None, own: Mapping[str, DeliveryMode]) -> DeliveryMode:
    """As the sender says; else as the agency's own table says; else nothing follows on paper what has both signatures
    (R21); else as its class says."""
    if draft.delivery_mode is not None:
        return draft.delivery_mode
    key = draft.type_key or ""
    if key in own:
        return own[key]
    if worth is LegalValue.OFFICIAL:
        return DeliveryMode.ELECTRONIC
    return PAPER_CLASSES.get(key, DeliveryMode.ELECTRONIC)


def printed_files(draft: Draft, files: Sequence[FileItem]) -> tuple[FileItem, ...]:
    """What goes on paper: never a source; beside a copy that travels, of some classes the letter alone."""
    alone = draft.delivery_mode is DeliveryMode.BOTH and (draft.type_key or "") in _LETTER_ALONE
    roles = (FileRole.LEAD,) if alone else (FileRole.LEAD, FileRole.APPENDIX, FileRole.REFERENCE)
    return tuple(each for each in files if each.role in roles)


def check_handed_over(said: HandedOver, issued_on: date | None, today: date) -> Verdict:
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
