"""Puts away what was decided: into `sent/` with a receipt, or into `error/` with a reason that a person can read. In: an
entry and the text beside it. Out: everything of it moved, the text last. The plan is on the disk before the first move
and goes after the last, so that a crash between two moves is ended at the next look, and what somebody drops meanwhile
under an old name is left alone. What was put away is removed after its days. Sync: use it in the pool."""

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
    """`mark` is how it was seen: what looks otherwise now is somebody's new file."""

    name: str
    new: str
    mark: Mark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`source` and `target` are steps below the agency's directory."""

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
    """All of one entry, its own name first among `parts`. `text` is told under which name each is kept."""
    plan = _planned(base, source, parts, target, tail, text)
    id = hashlib.sha256(repr((source, sorted(parts))).encode(errors="surrogateescape")).hexdigest()[:32]
    raw = json.dumps(asdict(plan), ensure_ascii=True).encode()
    with base.within(*PLANS, make=True) as plans:
        plans.write(id + _PLAN, [raw])
        _carry_out(base, plan)
        plans.remove(id + _PLAN)


def finish_left(base: Place) -> int:
    """What a crash left half moved; how many plans there were."""
    with base.within(*PLANS, make=True) as plans:
        left = [each.name for each in plans.listing(_MOST_PLANS)[0] if each.name.endswith(_PLAN)]
        for name in left:
            plan = _read(plans, name)
            if plan is not None:
                _carry_out(base, plan)
            plans.remove(name)
        return len(left)


def has_left(base: Place) -> bool:
    with suppress(NotFound), base.within(*PLANS) as plans:
        return any(entry.name.endswith(_PLAN) for entry in plans.listing(_MOST_PLANS)[0])
    return False


def _planned(
    base: Place,
    source: Sequence[str],
    parts: Mapping[str, Mark | None],
    target: Sequence[str],
    tail: str,
    text: Callable[[Mapping[str, str]], str],
) -> Plan:
    own = next(iter(parts))
    with base.within(*target, make=True) as there:
        taken: set[str] = set()

        def is_taken(name: str) -> bool:
            return name.casefold() in taken or there.mark(name) is not None

        def is_own_taken(name: str) -> bool:
            return is_taken(name) or is_taken(_stem(name) + tail)

        kept: dict[str, str] = {}
        for name in parts:
            bare = kept_name(name) if name != own else kept_name(name, tail).removesuffix(tail)
            kept[name] = free_name(bare, is_own_taken if name == own else is_taken)
            taken |= {kept[name].casefold(), (_stem(kept[own]) + tail).casefold()}
    return Plan(
        source=tuple(source),
        target=tuple(target),
        moves=[Move(name=name, new=kept[name], mark=mark) for name, mark in parts.items()],
        beside=_stem(kept[own]) + tail,
        text=text(kept),
    )


def _stem(name: str) -> str:
    for ending in (".json", ".edxml", ".zip"):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


def _carry_out(base: Place, plan: Plan) -> None:
    """Any number of times."""
    with base.within(*plan.source, make=True) as source, base.within(*plan.target, make=True) as target:
        for each in plan.moves:
            _move(source, target, each)
        if target.mark(plan.beside) is None:
            target.write(plan.beside, [plan.text.encode("utf-8", "replace")])


def _move(source: Place, target: Place, each: Move) -> None:
    if target.mark(each.new) is not None:
        return
    there = source.mark(each.name)
    if there is None or (each.mark is not None and there != each.mark):
        return
    source.move(each.name, target, each.new)


def _read(plans: Place, name: str) -> Plan | None:
    """A plan is written whole or not at all; what somebody else laid there is none, and leads nowhere."""
    try:
        told = json.loads(plans.read(name, _MOST_PLAN))
        moves = [
            Move(name=one["name"], new=one["new"], mark=Mark(**one["mark"]) if one["mark"] else None)
            for one in told["moves"]
        ]
        plan = Plan(
            source=tuple(told["source"]),
            target=tuple(told["target"]),
            moves=moves,
            beside=str(told["beside"]),
            text=str(told["text"]),
        )
    except (NotAFile, ValueError, TypeError, KeyError, AttributeError):
        log.action(_log, "folder.bad_plan", "a plan in the node's own part of the hot folder cannot be read")
        return None
    names = [*plan.source, *plan.target, plan.beside, *_names(moves)]
    if not all(_leads_nowhere_else(each) for each in names):
        log.action(_log, "folder.bad_plan", "a plan in the node's own part of the hot folder leads out of it")
        return None
    return plan


def _names(moves: Sequence[Move]) -> Iterator[str]:
    for each in moves:
        yield each.name
        yield each.new


def _leads_nowhere_else(name: object) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and "\0" not in name


def remove_old(base: Place, now: datetime, today: date, *, sent_days: int, error_days: int) -> int:
    """Remove what is older than it is kept; nought keeps for ever. What was accepted goes by its day's folder, what was
    refused by the time at which it was put there, of which no name tells."""
    removed = 0
    with suppress(NotFound):
        if sent_days:
            removed += _remove_sent(base, today - timedelta(days=sent_days))
        if error_days:
            removed += _remove_refused(base, now - timedelta(days=error_days))
    return removed


def _remove_sent(base: Place, before: date) -> int:
    """The folders of whole days, and those of months and years that are empty then."""
    removed = 0
    for year in _numbers(base, SENT):
        for month in _numbers(base, SENT, year):
            for day in _numbers(base, SENT, year, month):
                with suppress(ValueError):
                    if date(int(year), int(month), int(day)) < before:
                        removed += _remove(base, (SENT, year, month), day)
            _remove_empty(base, (SENT, year), month)
        _remove_empty(base, (SENT,), year)
    return removed


def _numbers(base: Place, *steps: str) -> list[str]:
    with base.within(*steps) as here:
        return [
            entry.name for entry in here.listing(_MOST_KEPT)[0] if entry.is_folder and entry.name.isdecimal()
        ]


def _remove(base: Place, steps: tuple[str, ...], name: str) -> int:
    with base.within(*steps) as here:
        here.remove(name)
    return 1


def _remove_empty(base: Place, steps: tuple[str, ...], name: str) -> None:
    with base.within(*steps) as here:
        with here.within(name) as below:
            is_empty = not below.listing(1)[0]
        if is_empty:
            here.remove(name)


def _remove_refused(base: Place, before: datetime) -> int:
    removed = 0
    with base.within(ERROR) as refused:
        for entry in refused.listing(_MOST_KEPT)[0]:
            put_at = refused.put_at(entry.name)
            if put_at is not None and put_at < before:
                refused.remove(entry.name)
                removed += 1
    return removed
