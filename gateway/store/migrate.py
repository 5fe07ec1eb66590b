"""Migration of a database to this version's schema, and its state. In: a URL. Out: numbered steps applied, forward only.
*Expand* steps leave older nodes working and run at start; *contract* steps run only on request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, func, inspect, select, table, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway import errors
from gateway.store import plans
from gateway.store.engine import AS_SHIPPED, EngineRole, engine_for_task
from gateway.store.transaction import driver_message

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import Script

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = (
    0x67774D49  # any fixed number: the advisory lock with which nodes of one database migrate one at a time
)
_VERSION = table("alembic_version", column("version_num"))  # Alembic's own
# The first step, and the last of the earlier steps, which are removed: both leave the same schema (decision 0001).
_BASELINE, _SAME = "0300", "0226"
# The last programs before a baseline, by their last schema: a database is walked through them one after the other. A bundle
# has such a number; one that is built from the commit behind it calls itself 0.1.0.
_LAST_PROGRAMS = {"0116": "0.1.764+b4d9cb3f", _SAME: "0.1.1705+8d5addc9"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStep:
    """One numbered step: its revision, its phase (`expand` or `contract`), and the first line of its docstring."""

    revision: str
    phase: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStatus:
    """State of a database's schema. `current` is its revision, None for an empty database; `head` is this version's;
    `pending` are the steps between, in order. `is_newer`: a newer program made it; `is_supported`: it is at most one step
    newer, which this version accepts."""

    current: str | None
    head: str
    pending: tuple[MigrationStep, ...]
    is_newer: bool = False
    is_supported: bool = True


async def up(url: str, contract: bool = False) -> SchemaStatus:
    """Apply the pending steps, up to the first contract step unless `contract`, in one transaction; return the state."""
    try:
        async with engine_for_task(url, EngineRole.MIGRATOR) as engine, engine.begin() as connection:
            await connection.run_sync(_upgrade, contract)
            return await connection.run_sync(_status)
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(
            f"the schema was not changed ({driver_message(cause)}); nothing was applied"
        ) from cause


async def status(url: str) -> SchemaStatus:
    """Return the state of the schema without changing it."""
    try:
        async with engine_for_task(url, EngineRole.READER) as engine:
            return await status_of(engine)
    except SQLAlchemyError as cause:
        raise _unopened(cause) from cause


async def status_of(engine: AsyncEngine) -> SchemaStatus:
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_status)
    except SQLAlchemyError as cause:
        raise _unopened(cause) from cause


def _unopened(cause: SQLAlchemyError) -> errors.Misconfigured:
    return errors.Misconfigured(
        f"the database cannot be opened ({driver_message(cause)}); check database.url"
    )


async def check(engine: AsyncEngine) -> None:
    """Check that this version runs on the database's schema: no expand step is pending, and it is at most one step newer.
    Misconfigured otherwise."""
    schema = await status_of(engine)
    if any(step.phase == "expand" for step in schema.pending):
        raise errors.Misconfigured(
            f"the database has schema {schema.current or 'none'} and this version needs {schema.head}; "
            "run `gateway migrate up`"
        )
    if not schema.is_supported:
        raise errors.Misconfigured(
            f"the database has schema {schema.current}, and this version knows {schema.head} and at most the next one; "
            "run a newer version of the program (schemas only go forward)"
        )


def of_today(revision: str, code: str | None = None) -> str:
    """Return this version's revision of the same schema. Misconfigured for a schema before the baseline, from which this
    version has no steps."""
    today_revision = _BASELINE if revision == _SAME else revision
    if today_revision < _BASELINE:
        programs = ", then ".join(
            f"{name} (schema {last})" for last, name in _LAST_PROGRAMS.items() if revision <= last
        )
        raise errors.Misconfigured(
            f"schema {revision} is of before {_BASELINE}, where the steps of this version begin",
            code=code,
            hint=(
                f"run `gateway migrate up` of the program {programs}, built from the commit behind the +; a backup: "
                f"restore it with the first of them and back it up anew with the last; from there this version goes on"
            ),
        )
    return today_revision


def bring(connection: Connection, to: str) -> None:
    """Apply the steps up to the revision `to` in the connection's transaction."""
    from alembic import command

    revision = _status(connection).current
    if revision is not None and of_today(revision) != revision:
        connection.execute(update(_VERSION).values(version_num=of_today(revision)))
    command.upgrade(config(connection), to)


@cache
def steps() -> tuple[MigrationStep, ...]:
    """Return every step that this version ships, the oldest first. Cached, because each step's module is imported."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(config())
    return tuple(map(_step, reversed(list(scripts.walk_revisions()))))


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's settings, which need no file of their own."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    return settings


def _is_at(connection: Connection, revision: str) -> bool:
    if not inspect(connection).has_table(_VERSION.name):
        return False
    return list(connection.execute(select(_VERSION.c.version_num)).scalars()) == [revision]


def _upgrade(connection: Connection, contract: bool) -> None:
    if connection.dialect.name == "postgresql":
        # On SQLite the write lock is held already; on a server this lock keeps nodes that start together apart.
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        # Limited, because a wait for the lock of a whole table holds up all later statements of working nodes.
        connection.execute(select(func.set_config("lock_timeout", f"{AS_SHIPPED.lock_s}s", True)))
    last = target(_status(connection), contract)
    if last is not None:
        bring(connection, last)
    plans.write_statistics(connection)


def target(schema: SchemaStatus, contract: bool) -> str | None:
    """Return the revision of the last pending step that may run now; None when none may."""
    last = None
    for step in schema.pending:
        if step.phase == "contract" and not contract:
            break
        last = step.revision
    return last


def _status(connection: Connection) -> SchemaStatus:
    # Nearly every database has the last step, which is known by its file's name; then Alembic need not be loaded.
    newest = max(path.name[1:].partition("_")[0] for path in (_FOLDER / "versions").glob("r[0-9]*.py"))
    if _is_at(connection, newest):
        return SchemaStatus(current=newest, head=newest, pending=())
    from alembic.runtime.migration import MigrationContext

    revision = MigrationContext.configure(connection).get_current_revision()
    revisions = [step.revision for step in steps()]
    applied = _count_applied(revisions, revision)
    is_newer = revision is not None and applied == len(revisions) and revision not in revisions
    return SchemaStatus(
        current=revision,
        head=revisions[-1],
        pending=steps()[applied:],
        is_newer=is_newer,
        is_supported=not is_newer or revision == f"{int(revisions[-1]) + 1:04}",
    )


def _count_applied(revisions: list[str], revision: str | None) -> int:
    """Count the known steps that are applied; all of them when the database is newer than this version."""
    if revision is None or of_today(revision) != revision:
        return 0
    return revisions.index(revision) + 1 if revision in revisions else len(revisions)


def _step(script: Script) -> MigrationStep:
    return MigrationStep(
        revision=script.revision, phase=script.module.phase, summary=script.doc.partition("\n")[0]
    )
