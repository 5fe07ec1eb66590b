"""Closing work files, and handing them in to the archive. In: a person's agency, a file as typed. Out: the file as kept,
with an event; its owner is reminded of the day on which it has to be in the archive (T24)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.errors import Denied
from gateway_office.domain.work_file import FileKind, WorkFile
from gateway_office.services import TodoServices

MOST = 500


async def list_open(services: TodoServices, scope: AgencyScope, *, everybodys: bool) -> Sequence[WorkFile]:
    """List the closed files that are not in the archive: the person's own, or all of the agency."""
    async with services.store.read(scope) as work:
        files = await work.office.work_files.open(date.min, MOST)
    return [file for file in files if everybodys or file.owner == scope.principal_id]


async def close_file(
    services: TodoServices,
    scope: AgencyScope,
    code: str,
    title: str,
    kind: FileKind,
    closed_on: date,
    *,
    everybodys: bool,
) -> bool:
    """Note that the work in a file has ended. A file under the same code is corrected; False where it is in the archive or
    another person's, unless the caller is over all files."""
    now = services.clock.now()
    async with services.store.begin(scope) as work:
        earlier = await work.office.work_files.find(code)
        if earlier is not None and (earlier.archived_on or not _may(earlier, scope, everybodys)):
            return False
        file = WorkFile(
            id=earlier.id if earlier else services.clock.new_id("fil_"),
            code=code,
            title=title,
            kind=kind,
            closed_on=closed_on,
            owner=earlier.owner if earlier else scope.principal_id,
        )
        if file != earlier:
            await work.office.work_files.save(file)
            facts = {"code": code, "title": title, "kind": kind.value, "closed_on": closed_on.isoformat()}
            await work.events.append(EventKind.FILE_CLOSED, file.id, now, facts)
            await work.commit()
    return True


async def archive_file(services: TodoServices, scope: AgencyScope, id: str, *, everybodys: bool) -> None:
    """Note that a file was handed in to the archive today; for one that was before, nothing changes."""
    now = services.clock.now()
    async with services.store.begin(scope) as work:
        file = await work.office.work_files.get(id)
        if not _may(file, scope, everybodys):
            raise Denied(f"the file {id} belongs to another person", code="GW-RIGHT")
        if file.archived_on is None:
            await work.office.work_files.save(replace(file, archived_on=local(now).date()))
            await work.events.append(EventKind.FILE_ARCHIVED, file.id, now, {"code": file.code})
            await work.commit()


def _may(file: WorkFile, scope: AgencyScope, everybodys: bool) -> bool:
    return everybodys or file.owner == scope.principal_id
