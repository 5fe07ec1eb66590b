"""Refuses at the edge of the node: a declared secret or category, an unreadable file name, a file or document that
exceeds its limit while it is uploaded, and a file for what the inspector found in its bytes (R10 to R13 file rules,
threats 57 to 64 hostile files). In: declared values and byte counts; `FileFacts`, name, profile; the header of a form
part. Out: reasons; a `Verdict` for one file; the file name that its sender meant, or None. Pure. Outgoing documents are
refused for such a file, incoming packets are held.

Some senders write a whole Windows path, whose separators are no escapes; some encode the name as mail does (RFC 2047) or
as addresses do (%C4%83). Undecoded, such names lose their ending, and a PDF becomes a file of no known kind."""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Any
from urllib.parse import unquote_to_bytes

from gateway.domain.signatures import FileFacts
from gateway.domain.text import nfc, remembered
from gateway.policy.profile import Profile
from gateway.policy.texts import stamps_on
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason

_QUOTED = re.compile(r';\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_EXTENDED = re.compile(r";\s*filename\*\s*=", re.IGNORECASE)
_PACKED = re.compile(r"=\?[^?\s]{1,40}\?[bq]\?[^?\s]*\?=", re.IGNORECASE)
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNREADABLE = ("Cc", "Cs")
NOT_SECRET = frozenset({"", "none", "0"})
NAME_BYTES = 255
_ENDING_BYTES = 16
_ENDING_LETTERS = 8
_PORTS = "0123456789\u00b9\u00b2\u00b3"
_DEVICES = frozenset(
    {
        "con",
        "prn",
        "aux",
        "nul",
        "conin$",
        "conout$",
        *(f"{port}{n}" for port in ("com", "lpt") for n in _PORTS),
    }
)
_BETWEEN_WORDS = re.compile(r"[\W_]+")
_REFUSED = re.compile(r'[<>:"|?*]')
_NEVER_STORED = frozenset(
    {
        ReasonCode.SECRECY_DECLARED,
        ReasonCode.FORBIDDEN_CATEGORY,
        ReasonCode.MALWARE,
        ReasonCode.TOO_LONG,
        ReasonCode.TOO_MANY,
        ReasonCode.BAD_CHARACTERS,
        ReasonCode.DATE_ODD,
    }
)
# Values of `FileFacts.broken` for an archive made to harm, as opposed to a damaged one.
BOMBS = frozenset({"ratio", "too-deep", "too-many-members", "member-overlap", "too-long-to-read"})
_HARMLESS_BYTES = 1024 * 1024  # up to this size a high ratio only means a short file
_ENDINGS = {
    "jpg": "jpeg",
    "jpe": "jpeg",
    "htm": "html",
    "text": "txt",
    "tsv": "csv",
}
_LIKE = frozenset({"txt", "csv"})
# Reasons of a missing scan that may pass: the scanner may answer later.
_PASSING = frozenset({"down", "late"})


def meant_name(header: str, parsed: str | None) -> str | None:
    """Return the file name that the sender of a form part meant, or None where there is none. `parsed` is the name as a
    library read it, which is right only for the extended form (RFC 8187)."""
    if not parsed:
        return parsed
    if _EXTENDED.search(header):
        name: str | None = parsed
    else:
        quoted = _QUOTED.search(header)
        raw_name = re.sub(r'\\(["\\])', r"\1", quoted[1]) if quoted else parsed
        name = _decode_name(raw_name)
    if name is None:
        return None
    last = nfc(without_folders(name))
    return None if not last or any(unicodedata.category(char) in _UNREADABLE for char in last) else last


def without_folders(name: str) -> str:
    """Return the last part of a path with slashes or backslashes."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _decode_name(name: str) -> str | None:
    """Decode a name encoded as in mail or in addresses; None where it cannot be decoded."""
    if _PACKED.search(name):
        try:
            return str(make_header(decode_header(name)))
        except (HeaderParseError, LookupError, UnicodeError, binascii.Error, ValueError):
            return None
    if "%" in name and not _PERCENT.search(name):
        try:
            return unquote_to_bytes(name).decode()
        except UnicodeDecodeError:
            return name  # these percent signs are meant literally
    return name


def check_declared(secrecy: str | None, category: str | None, profile: Profile) -> Verdict:
    """Refuse a document by its declared secrecy (R2) or category (R3); its text alone never refuses it."""
    broken = []
    if declares_secret(secrecy):
        broken.append(reason(ReasonCode.SECRECY_DECLARED, "/secrecy", value=(secrecy or "").strip()[:20]))
    if category and category.strip().casefold() in profile.refused_categories:
        broken.append(reason(ReasonCode.FORBIDDEN_CATEGORY, "/category", value=category.strip()[:40]))
    return Verdict.make(broken)


def declares_secret(secrecy: str | None) -> bool:
    """Tell whether the declared secrecy is anything but `none`; an unknown value counts as secret."""
    return (secrecy or "").strip().casefold() not in NOT_SECRET


def check_name(name: str, pointer: str) -> Reason | None:
    """Refuse a name without any readable character, which could not be shown to a clerk."""
    return None if seen_name(name) else reason(ReasonCode.FILE_NAME, pointer, name=name[:40])


def clean_name(name: str) -> str:
    """Return the name to show, store and send: NFC, without folders and control characters, invisible marks written out
    (`[U+202E]`), no device name, no character that a file system refuses, at most 255 bytes with its ending kept
    (threats 75 to 78, deceiving names). Bytes are stored under generated ids, never under this name."""
    return _name_facts(name).stored


def seen_name(name: str) -> str:
    """Return the name without invisible characters, as other machines may show it."""
    return _name_facts(name).visible


def odd_name(name: str, pointer: str) -> Iterator[Reason]:
    """Warn of a name that is changed or cut, or that mixes alphabets with similar letters (threat 76, deceiving names)."""
    facts = _name_facts(name)
    if facts.length > NAME_BYTES:
        length, most = facts.length, NAME_BYTES
        yield reason(ReasonCode.NAME_CUT, pointer, name=facts.stored, length=length, most=most)
    elif facts.is_odd:
        yield reason(ReasonCode.NAME_ODD, pointer, name=facts.stored)


def stored_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the clean names in order, made unique without regard to letter case: the second `a.pdf` is `a (2).pdf`."""
    stored: list[str] = []
    used_names: set[str] = set()
    last: dict[str, int] = {}  # last number by name, so that a thousand equal names do not each count from 1
    for name in map(clean_name, names):
        free, n = name, last.get(name, 1)
        while free.casefold() in used_names:
            n += 1
            free = cut_name(name, f" ({n})")
        used_names.add(free.casefold())
        last[name] = n
        stored.append(free)
    return tuple(stored)


def never_stored(verdict: Verdict) -> Verdict:
    """Keep only the reasons that refuse even a draft, which may be incomplete."""
    return Verdict(reasons=tuple(broken for broken in verdict.reasons if broken.code in _NEVER_STORED))


def over_limit(
    name: str, file_bytes: int, document_bytes: int, profile: Profile, pointer: str, *, complete: bool = False
) -> Reason | None:
    """Return the reason to stop reading, or None; called while bytes arrive. Exactly the limit may pass. The size is
    named only for a `complete` file; of a streamed one only a lower bound is known."""
    limits = (
        (ReasonCode.FILE_TOO_LARGE, pointer, file_bytes, profile.max_file_bytes),
        (ReasonCode.DOCUMENT_TOO_LARGE, "/files", document_bytes, profile.max_document_bytes),
    )
    for code, place, size, limit in limits:
        if size > limit:
            params: dict[str, Any] = {"size_bytes": size} if complete else {}  # Any: parameters of a reason
            return reason(code, place, name=name, **params, limit_bytes=limit)
    return None


@dataclass(frozen=True, slots=True)
class _NameFacts:
    """Forms of a file's name; `length` is the size of the original name in bytes."""

    visible: str
    stored: str
    ending: str
    length: int
    is_odd: bool


@remembered
def _name_facts(name: str) -> _NameFacts:
    """Compute the forms of a name, once for all rules that use it."""
    visible, stored, composed = _visible_name(name), _storable_name(name), nfc(name)
    return _NameFacts(
        visible=visible,
        stored=stored,
        ending=_ending_of(visible),
        length=len(composed.encode(errors="surrogatepass")),
        is_odd=stored != composed or any(map(_mixes_alphabets, _BETWEEN_WORDS.split(stored))),
    )


def _visible_name(name: str) -> str:
    return _last_part(name, lambda char: "")


def _storable_name(name: str) -> str:
    bare = _last_part(_REFUSED.sub("_", name), lambda mark: f"[U+{ord(mark):04X}]") or "file"
    if bare.split(".", 1)[0].strip().casefold() in _DEVICES:
        bare = "_" + bare
    return cut_name(bare) if len(bare.encode()) > NAME_BYTES else bare


def _last_part(name: str, hidden: Callable[[str], str]) -> str:
    """Return the last part of a path; `hidden` replaces an invisible character."""
    part = nfc(without_folders(name))
    if not part.isprintable():
        # Removing a character between a letter and its accent may let the two be composed.
        part = nfc("".join([_clean_char(char, hidden) for char in part]))
    return part.strip(" .").lstrip("-. ") if part.strip(" .-_") else ""


def _clean_char(char: str, hidden: Callable[[str], str]) -> str:
    kind = unicodedata.category(char)
    if kind in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp"):
        return ""
    return hidden(char) if kind == "Cf" else char


def cut_name(name: str, tail: str = "", most: int = NAME_BYTES) -> str:
    """Put `tail` before the ending of a name, and shorten the name to so many bytes."""
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > _ENDING_BYTES:
        stem, dot, ending = name, "", ""
    suffix = tail + dot + ending
    room = most - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + suffix


def _mixes_alphabets(word: str) -> bool:
    if word.isascii():
        return False
    names = {unicodedata.name(char, "").split(" ", 1)[0] for char in word if char.isalpha()}
    return "LATIN" in names and bool(names & {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})


def must_wait(facts: FileFacts, profile: Profile) -> bool:
    """Tell whether this file must not be decided on before the scanner answers (threat 65, unscanned files)."""
    return profile.scan_required and facts.unscanned in _PASSING


def judge_file(name: str, facts: FileFacts, profile: Profile, pointer: str) -> Verdict:
    """Return every rule that this file breaks, apart from its role in the document."""
    if facts.size == 0:
        return Verdict(reasons=(reason(ReasonCode.FILE_EMPTY, pointer, name=name),))
    faults = (check_name(name, pointer), over_limit(name, facts.size, 0, profile, pointer, complete=True))
    reasons = [fault for fault in faults if fault is not None]
    ending = _name_facts(name).ending
    reasons += _types(name, ending, facts, profile, pointer)
    reasons += _opening_reasons(name, facts, profile, pointer)
    warnings = [*_ending_warnings(name, ending, facts, pointer)]
    if facts.active:
        reasons += _active_reasons(name, facts, profile.refused_active, pointer)
        warnings += _active_reasons(name, facts, profile.warned_active, pointer)
    warnings += odd_name(name, pointer)
    if facts.malware is not None:
        reasons.append(reason(ReasonCode.MALWARE, pointer, name=name, malware=facts.malware))
    if facts.unscanned is not None:
        unscanned = reason(ReasonCode.UNSCANNED, pointer, name=name, unscanned=facts.unscanned)
        (reasons if profile.scan_required else warnings).append(unscanned)
    return Verdict.make(reasons, warnings)


def secrecy_stamps(name: str, facts: FileFacts, profile: Profile, pointer: str) -> Iterator[Reason]:
    """Yield a reason for each secrecy stamp on the first page of a lead file (R2, secrecy)."""
    for stamp in stamps_on(facts.first_page, profile.secrecy_stamps):
        yield reason(ReasonCode.SECRECY_STAMP, pointer, name=name, word=stamp)


def unread_part(name: str, facts: FileFacts, pointer: str) -> Iterator[Reason]:
    """Yield a reason where part of a lead file's first page was not read, so that its content is unknown."""
    if facts.page_cut:
        yield reason(ReasonCode.FIRST_PAGE_CUT, pointer, name=name)


def _types(name: str, ending: str, facts: FileFacts, profile: Profile, pointer: str) -> Iterator[Reason]:
    if facts.found_type not in profile.allowed_types:
        yield reason(ReasonCode.TYPE_NOT_ALLOWED, pointer, name=name, type=facts.found_type)
    elif ending and ending not in profile.allowed_types:
        # The bytes of a text named `.bat` are harmless, but the receiver's machine would run it.
        yield reason(ReasonCode.TYPE_NOT_ALLOWED, pointer, name=name, type=ending)
    for member, member_type in zip(facts.members, facts.member_types, strict=False):
        ending = _ending_of(_visible_name(member.rpartition("/")[2]))
        kinds = filter(None, (member_type, ending))
        wrong = next((kind for kind in kinds if kind not in profile.allowed_types), None)
        if wrong is not None:
            yield reason(ReasonCode.TYPE_NOT_ALLOWED, pointer, name=f"{name}: {member[:120]}", type=wrong)
            return


def _opening_reasons(name: str, facts: FileFacts, profile: Profile, pointer: str) -> Iterator[Reason]:
    """Yield reasons for a file that is encrypted, broken or made to harm, each at most once."""
    if facts.encrypted:
        yield reason(ReasonCode.ENCRYPTED, pointer, name=name)
    if facts.broken is not None and facts.broken not in BOMBS:
        yield reason(ReasonCode.BROKEN, pointer, name=name, why=facts.broken)
    if (why := _bomb_kind(facts, profile)) is not None:
        yield reason(
            ReasonCode.ARCHIVE_BOMB,
            pointer,
            name=name,
            why=why,
            depth=profile.max_archive_depth,
            members=profile.max_archive_members,
            ratio=profile.max_archive_ratio,
        )


def _bomb_kind(facts: FileFacts, profile: Profile) -> str | None:
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


def _active_reasons(name: str, facts: FileFacts, kinds: frozenset[str], pointer: str) -> Iterator[Reason]:
    for kind in sorted(set(facts.active) & kinds):
        yield reason(ReasonCode.ACTIVE_CONTENT, pointer, name=name, kind=kind)


def _ending_warnings(name: str, ending: str, facts: FileFacts, pointer: str) -> Iterator[Reason]:
    if ending and ending != facts.found_type and not {ending, facts.found_type} <= _LIKE:
        yield reason(
            ReasonCode.TYPE_UNLIKE_NAME, pointer, name=name, type=facts.found_type, suggest=facts.found_type
        )


def _ending_of(visible: str) -> str:
    """Return the ending as a machine that stores the file would see it; `visible` has no invisible characters that could
    hide it."""
    stem, dot, ending = visible.rpartition(".")
    ending = ending.casefold()
    is_ending = stem and dot and ending.isalnum() and len(ending) <= _ENDING_LETTERS
    return _ENDINGS.get(ending, ending) if is_ending else ""
