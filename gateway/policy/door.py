"""What is turned away before anything is stored: a declared secret, a declared category, a file name that is none, a
file or document that grows past its limit while it streams. In: declared values and byte counts. Out: reasons. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gateway.domain.unicode_form import nfc
from gateway.policy.profile import Profile
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason

NOT_SECRET = frozenset({"", "none", "0"})

_NAME_BYTES = 255
_ENDING_BYTES = 16
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
        *(ReasonCode.SECRECY_DECLARED, ReasonCode.FORBIDDEN_CATEGORY, ReasonCode.MALWARE),
        *(ReasonCode.TOO_LONG, ReasonCode.TOO_MANY, ReasonCode.BAD_CHARACTERS, ReasonCode.DATE_ODD),
    }
)


def check_declared(secrecy: str | None, category: str | None, profile: Profile) -> Verdict:
    """Refuses by declared value only (R2, R3); the words of a document never refuse it."""
    broken = []
    if declares_secret(secrecy):
        broken.append(reason(ReasonCode.SECRECY_DECLARED, "/secrecy", value=(secrecy or "").strip()[:20]))
    if category and category.strip().casefold() in profile.refused_categories:
        broken.append(reason(ReasonCode.FORBIDDEN_CATEGORY, "/category", value=category.strip()[:40]))
    return Verdict(reasons=tuple(broken))


def declares_secret(secrecy: str | None) -> bool:
    """Whether a declared value is anything but `none`; a value nobody knows counts as a secret."""
    return (secrecy or "").strip().casefold() not in NOT_SECRET


def check_name(name: str, pointer: str) -> Reason | None:
    """A name from which nothing readable is left cannot be shown to a clerk, so it is refused."""
    return None if seen_name(name) else reason(ReasonCode.FILE_NAME, pointer, name=name[:40])


def clean_name(name: str) -> str:
    """The name to show, to store and to send: NFC, no folders, no control characters, marks that nobody sees written out
    (`[U+202E]`), no device name and no sign that a file system refuses, at most 255 bytes with its ending kept
    (threats 75 to 78). Bytes are stored under generated ids, never under this."""
    bare = _bare(_REFUSED.sub("_", name), _written_out) or "file"
    if bare.split(".", 1)[0].strip().casefold() in _DEVICES:
        bare = "_" + bare
    return _cut(bare, "") if len(bare.encode()) > _NAME_BYTES else bare


def seen_name(name: str) -> str:
    """The name without what nobody sees in it: what some machine will take it for."""
    return _bare(name, lambda char: "")


def odd_name(name: str, pointer: str) -> Iterator[Reason]:
    """A warning where the name is not kept as it came, is cut, or mixes alphabets whose letters look alike (threat 76)."""
    stored = clean_name(name)
    length = len(nfc(name).encode())
    if length > _NAME_BYTES:
        yield reason(ReasonCode.NAME_CUT, pointer, name=stored, length=length, most=_NAME_BYTES)
    elif stored != nfc(name) or any(map(_mixes_alphabets, _BETWEEN_WORDS.split(stored))):
        yield reason(ReasonCode.NAME_ODD, pointer, name=stored)


def stored_names(names: Sequence[str]) -> tuple[str, ...]:
    """Clean names in the same order, each of them once, letter case aside: the second `a.pdf` is `a (2).pdf`."""
    stored: list[str] = []
    taken: set[str] = set()
    last: dict[str, int] = {}  # of each name, so that a thousand equal ones are not counted anew each time
    for name in map(clean_name, names):
        free, n = name, last.get(name, 1)
        while free.casefold() in taken:
            n += 1
            free = _cut(name, f" ({n})")
        taken.add(free.casefold())
        last[name] = n
        stored.append(free)
    return tuple(stored)


def never_stored(verdict: Verdict) -> Verdict:
    """What turns away even a draft, which may be incomplete."""
    return Verdict(reasons=tuple(each for each in verdict.reasons if each.code in _NEVER_STORED))


def over_limit(
    name: str, file_bytes: int, document_bytes: int, profile: Profile, pointer: str, *, whole: bool = False
) -> Reason | None:
    """Asked as bytes flow in: the reason to stop reading now, or None. Exactly the limit may pass. How large it is,
    is known of a file that is here as a whole; of one that flows in, only that it is larger."""
    if file_bytes > profile.max_file_bytes:
        return reason(
            ReasonCode.FILE_TOO_LARGE,
            pointer,
            name=name,
            **_size(file_bytes, whole=whole),
            limit_bytes=profile.max_file_bytes,
        )
    if document_bytes > profile.max_document_bytes:
        return reason(
            ReasonCode.DOCUMENT_TOO_LARGE,
            "/files",
            name=name,
            **_size(document_bytes, whole=whole),
            limit_bytes=profile.max_document_bytes,
        )
    return None


def _size(count: int, *, whole: bool) -> dict[str, Any]:  # Any: parameters of a reason
    return {"size_bytes": count} if whole else {}


def _bare(name: str, hidden: Callable[[str], str]) -> str:
    """The last part of a path; `hidden` says what becomes of a mark that nobody sees."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    # Once more where something between a letter and its accent was taken away.
    shown = nfc("".join(_kept(char, hidden) for char in nfc(last)))
    return shown.strip(" .").lstrip("-. ") if shown.strip(" .-_") else ""


def _kept(char: str, hidden: Callable[[str], str]) -> str:
    kind = unicodedata.category(char)
    if kind in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp"):
        return ""
    return hidden(char) if kind == "Cf" else char


def _written_out(char: str) -> str:
    return f"[U+{ord(char):04X}]"


def _cut(name: str, tail: str) -> str:
    """The name with `tail` before its ending, cut to its most bytes."""
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > _ENDING_BYTES:
        stem, dot, ending = name, "", ""
    after = tail + dot + ending
    room = _NAME_BYTES - len(after.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + after


def _mixes_alphabets(word: str) -> bool:
    names = {unicodedata.name(char, "").split(" ", 1)[0] for char in word if char.isalpha()}
    return "LATIN" in names and bool(names & {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})
