"""What a file may be, by what the inspector found in its bytes (R10 to R13, threats 57 to 64). In: `FileFacts`, name,
profile. Out: a `Verdict` for one file. Pure; the way out refuses for these reasons, the way in holds."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.domain.files import FileFacts
from gateway.policy.door import check_name, odd_name, over_limit, seen_name
from gateway.policy.profile import Profile
from gateway.policy.texts import stamps_on
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason

# Words of `FileFacts.broken` that mean an archive made to harm rather than one that was damaged.
BOMBS = frozenset({"ratio", "too-deep", "too-many-members", "member-overlap", "too-long-to-read"})

_HARMLESS_BYTES = 1024 * 1024  # below this a high ratio only means a short file

_ENDINGS = {
    "jpg": "jpeg",
    "jpe": "jpeg",
    "htm": "html",
    "text": "txt",
    "tsv": "csv",
}
_LIKE = (frozenset({"txt", "csv"}),)
# Why a scanner gave no verdict, where it may give one later.
_PASSING = frozenset({"down", "late"})


def must_wait(facts: FileFacts, profile: Profile) -> bool:
    """Whether nothing may be decided about this file before the scanner answers (threat 65)."""
    return profile.scan_required and facts.unscanned in _PASSING


def judge(name: str, facts: FileFacts, profile: Profile, pointer: str) -> Verdict:
    """Every rule this one file breaks. Says nothing about its role in the document."""
    if facts.size == 0:
        return Verdict(reasons=(reason(ReasonCode.FILE_EMPTY, pointer, name=name),))
    reasons = [
        found
        for found in (
            check_name(name, pointer),
            over_limit(name, facts.size, 0, profile, pointer, whole=True),
        )
        if found is not None
    ]
    reasons += _type(name, facts, profile, pointer)
    reasons += _opening(name, facts, profile, pointer)
    reasons += _active(name, facts, profile.refused_active, pointer)
    warnings = [*_ending(name, facts, pointer), *_active(name, facts, profile.warned_active, pointer)]
    warnings += odd_name(name, pointer)
    if facts.malware is not None:
        reasons.append(reason(ReasonCode.MALWARE, pointer, name=name, malware=facts.malware))
    if facts.unscanned is not None:
        unscanned = reason(ReasonCode.UNSCANNED, pointer, name=name, unscanned=facts.unscanned)
        (reasons if profile.scan_required else warnings).append(unscanned)
    return Verdict(reasons=tuple(reasons), warnings=tuple(warnings))


def secrecy_stamps(name: str, facts: FileFacts, profile: Profile, pointer: str) -> Iterator[Reason]:
    """Stamps of secrecy on the first page of a lead file (R2)."""
    for stamp in stamps_on(facts.first_page, profile.secrecy_stamps):
        yield reason(ReasonCode.SECRECY_STAMP, pointer, name=name, word=stamp)


def _type(name: str, facts: FileFacts, profile: Profile, pointer: str) -> Iterator[Reason]:
    if not profile.accepts(facts.found_type):
        yield reason(ReasonCode.TYPE_NOT_ALLOWED, pointer, name=name, type=facts.found_type)
    elif (ending := _ending_of(name)) and not profile.accepts(ending):
        # A text named `.bat` is harmless bytes that the receiver's machine would run.
        yield reason(ReasonCode.TYPE_NOT_ALLOWED, pointer, name=name, type=ending)
    for member, found in zip(facts.members, facts.member_types, strict=False):
        ending = _ending_of(member.rpartition("/")[2])
        wrong = next((kind for kind in (found, ending) if kind and not profile.accepts(kind)), None)
        if wrong is not None:
            yield reason(ReasonCode.TYPE_NOT_ALLOWED, pointer, name=f"{name}: {member[:120]}", type=wrong)
            return


def _opening(name: str, facts: FileFacts, profile: Profile, pointer: str) -> Iterator[Reason]:
    """Encrypted, broken, or made to harm; each at most once."""
    if facts.encrypted:
        yield reason(ReasonCode.ENCRYPTED, pointer, name=name)
    if facts.broken is not None and facts.broken not in BOMBS:
        yield reason(ReasonCode.BROKEN, pointer, name=name, why=facts.broken)
    if (why := _bomb(facts, profile)) is not None:
        yield reason(
            ReasonCode.ARCHIVE_BOMB,
            pointer,
            name=name,
            why=why,
            depth=profile.max_archive_depth,
            members=profile.max_archive_members,
            ratio=profile.max_archive_ratio,
        )


def _bomb(facts: FileFacts, profile: Profile) -> str | None:
    if facts.broken in BOMBS:
        return facts.broken
    if facts.nested_depth > profile.max_archive_depth:
        return "too-deep"
    if len(facts.members) > profile.max_archive_members:
        return "too-many-members"
    most = max(facts.size * profile.max_archive_ratio, _HARMLESS_BYTES)
    if facts.inflated_size is not None and facts.inflated_size > most:
        return "ratio"
    return None


def _active(name: str, facts: FileFacts, kinds: frozenset[str], pointer: str) -> Iterator[Reason]:
    for kind in sorted(set(facts.active) & kinds):
        yield reason(ReasonCode.ACTIVE_CONTENT, pointer, name=name, kind=kind)


def _ending(name: str, facts: FileFacts, pointer: str) -> Iterator[Reason]:
    ending = _ending_of(name)
    alike = {ending, facts.found_type}
    if ending and ending != facts.found_type and not any(alike <= group for group in _LIKE):
        yield reason(
            ReasonCode.TYPE_UNLIKE_NAME, pointer, name=name, type=facts.found_type, suggest=facts.found_type
        )


def _ending_of(name: str) -> str:
    """As a machine that stores the file would see it: what nobody sees in a name hides no ending."""
    stem, dot, ending = seen_name(name).rpartition(".")
    ending = ending.casefold()
    return _ENDINGS.get(ending, ending) if stem and dot and ending.isalnum() and len(ending) <= 8 else ""
