"""Writes the schema that all migrations together make as SQL, for one new migration in their place. In: the migrations and
a PostgreSQL server. Out: `NAME_sqlite.sql` and `NAME_postgresql.sql` among them, a blank line between two statements.
`python -m tests.services .venv/bin/python tools/make_baseline.py r0300_baseline`; then delete what they replace."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from gateway.store import migrate
from tests.support.databases import fresh_database

TARGET = Path(migrate.__file__).parent / "migrations" / "versions"
# What Alembic makes by itself, what `store.plans` writes, and what a server may not have: the migration asks for that.
LEFT_OUT = re.compile("alembic_version|sqlite_stat1|pg_trgm|gin_trgm_ops")
NO_SCHEMA = re.compile("SELECT|PRAGMA|BEGIN|SAVEPOINT|RELEASE|INSERT|UPDATE|DELETE")  # of an empty database
ADDED = re.compile(r"ALTER TABLE (\w+)\s+(ADD COLUMN .+)", re.DOTALL)
COLUMN = re.compile(r"ADD COLUMN (.+?)(?:,\s*|\Z)(?=ADD COLUMN|\Z)", re.DOTALL)
TAKEN_BACK = re.compile(r"DROP (?:TRIGGER|INDEX|TABLE) (?:IF EXISTS )?(\w+).*")
RENAMED = re.compile(r"ALTER TABLE (\w+) RENAME TO (\w+)")
MADE = re.compile(r"CREATE (?:OR REPLACE )?(?:UNIQUE |VIRTUAL )?\w+ (?:IF NOT EXISTS )?(\w+)")
KEPT_OTHERWISE = re.compile(r"ALTER TABLE \w+ ALTER COLUMN \w+ SET STORAGE \w+")
BEHIND_COLUMNS = re.compile(r"^    (PRIMARY KEY|CONSTRAINT) ", re.MULTILINE)


async def recorded(url: str) -> list[str]:
    """List the statements that make a new database there, in order; added columns stand in their tables."""
    statements: list[str] = []

    def record(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        text = "\n".join(line.rstrip() for line in statement.strip().rstrip(";").expandtabs(4).splitlines())
        if not LEFT_OUT.search(text) and not NO_SCHEMA.match(text):
            statements.append(text)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        await migrate.up(url)
    finally:
        event.remove(Engine, "before_cursor_execute", record)
    # What is made, by its name: a trigger, an index or a table of one name stand there once.
    kept: dict[str, str] = {}
    for text in statements:
        if added := ADDED.fullmatch(text):
            for column in COLUMN.findall(added[2]):
                kept[added[1]], found = BEHIND_COLUMNS.subn(rf"    {column},\n\g<0>", kept[added[1]], count=1)
                if not found:
                    raise SystemExit(f"give the key of this table a line of its own: {kept[added[1]]}")
        elif renamed := RENAMED.fullmatch(text):
            kept[renamed[2]] = kept.pop(renamed[1]).replace(renamed[1], renamed[2], 1)
        elif taken_back := TAKEN_BACK.fullmatch(text):
            gone = re.compile(rf"(ON|TABLE) {taken_back[1]} ")
            kept = {
                name: made for name, made in kept.items() if name != taken_back[1] and not gone.search(made)
            }
        elif made := MADE.match(text):
            kept.setdefault(made[1], text)
        elif KEPT_OTHERWISE.fullmatch(text):
            kept[text] = text
        else:
            raise SystemExit(f"fold this into what it changes by hand: {text}")
    return list(kept.values())


async def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sqlite = await recorded(f"sqlite:///{folder}/new.db")
    async with fresh_database() as url:
        server = await recorded(url)
    for dialect, statements in (("sqlite", sqlite), ("postgresql", server)):
        (TARGET / f"{name}_{dialect}.sql").write_text(";\n\n".join(statements) + ";\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
