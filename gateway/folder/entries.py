"""Finds complete entries in `out/`. In: one look at the directory after another. Out: entries that are no longer being
written, longest settled first; unfinished entries are left alone. An entry is complete once size and time have not
changed for the set time, by this machine's own count of seconds, or at once where an empty X.ready lies beside it.
Blocks; the number of names is bounded, and further ones wait their turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway import time_source
from gateway.domain.text import nfc
from gateway.errors import GatewayError
from gateway.folder.places import DirectoryName, Mark, Place
from gateway.policy.folder_names import META, Sort, is_plain, sort_of, stem_of
from gateway.trust import containers

MOST_NAMES = 20_000
# Limit for one document; the API's own limit is lower, and is reported as such.
MOST_FILES = 200
META_BYTES = 1024 * 1024
_ENTRIES = (Sort.SIDECAR, Sort.ENVELOPE, Sort.ARCHIVE, Sort.FOLDER)
Sign = Mark | tuple[tuple[str, Mark | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One document in `out/`, or a file that belongs to none (`Sort.FILE`). `parts` are all its names on disk, its own
    first, each as last seen; `files` maps names in its meta to names on disk."""

    sort: Sort
    name: str
    parts: Mapping[str, Mark | None]
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Result of one look. `waiting` counts the names that are not part of a complete entry."""

    complete: Sequence[Entry]
    waiting: int
    is_cut: bool


@dataclass(slots=True)
class _KnownName:
    sort: Sort
    sign: Sign | None
    since: float
    file_names: Sequence[str] | None = None
    """For a sidecar, the files that it names; for an archive, its meta's name or nothing; None until it is read."""


@dataclass(slots=True, kw_only=True)
class WaitingEntries:
    """Names in one agency's `out/`, tracked from look to look."""

    settle_s: float
    wait_s: float
    now_s: Callable[[], float] = time_source.monotonic
    _names: dict[str, _KnownName] = field(default_factory=dict)

    def look(self, out: Place) -> Look:
        """Compare the directory with the last look, and return its complete entries, longest settled first."""
        listed, is_cut = out.listing(MOST_NAMES)
        self._note_names(out, listed)
        ready = {stem_of(name, Sort.READY) for name, state in self._names.items() if state.sort is Sort.READY}
        self._read_metas(out, ready)
        claimed = {
            nfc(name) for k in self._names.values() if k.sort is Sort.SIDECAR for name in k.file_names or ()
        }
        complete = sorted(
            self._complete_entries(ready, claimed), key=lambda e: (self._names[e.name].since, e.name)
        )
        complete_names = {name for entry in complete for name in entry.parts}
        return Look(complete=complete, waiting=len(self._names.keys() - complete_names), is_cut=is_cut)

    def forget(self, entry: Entry) -> None:
        """Forget an entry that changed while it was read."""
        for name in entry.parts:
            self._names.pop(name, None)

    def _note_names(self, out: Place, listed: Sequence[DirectoryName]) -> None:
        now, previous, self._names = self.now_s(), self._names, {}
        for entry in listed:
            sort = sort_of(entry.name, is_folder=entry.is_folder)
            if sort is None:
                continue
            sign = _sign_of(out, entry)
            state = previous.get(entry.name)
            is_same = state is not None and state.sign == sign and state.sort is sort
            self._names[entry.name] = state if state is not None and is_same else _KnownName(sort, sign, now)

    def _age(self, name: str) -> float:
        return self.now_s() - self._names[name].since

    def _is_settled(self, name: str) -> bool:
        return self._age(name) >= self.settle_s

    def _read_metas(self, out: Place, ready: set[str]) -> None:
        """Read the meta of each settled sidecar and archive, once until it changes."""
        for name, state in self._names.items():
            if state.file_names is not None or state.sort not in (Sort.SIDECAR, Sort.ARCHIVE):
                continue
            if self._is_settled(name) or stem_of(name, state.sort) in ready:
                state.file_names = (
                    _sidecar_names(out, name) if state.sort is Sort.SIDECAR else _archive_meta(out, name)
                )

    def _complete_entries(self, ready: set[str], claimed: set[str]) -> Iterator[Entry]:
        """Yield the complete entries, then files that have waited too long without an entry to belong to."""
        on_disk = {nfc(name): name for name, k in self._names.items() if k.sort is not Sort.READY}
        closing = {stem_of(name, Sort.READY): name for name, k in self._names.items() if k.sort is Sort.READY}
        used = set(claimed)
        for name, state in self._names.items():
            if state.sort not in _ENTRIES or (state.sort is not Sort.SIDECAR and nfc(name) in claimed):
                continue
            stem = stem_of(name, state.sort)
            used |= {nfc(name), nfc(closing.get(stem, ""))}
            is_closed = stem in ready
            if not (is_closed or self._is_settled(name)):
                continue
            is_late = is_closed or self._age(name) >= self.wait_s
            files = {nfc(n): on_disk[nfc(n)] for n in state.file_names or () if nfc(n) in on_disk}
            if state.sort is Sort.SIDECAR:
                if len(files) < len({nfc(n) for n in state.file_names or ()}) and not is_late:
                    continue
                if not is_closed and not all(map(self._is_settled, files.values())):
                    continue
            elif not self._has_meta(state) and not is_late:
                continue
            names = [name, *files.values(), *([closing[stem]] if is_closed else [])]
            yield Entry(
                sort=state.sort,
                name=name,
                parts={part: _as_mark(self._names[part].sign) for part in dict.fromkeys(names)},
                files=files if state.sort is Sort.SIDECAR else {},
            )
        for name, state in self._names.items():
            if nfc(name) not in used and self._age(name) >= self.wait_s:
                yield Entry(sort=Sort.FILE, name=name, parts={name: _as_mark(state.sign)})

    @staticmethod
    def _has_meta(state: _KnownName) -> bool:
        if state.sort is Sort.ARCHIVE:
            return bool(state.file_names)
        if state.sort is Sort.FOLDER and isinstance(state.sign, tuple):
            return any(name == META for name, _ in state.sign)
        return state.sort is Sort.ENVELOPE


def _sign_of(out: Place, entry: DirectoryName) -> Sign | None:
    """Return the mark of a file, or the marks of all files in a folder, as clients fill a folder file by file."""
    if not entry.is_folder:
        return out.mark(entry.name)
    try:
        with out.within(entry.name) as folder:
            return tuple(sorted((f.name, folder.mark(f.name)) for f in folder.listing(MOST_FILES + 1)[0]))
    except GatewayError:
        return None


def _as_mark(sign: Sign | None) -> Mark | None:
    return sign if isinstance(sign, Mark) else None


def _sidecar_names(out: Place, name: str) -> Sequence[str]:
    """Return the files that a sidecar names, if it is readable; its faults are reported when it is sent."""
    try:
        meta_json = json.loads(out.read(name, META_BYTES).decode("utf-8-sig"))
        files_json = meta_json["files"][: MOST_FILES + 1]
        file_names = [f["name"] for f in files_json if isinstance(f["name"], str)]
    except (GatewayError, ValueError, TypeError, KeyError, RecursionError):
        return ()
    return [n for n in file_names if is_plain(n) and n != name]


def _archive_meta(out: Place, name: str) -> Sequence[str]:
    """Return the name of an archive's meta, if any. An archive without one may be a file of another document, whose
    sidecar has not arrived yet. An unreadable archive is reported when it is sent."""
    try:
        with out.open(name) as file:
            size = file.seek(0, 2)
            members = containers.entries(file, size, MOST_FILES + 1)
    except containers.BadArchive:
        return ("?",)
    except GatewayError:
        return ()
    return [META] if any(m.name.rpartition("/")[2] == META for m in members) else ()
