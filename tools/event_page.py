"""Writes the table of the types that programs read into docs/events.md, from the table that also makes their schemas
(`gateway/api/event_types.toml`). In: both files. Out: the page, or with --check a failure where it differs."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "events.md"
BEGIN, END = "<!-- made by tools/event_page.py -->\n", "<!-- end -->\n"
NAMES = {
    "count": "integer",
    "flag": "true or false",
    "words": "list",
    "texts": "list",
    "objects": "list of objects",
    "map": "object",
}

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from gateway.api.event_types import EventField, EventType, table  # noqa: E402 - the tool runs from anywhere


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    new = written(text)
    if "--check" in sys.argv:
        return int(new != text)
    PAGE.write_text(new, encoding="utf-8")
    return 0


def written(text: str) -> str:
    """Return the page with the table of today."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    rows = "".join(f"| `{kind.name}` | {kind.subject} | {kind.when} | {data(kind)} |\n" for kind in table())
    return f"{head}{BEGIN}\n| type | subject | when | data |\n|---|---|---|---|\n{rows}\n{END}{tail}"


def data(kind: EventType) -> str:
    always = [cell(name, f) for name, f in kind.data.items() if not f.is_optional]
    sometimes = [cell(name, f) for name, f in kind.data.items() if f.is_optional]
    parts = [", ".join(always), f"if any: {', '.join(sometimes)}" if sometimes else ""]
    return "; ".join(filter(None, parts)) or "–"


def cell(name: str, field: EventField) -> str:
    notes = [NAMES.get(field.kind, ""), "or null" if field.is_null else "", field.meaning]
    notes = [note for note in notes if note]
    return f"`{name}`" + (f" ({'; '.join(notes)})" if notes else "")


if __name__ == "__main__":
    sys.exit(main())
