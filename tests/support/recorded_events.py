"""Writes down the events that tests cause, as programs read them: `RECORDED_EVENTS=FILE pytest -p
tests.support.recorded_events`. Then `python -m tests.support.recorded_events FILE` renews the examples of those types in
`gateway/api/event_examples.json`. `neutral` gives ids, digests and times fixed values, so that an example shows no run."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.domain import feed
from gateway.domain.event import Event, EventKind
from gateway.store.events import SqlEvents
from tests.support.contract import EXCHANGE

EXAMPLES = Path(__file__).parents[2] / "gateway" / "api" / "event_examples.json"
MOMENT, DAY, AGENCY = "2026-11-20T14:02:11+07:00", "2026-11-20", "Z91.07"
_ULID = re.compile(r"(?<![0-9A-Z])[0-9A-HJKMNP-TV-Z]{26}(?![0-9A-Z])")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b(?!T)")
_HEXADECIMAL = re.compile(r"\b[0-9a-f]{32}\b")


def pytest_configure() -> None:
    file = Path(os.environ["RECORDED_EVENTS"])
    append_all = SqlEvents.append_all

    async def recorded(
        self: SqlEvents, at: datetime, events: Sequence[tuple[str, EventKind, Mapping[str, object]]]
    ) -> None:
        with file.open("a", encoding="utf-8") as target:
            for subject, kind, data in events:
                if feed.scope_of(kind) is not None:
                    happened = Event(
                        id="0" * 26,
                        kind=kind,
                        at=at,
                        subject_id=subject,
                        principal_id="",
                        data=dict(data),
                        agency_seq=1,
                    )
                    body = json.dumps(feed.event_body(happened, AGENCY), ensure_ascii=False, default=str)
                    target.write(
                        json.dumps({"in_sequence": bool(self._scope.agency_id), "body": body}) + "\n"
                    )
        await append_all(self, at, events)

    SqlEvents.append_all = recorded  # type: ignore[method-assign]  # writes down what passes


def neutral(text: str) -> str:
    """Return an event's JSON with fixed ids, digests and times."""
    text = _MOMENT.sub(MOMENT, text)
    text = _DAY.sub(DAY, text)
    text = _ULID.sub(_numbered(lambda n: f"01KA{n:022}"), text)
    text = _HEXADECIMAL.sub(_numbered(lambda n: f"{n:032x}"), text)
    return _DIGEST.sub(_numbered(lambda n: f"{n:064x}"), text)


def _numbered(write: Callable[[int], str]) -> Callable[[re.Match[str]], str]:
    """Return a replacement that numbers the different matches in their order."""
    numbers: dict[str, int] = {}
    return lambda match: write(numbers.setdefault(match[0], len(numbers) + 1))


def main(recording: Path) -> None:
    recorded = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    recorded |= examples(recording.read_text(encoding="utf-8").splitlines())
    ordered = {kind.value: recorded[kind.value] for kind in EventKind if kind.value in recorded}
    EXAMPLES.write_text(json.dumps(ordered, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def examples(lines: Sequence[str]) -> dict[str, Any]:
    """Return of each type the recorded event that says most, the shortest of those. What no agency's sequence has, no
    program reads; what does not fit its type is of a test that writes events itself."""
    best: dict[str, Any] = {}
    for line in lines:
        row = json.loads(line)
        body = json.loads(neutral(row["body"]))
        if not row["in_sequence"] or EXCHANGE.event_complaints(body):
            continue
        example = best.get(body["type"])
        if example is None or _rank(body) > _rank(example):
            best[body["type"]] = body
    return best


def _rank(body: Mapping[str, Any]) -> tuple[int, int, str]:
    text = json.dumps(body["data"], ensure_ascii=False)
    filled = sum(value not in (None, "", [], {}) for value in body["data"].values())
    return filled, -len(text), text


if __name__ == "__main__":
    main(Path(sys.argv[1]))
