"""Report to the operator on the hot folders, and on their trouble. In: the root, the agencies that have one. Out: for each
how much waits and since when, entries in `error/`, unacknowledged documents, and trouble. Changes nothing, but for the
probe of a check. Sync, bounded in names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError, NotFound
from gateway.folder import layout
from gateway.folder.layout import ERROR, IN, OUT, PLANS
from gateway.folder.places import Place
from gateway.policy.folder_names import REASON, sort_of

_MOST = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderState:
    """State of one agency's folder. `oldest_s`: age of the oldest entry in `out/`, by the share's own times. `trouble` is
    empty where the folder works."""

    code: str
    path: str
    waiting: int = 0
    oldest_s: float = 0.0
    errors: int = 0
    unacked: int = 0
    moving: int = 0
    trouble: str = ""


def look(root: Path, note: Path, codes: Sequence[str]) -> list[FolderState]:
    """Report on the folders of these agencies."""
    try:
        layout.check_root(root, note)
    except GatewayError as error:
        return [FolderState(code=code, path=str(root / code), trouble=str(error)) for code in codes]
    return [_read_state(root, code) for code in codes]


def check(root: Path, node: str, note: Path, codes: Sequence[str]) -> list[FolderState]:
    """Report likewise, and check that the node may write there: makes what is missing."""
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
    now, count, oldest = time.time(), 0, 0.0
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
    """Count files with that ending; without one, folders."""
    with base.within(*steps) as place:
        listed = place.listing(_MOST)[0]
    if ending is None:
        return sum(e.is_folder for e in listed)
    return sum(e.name.endswith(ending) and not e.is_folder for e in listed)
