"""Classifies names in a hot folder, and chooses the name under which a file is put away. In: names in a directory that
any user may write to. Out: the sort that a name means, or None for names to ignore; names that every file system
accepts, each once. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from gateway.policy.admission import NAME_BYTES, clean_name, cut_name

SIDECAR, ENVELOPE, ARCHIVE, READY = ".json", ".edxml", ".zip", ".ready"
STATUS = ".status.json"
META = "meta.json"
RECEIPT, REASON = ".result.json", ".error.txt"
# Programs, file shares and desktops leave these while writing, or for their own use.
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload", ".filepart", ".swp")
_IGNORED_NAMES = frozenset({"thumbs.db", "desktop.ini"})
_CODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")


class Sort(StrEnum):
    """Meaning of a name in `out/`."""

    SIDECAR = "sidecar"
    ENVELOPE = "envelope"
    ARCHIVE = "archive"
    FOLDER = "folder"
    READY = "ready"
    FILE = "file"


def sort_of(name: str, *, is_folder: bool) -> Sort | None:
    """Return the sort of a name; None for files still being written, and for system files."""
    low = name.lower()
    if low.startswith((".", "~$")) or low.endswith((*_UNFINISHED, RECEIPT, REASON)) or low in _IGNORED_NAMES:
        return None
    if is_folder:
        return Sort.FOLDER
    for ending, sort in (
        (SIDECAR, Sort.SIDECAR),
        (ENVELOPE, Sort.ENVELOPE),
        (ARCHIVE, Sort.ARCHIVE),
        (READY, Sort.READY),
    ):
        if low.endswith(ending) and len(low) > len(ending):
            return sort
    return Sort.FILE


def stem_of(name: str, sort: Sort) -> str:
    """Return the X of X.json, X.edxml, X.zip, X.ready and X/, which files that belong together share."""
    return name if sort in (Sort.FOLDER, Sort.FILE) else name[: name.rindex(".")]


def is_plain(name: str) -> bool:
    """Tell whether a name is that of a file directly in the folder, without any path."""
    return name not in ("", ".", "..") and "/" not in name and "\\" not in name and "\0" not in name


def is_folder_of(code: str) -> bool:
    """Tell whether an agency's code can name a folder, as all codes of the national list can."""
    return _CODE.fullmatch(code) is not None and ".." not in code


def kept_name(name: str, tail: str = "") -> str:
    """Return the name to put a file away under: readable, and short enough with `tail` and a number added."""
    bare = clean_name(name)
    room = NAME_BYTES - len(tail.encode()) - len(" (9999)")
    return (cut_name(bare, most=room) if len(bare.encode()) > room else bare) + tail


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return the name, or the first of `a (2).pdf`, `a (3).pdf`, … that is not taken."""
    free, n = name, 1
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    while is_taken(free):
        n += 1
        free = f"{stem} ({n}){dot}{ending}"
    return free
