"""What lies in `out/` and is whole. In: one look at the directory after the other. Out: entries that nobody writes to any
more, the longest settled first; what is still being written, or waits for its files, is left alone. A thing counts as
whole once its size and time stayed the same between looks for as long as was set, by this machine's own count of
seconds, or at once where an empty X.ready lies beside it. Sync, bounded in names; what does not fit waits its turn."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.text import nfc
from gateway.errors import GatewayError
from gateway.folder.places import Mark, Place, Seen
from gateway.policy.folder_names import META, Sort, is_plain, sort_of, stem_of
from gateway.trust import containers

MOST_NAMES = 20_000
# Of one document; the API takes fewer, and says so.
MOST_FILES = 200
META_BYTES = 1024 * 1024
_ENTRIES = (Sort.SIDECAR, Sort.ENVELOPE, Sort.ARCHIVE, Sort.FOLDER)
Sign = Mark | tuple[tuple[str, Mark | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One document as it lies there, or what will never be one (`Sort.FILE`). `parts` are all the names that belong to it,
    its own first, each as it was last seen; `files` leads from a name in its meta to the one on the disk."""

    sort: Sort
    name: str
    parts: Mapping[str, Mark | None]
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`waiting`: names that are not whole yet, or not everything of them is there."""

    whole: Sequence[Entry]
    waiting: int
    is_cut: bool


@dataclass(slots=True)
class _Known:
    sort: Sort
    sign: Sign | None
    since: float
    named: Sequence[str] | None = None
    """Of a sidecar: the files that it names. Of an archive: whether it has a meta, as one name or none."""


@dataclass(slots=True, kw_only=True)
class Waiting:
    """Of one agency's folder, from look to look."""

    settle_s: float
    wait_s: float
    now_s: Callable[[], float] = time.monotonic
    _known: dict[str, _Known] = field(default_factory=dict)

    def look(self, out: Place) -> Look:
        listed, is_cut = out.listing(MOST_NAMES)
        self._note(out, listed)
        ready = {stem_of(name, Sort.READY) for name, one in self._known.items() if one.sort is Sort.READY}
        self._read_metas(out, ready)
        claimed = {
            nfc(name) for one in self._known.values() if one.sort is Sort.SIDECAR for name in one.named or ()
        }
        whole = sorted(
            self._whole(ready, claimed), key=lambda each: (self._known[each.name].since, each.name)
        )
        taken = {name for each in whole for name in each.parts}
        return Look(whole=whole, waiting=len(self._known.keys() - taken), is_cut=is_cut)

    def begin_anew(self, entry: Entry) -> None:
        """Somebody wrote to it while it was read."""
        for name in entry.parts:
            self._known.pop(name, None)

    def _note(self, out: Place, listed: Sequence[Seen]) -> None:
        now, before, self._known = self.now_s(), self._known, {}
        for each in listed:
            sort = sort_of(each.name, is_folder=each.is_folder)
            if sort is None:
                continue
            sign = _sign(out, each)
            known = before.get(each.name)
            same = known is not None and known.sign == sign and known.sort is sort
            self._known[each.name] = known if known is not None and same else _Known(sort, sign, now)

    def _age(self, name: str) -> float:
        return self.now_s() - self._known[name].since

    def _is_settled(self, name: str) -> bool:
        return self._age(name) >= self.settle_s

    def _read_metas(self, out: Place, ready: set[str]) -> None:
        """Each once for as long as nobody writes to it."""
        for name, one in self._known.items():
            if one.named is not None or one.sort not in (Sort.SIDECAR, Sort.ARCHIVE):
                continue
            if self._is_settled(name) or stem_of(name, one.sort) in ready:
                one.named = _named(out, name) if one.sort is Sort.SIDECAR else _meta_in(out, name)

    def _whole(self, ready: set[str], claimed: set[str]) -> Iterator[Entry]:
        on_disk = {nfc(name): name for name, one in self._known.items() if one.sort is not Sort.READY}
        closing = {
            stem_of(name, Sort.READY): name for name, one in self._known.items() if one.sort is Sort.READY
        }
        used = set(claimed)
        for name, one in self._known.items():
            if one.sort not in _ENTRIES or (one.sort is not Sort.SIDECAR and nfc(name) in claimed):
                continue
            stem = stem_of(name, one.sort)
            used |= {nfc(name), nfc(closing.get(stem, ""))}
            is_closed = stem in ready
            if not (is_closed or self._is_settled(name)):
                continue
            is_late = is_closed or self._age(name) >= self.wait_s
            files = {nfc(each): on_disk[nfc(each)] for each in one.named or () if nfc(each) in on_disk}
            if one.sort is Sort.SIDECAR:
                if len(files) < len({nfc(each) for each in one.named or ()}) and not is_late:
                    continue
                if not is_closed and not all(map(self._is_settled, files.values())):
                    continue
            elif not self._has_meta(one) and not is_late:
                continue
            names = [name, *files.values(), *([closing[stem]] if is_closed else [])]
            yield Entry(
                sort=one.sort,
                name=name,
                parts={each: _mark(self._known[each].sign) for each in dict.fromkeys(names)},
                files=files if one.sort is Sort.SIDECAR else {},
            )
        for name, one in self._known.items():
            if nfc(name) not in used and self._age(name) >= self.wait_s:
                yield Entry(sort=Sort.FILE, name=name, parts={name: _mark(one.sign)})

    @staticmethod
    def _has_meta(one: _Known) -> bool:
        if one.sort is Sort.ARCHIVE:
            return bool(one.named)
        if one.sort is Sort.FOLDER and isinstance(one.sign, tuple):
            return any(name == META for name, _ in one.sign)
        return one.sort is Sort.ENVELOPE


def _sign(out: Place, each: Seen) -> Sign | None:
    """Of a folder all that lies in it: a client fills it file by file."""
    if not each.is_folder:
        return out.mark(each.name)
    try:
        with out.within(each.name) as below:
            return tuple(sorted((one.name, below.mark(one.name)) for one in below.listing(MOST_FILES + 1)[0]))
    except GatewayError:
        return None


def _mark(sign: Sign | None) -> Mark | None:
    return sign if isinstance(sign, Mark) else None


def _named(out: Place, name: str) -> Sequence[str]:
    """The files that a sidecar names, as far as it can be read; what is wrong with it is told when it is taken."""
    try:
        told = json.loads(out.read(name, META_BYTES).decode("utf-8-sig"))
        listed = told["files"][: MOST_FILES + 1]
        found = [each["name"] for each in listed if isinstance(each["name"], str)]
    except (GatewayError, ValueError, TypeError, KeyError, RecursionError):
        return ()
    return [each for each in found if is_plain(each) and each != name]


def _meta_in(out: Place, name: str) -> Sequence[str]:
    """An archive without a meta may be a file of another document, whose sidecar has not come yet. One that cannot be read
    is told of when it is taken."""
    try:
        with out.open(name) as file:
            size = file.seek(0, 2)
            found = containers.entries(file, size, MOST_FILES + 1)
    except containers.BadArchive:
        return ("?",)
    except GatewayError:
        return ()
    return [META] if any(each.name.rpartition("/")[2] == META for each in found) else ()
