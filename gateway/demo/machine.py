"""What whoever looks after the demonstration's node finds: a stop that is planned, an incident that is over, a day of the
office calendar, a sealed copy that was restored on trial. In: an open node. Out: each of them, once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from gateway.demo.stage import Cast
from gateway.demo.steps import Steps
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.office_calendar import CalendarDay, DayKind
from gateway.domain.wall_clock import local
from gateway.office.bootstrap.office import Office
from gateway.office.domain.notice import Audience, NoticeKind, Wish
from gateway.office.domain.post import NODE
from gateway.office.todo import notices
from gateway.ops import backup, restore

# Of the demonstration's own copies, which hold nothing but the demonstration.
PASSPHRASE = "cum mat khau dung thu"  # noqa: S105 - told to whoever starts it
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


async def incident_over(node: Office, cast: Cast, by: str) -> None:
    now = node.clock.now()
    wish = Wish(
        kind=NoticeKind.INCIDENT,
        starts_at=now - 2 * _HOUR,
        ends_at=None,
        text_vi=cast.words("incident_vi"),
        text_en=cast.words("incident_en"),
        meanwhile=cast.words("incident_meanwhile"),
        afterwards=cast.words("incident_afterwards"),
    )
    made = await notices.publish(node.todo, node.store.notices, by, wish)
    await notices.end(node.todo, node.store.notices, by, made.id)


async def laid_out(node: Office, cast: Cast, steps: Steps, by: str, commune: str) -> None:
    """`by` is the operator, `commune` the agency that the stop is planned for."""
    await steps.once("stop", partial(_stop, node, cast, by, commune))
    await steps.once("office", partial(_office_day, node, cast, by))
    await steps.once("copy", partial(_copy, node, by))


async def _stop(node: Office, cast: Cast, by: str, commune: str) -> None:
    starts = await notices.earliest(node.todo) + _DAY
    wish = Wish(
        kind=NoticeKind.STOP,
        starts_at=starts,
        ends_at=starts + _HOUR / 2,
        text_vi=cast.words("stop_vi"),
        text_en=cast.words("stop_en"),
        audience=Audience.ONE,
        agency_id=commune,
    )
    await notices.publish(node.todo, node.store.notices, by, wish)


async def _office_day(node: Office, cast: Cast, by: str) -> None:
    now = node.clock.now()
    day = local(now).date() + 20 * _DAY
    named = CalendarDay(day=day, kind=DayKind.HOLIDAY, name=cast.words("office_day"))
    await node.todo.calendar.put([named], now, by)


async def _copy(node: Office, by: str) -> None:
    """Made, and restored beside the running node, as the page of copies does."""
    settings, now = node.settings, node.clock.now()
    data_dir = settings.node.data_dir
    target = (data_dir / "backups" / f"{settings.node.name}-{now:%Y%m%dT%H%M%SZ}.backup").absolute()
    source = backup.Source(
        node=settings.node.name,
        database_url=settings.database.address,
        content=data_dir / "content",
        keys=settings.keys.folder,
        trust=settings.trust.folder,
        settings=None,
    )
    await backup.make(source, target, PASSPHRASE.encode(), node.clock, node.pool, _quiet)
    done = await restore.drill(target, PASSPHRASE.encode(), data_dir, None, node.clock, node.pool, _quiet)
    backup.note(data_dir, target, now, node.clock.now())
    told = {
        "file": target.name,
        "outcome": "equal",
        "rows": done.manifest.rows,
        "files": done.files,
        "detail": "",
    }
    async with node.store.begin(AgencyScope(agency_id=NODE, principal_id=by)) as work:
        await work.events.append(EventKind.BACKUP_TESTED, "backup", node.clock.now(), told)
        await work.commit()


def _quiet(what: str, count: int) -> None:
    """Nobody watches it being made."""
