"""Puts entries away: into `sent/` with a receipt, or into `error/` with a readable reason. In: an entry and its text.
Out: all its files moved, the text written last. The plan of moves is on disk before the first move and removed after the
last, so that the next look finishes it after a crash; files that arrive meanwhile under an old name are left alone.
Entries are removed after their days. Blocks: use it in the pool."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from gateway import log
from gateway.errors import NotFound
from gateway.folder.layout import ERROR, PLANS, SENT
from gateway.folder.places import Mark, NotAFile, Place
from gateway.policy.folder_names import free_name, kept_name

_log = logging.getLogger(__name__)
_MOST_PLAN = 1024 * 1024
_MOST_PLANS = 1000
_PLAN = ".json"
_MOST_KEPT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Move of one file. `mark` is its state when last seen: a file with another mark is a new one, and stays."""

    name: str
    new: str
    mark: Mark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Moves of one entry, with the `text` to write under the name `beside`. `source` and `target` are paths below the
    agency's directory."""

    source: Sequence[str]
    target: Sequence[str]
    moves: Sequence[Move]
    beside: str
    text: str


def put_away(
    base: Place,
    source: Sequence[str],
    parts: Mapping[str, Mark | None],
    target: Sequence[str],
    tail: str,
    text: Callable[[Mapping[str, str]], str],
) -> None:
    """Move all files of one entry, whose own name is first in `parts`, and write its text. `text` is called with the new
    name of each file."""
    plan = _make_plan(base, source, parts, target, tail, text)
    id = hashlib.sha256(repr((source, sorted(parts))).encode(errors="surrogateescape")).hexdigest()[:32]
    raw = json.dumps(asdict(plan), ensure_ascii=True).encode()
    with base.within(*PLANS, make=True) as plans:
        plans.write(id + _PLAN, [raw])
        _execute(base, plan)
        plans.remove(id + _PLAN)


def finish_plans(base: Place) -> int:
    """Finish the moves that a crash interrupted; return the number of plans."""
    with base.within(*PLANS, make=True) as plans:
        plan_names = [entry.name for entry in plans.listing(_MOST_PLANS)[0] if entry.name.endswith(_PLAN)]
        for name in plan_names:
            plan = _read_plan(plans, name)
            if plan is not None:
                _execute(base, plan)
            plans.remove(name)
        return len(plan_names)


def has_plans(base: Place) -> bool:
    with suppress(NotFound), base.within(*PLANS) as plans:
        return any(entry.name.endswith(_PLAN) for entry in plans.listing(_MOST_PLANS)[0])
    return False


def _make_plan(
    base: Place,
    source: Sequence[str],
    parts: Mapping[str, Mark | None],
    target: Sequence[str],
    tail: str,
    text: Callable[[Mapping[str, str]], str],
) -> Plan:
    """Plan where each file goes: under its own name, or a free one."""
    own = next(iter(parts))
    with base.within(*target, make=True) as folder:
        used_names: set[str] = set()

        def is_taken(name: str) -> bool:
            return name.casefold() in used_names or folder.mark(name) is not None

        def is_own_taken(name: str) -> bool:
            return is_taken(name) or is_taken(_stem(name) + tail)

        kept_names: dict[str, str] = {}
        for name in parts:
            base_name = kept_name(name) if name != own else kept_name(name, tail).removesuffix(tail)
            kept_names[name] = free_name(base_name, is_own_taken if name == own else is_taken)
            used_names |= {kept_names[name].casefold(), (_stem(kept_names[own]) + tail).casefold()}
    return Plan(
        source=tuple(source),
        target=tuple(target),
        moves=[Move(name=name, new=kept_names[name], mark=mark) for name, mark in parts.items()],
        beside=_stem(kept_names[own]) + tail,
        text=text(kept_names),
    )


def _stem(name: str) -> str:
    for ending in (".json", ".edxml", ".zip"):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


def _execute(base: Place, plan: Plan) -> None:
    """Carry out a plan; repeating it is harmless."""
    with base.within(*plan.source, make=True) as source, base.within(*plan.target, make=True) as target:
        for move in plan.moves:
            _move(source, target, move)
        if target.mark(plan.beside) is None:
            target.write(plan.beside, [plan.text.encode("utf-8", "replace")])


def _move(source: Place, target: Place, move: Move) -> None:
    if target.mark(move.new) is not None:
        return
    current_mark = source.mark(move.name)
    if current_mark is None or (move.mark is not None and current_mark != move.mark):
        return
    source.move(move.name, target, move.new)


def _read_plan(plans: Place, name: str) -> Plan | None:
    """Read a plan; None for a foreign or broken file, and for a plan that leads out of the hot folder."""
    try:
        plan_json = json.loads(plans.read(name, _MOST_PLAN))
        moves = [
            Move(
                name=move_json["name"],
                new=move_json["new"],
                mark=Mark(**move_json["mark"]) if move_json["mark"] else None,
            )
            for move_json in plan_json["moves"]
        ]
        plan = Plan(
            source=tuple(plan_json["source"]),
            target=tuple(plan_json["target"]),
            moves=moves,
            beside=str(plan_json["beside"]),
            text=str(plan_json["text"]),
        )
    except (NotAFile, ValueError, TypeError, KeyError, AttributeError):
        log.action(_log, "folder.bad_plan", "a plan in the node's own part of the hot folder cannot be read")
        return None
    names = [*plan.source, *plan.target, plan.beside, *_names_of(moves)]
    if not all(_leads_nowhere_else(n) for n in names):
        log.action(_log, "folder.bad_plan", "a plan in the node's own part of the hot folder leads out of it")
        return None
    return plan


def _names_of(moves: Sequence[Move]) -> Iterator[str]:
    for move in moves:
        yield move.name
        yield move.new


def _leads_nowhere_else(name: object) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and "\0" not in name


def remove_old(base: Place, now: datetime, today: date, *, sent_days: int, error_days: int) -> int:
    """Remove entries older than their days (0 keeps them for ever); return how many. Accepted ones are dated by the
    folder of their day, refused ones by when they were put there, as their names have no date."""
    removed = 0
    with suppress(NotFound):
        if sent_days:
            removed += _remove_sent(base, today - timedelta(days=sent_days))
        if error_days:
            removed += _remove_refused(base, now - timedelta(days=error_days))
    return removed


def _remove_sent(base: Place, first_kept_day: date) -> int:
    """Remove the folders of earlier days, and those of months and years that become empty."""
    removed = 0
    for year in _numbers(base, SENT):
        for month in _numbers(base, SENT, year):
            for day in _numbers(base, SENT, year, month):
                with suppress(ValueError):
                    if date(int(year), int(month), int(day)) < first_kept_day:
                        removed += _remove(base, (SENT, year, month), day)
            _remove_empty(base, (SENT, year), month)
        _remove_empty(base, (SENT,), year)
    return removed


def _numbers(base: Place, *steps: str) -> list[str]:
    with base.within(*steps) as folder:
        return [e.name for e in folder.listing(_MOST_KEPT)[0] if e.is_folder and e.name.isdecimal()]


def _remove(base: Place, steps: tuple[str, ...], name: str) -> int:
    with base.within(*steps) as folder:
        folder.remove(name)
    return 1


def _remove_empty(base: Place, steps: tuple[str, ...], name: str) -> None:
    with base.within(*steps) as parent:
        with parent.within(name) as child:
            is_empty = not child.listing(1)[0]
        if is_empty:
            parent.remove(name)


def _remove_refused(base: Place, kept_since: datetime) -> int:
    removed = 0
    with base.within(ERROR) as refused:
        for entry in refused.listing(_MOST_KEPT)[0]:
            put_at = refused.changed_at(entry.name)
            if put_at is not None and put_at < kept_since:
                refused.remove(entry.name)
                removed += 1
    return removed
