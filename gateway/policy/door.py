"""What is turned away before anything is stored: a declared secret, a declared category, a file name that is none, a
file or document that grows past its limit while it streams. In: declared values and byte counts. Out: reasons. Pure."""

from __future__ import annotations

import unicodedata

from gateway.policy.profile import Profile
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason

NOT_SECRET = frozenset({"", "none", "0"})

_NAME_BYTES = 255
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
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
    return None if _bare(name) else reason(ReasonCode.FILE_NAME, pointer, name=name[:40])


def clean_name(name: str) -> str:
    """The name to show and to send: NFC, no folders, no control, zero-width or direction marks, no device name, at
    most 255 bytes with its ending kept (threats 75 to 78). Bytes are stored under generated ids, never under this."""
    bare = _bare(name) or "file"
    stem, dot, ending = bare.rpartition(".")
    if (stem or bare).split(".", 1)[0].casefold() in _DEVICES:
        bare = "_" + bare
    if len(bare.encode()) <= _NAME_BYTES:
        return bare
    tail = dot + ending if stem and len(ending.encode()) <= 16 else ""
    room = _NAME_BYTES - len(tail.encode())
    return bare.encode()[:room].decode(errors="ignore").rstrip() + tail


def over_limit(
    name: str, file_bytes: int, document_bytes: int, profile: Profile, pointer: str
) -> Reason | None:
    """Asked as bytes flow in: the reason to stop reading now, or None. Exactly the limit may pass."""
    if file_bytes > profile.max_file_bytes:
        return reason(
            ReasonCode.FILE_TOO_LARGE,
            pointer,
            name=name,
            size_bytes=file_bytes,
            limit_bytes=profile.max_file_bytes,
        )
    if document_bytes > profile.max_document_bytes:
        return reason(
            ReasonCode.DOCUMENT_TOO_LARGE,
            "/files",
            name=name,
            size_bytes=document_bytes,
            limit_bytes=profile.max_document_bytes,
        )
    return None


def _bare(name: str) -> str:
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(char for char in last if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return shown.strip(" .").lstrip("-") if shown.strip(" .-_") else ""
