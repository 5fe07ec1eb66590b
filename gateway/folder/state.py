"""Reports the state of the hot folders to the operator. In: the root, and the agencies that have a folder. Out: for each,
how many entries wait and since when, entries in `error/`, unacknowledged documents, and its trouble. Changes nothing,
apart from what `check` makes and writes. Blocks; the number of names read is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import time_source
from gateway.errors import GatewayError, NotFound
from gateway.folder import layout
from gateway.folder.layout import ERROR, IN, OUT, PLANS
from gateway.folder.places import Place
from gateway.policy.folder_names import REASON, sort_of

_MOST = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderState:
    """State of one agency's folder. `oldest_s` is the age of the oldest entry in `out/`, by the share's own times.
    `trouble` is empty where the folder works."""

    code: str
    path: str
    waiting: int = 0
    oldest_s: float = 0.0
    errors: int = 0
    unacked: int = 0
    moving: int = 0
    trouble: str = ""


def look(root: Path, note: Path, codes: Sequence[str]) -> list[FolderState]:
    """Report the state of these agencies' folders."""
    try:
        layout.check_root(root, note)
    except GatewayError as error:
        return [FolderState(code=code, path=str(root / code), trouble=str(error)) for code in codes]
    return [_read_state(root, code) for code in codes]


def check(root: Path, node: str, note: Path, codes: Sequence[str]) -> list[FolderState]:
    """Report their state, after making missing folders and checking that the node can write in each."""
    states = []
    for code in codes:
        try:
            layout.check_and_note_root(root, note)
            with layout.open_base(root, code, make=True) as base:
                layout.claim(base, node)
                layout.probe(base)
        except GatewayError as error:
            states.append(FolderState(code=code, path=str(root / code), trouble=str(error)))
        else:
            states.append(_read_state(root, code))
    return states


def _read_state(root: Path, code: str) -> FolderState:
    path = str(root / code)
    try:
        with layout.open_base(root, code) as base:
            waiting, oldest = _count_waiting(base)
            return FolderState(
                code=code,
                path=path,
                waiting=waiting,
                oldest_s=oldest,
                errors=_count(base, ERROR, ending=REASON),
                unacked=_count(base, IN),
                moving=_count(base, *PLANS, ending=""),
            )
    except NotFound:
        return FolderState(code=code, path=path)
    except GatewayError as error:
        return FolderState(code=code, path=path, trouble=str(error))


def _count_waiting(base: Place) -> tuple[int, float]:
    now, count, oldest = time_source.unix_ns() / 1e9, 0, 0.0
    with base.within(OUT) as out:
        for entry in out.listing(_MOST)[0]:
            if sort_of(entry.name, is_folder=entry.is_folder) is None:
                continue
            count += 1
            mark = out.mark(entry.name)
            if mark is not None:
                oldest = max(oldest, now - mark.changed_ns / 1e9)
    return count, oldest


def _count(base: Place, *steps: str, ending: str | None = None) -> int:
    """Count files with that ending; without an ending, folders."""
    with base.within(*steps) as place:
        listed = place.listing(_MOST)[0]
    if ending is None:
        return sum(e.is_folder for e in listed)
    return sum(e.name.endswith(ending) and not e.is_folder for e in listed)
