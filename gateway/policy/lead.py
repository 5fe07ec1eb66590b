"""May this document leave as its lead file is signed (R19, R20, R22, R23)? In: the verdict on the lead file, the
recipients' roles, the profile. Out: a `Verdict`. Pure. A copy needs no person's signature (R25); what is sent only to be
known needs none at all; what cannot be told now stops nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.domain.document import FileItem, FileRole, Recipient, RecipientRole
from gateway.domain.files import FileFacts
from gateway.domain.signatures import FileVerdict, LegalValue, RoleRule, Word
from gateway.policy.pdf_verdict import OPEN, OWN_FAULTS, agency_word, judge, legal_value
from gateway.policy.profile import Profile
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason


def judged(files: Sequence[tuple[FileItem, FileFacts]], rules: Sequence[RoleRule]) -> tuple[FileVerdict, ...]:
    """The verdict on every file whose signatures were read, under the file's number."""
    return tuple(
        judge(item.name, item.n, facts.signatures, rules)
        for item, facts in files
        if facts.signatures is not None
    )


def lead_of(
    verdicts: Sequence[FileVerdict], files: Sequence[tuple[FileItem, FileFacts]]
) -> FileVerdict | None:
    """The verdict on the lead file; None where it is no PDF."""
    leads = {item.n for item, _ in files if item.role is FileRole.LEAD}
    return next((each for each in verdicts if each.n in leads), None)


def check(lead: FileVerdict | None, recipients: Sequence[Recipient], profile: Profile) -> Verdict:
    """Refuses or warns as the profile says; a lead file that is no PDF is another rule's."""
    if lead is None:
        return Verdict()
    pointer = f"/files/{lead.n - 1}"
    broken, asked = tuple(_broken(lead, pointer)), tuple(_doubts(lead, pointer))
    only_to_know = all(each.role is RecipientRole.TO_KNOW for each in recipients)
    if profile.unsigned_lead == "refuse" and not only_to_know:
        return Verdict(reasons=broken, warnings=asked)
    return Verdict(warnings=broken + asked)


def _broken(lead: FileVerdict, pointer: str) -> Iterator[Reason]:
    invalid = next((each for each in lead.signers if each.verdict is Word.INVALID), None)
    if invalid is not None:
        yield reason(
            ReasonCode.SIGNATURE_INVALID, pointer, name=lead.file, who=invalid.name, finding=invalid.why
        )
    elif lead.why not in OWN_FAULTS and (agency_word(lead) is Word.UNSIGNED or _is_closed_doubt(lead)):
        yield reason(ReasonCode.UNSIGNED_LEAD, pointer, name=lead.file)


def _is_closed_doubt(lead: FileVerdict) -> bool:
    """No answer that may come later will make it valid."""
    return agency_word(lead) is Word.UNKNOWN and all(
        each.why not in OPEN for each in lead.signers if each.verdict is Word.UNKNOWN
    )


def _doubts(lead: FileVerdict, pointer: str) -> Iterator[Reason]:
    unknown = next((each for each in lead.signers if each.verdict is Word.UNKNOWN), None)
    if unknown is not None or lead.verdict is Word.UNKNOWN:
        why = unknown.why if unknown is not None else lead.why
        yield reason(ReasonCode.SIGNATURE_UNCHECKED, pointer, name=lead.file, finding=why)
    elif agency_word(lead) is Word.VALID and legal_value(lead) is LegalValue.INFORMATION:
        yield reason(ReasonCode.NO_PERSON_SIGNATURE, pointer, name=lead.file)
