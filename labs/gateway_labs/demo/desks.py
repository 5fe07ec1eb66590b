"""Fills the desks of the demonstration, so that every person finds something on every page. In: settings of a prepared
folder, and what was laid out there before. Out: the story and two days of work: first the events of two days ago, then, on
the open node whose workers run, those of just now.

It also shows how the organisation changes: further agencies, one change in force, one decided for a later day, one that
waits for the second person beside a new certificate, all of it decided by the two persons who bind the certificates, as on
a real node. And it fills the operator's pages: a planned stop, a past incident, a day of the office calendar, a sealed copy
that was restored on trial."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.bootstrap.core import find_bucket
from gateway.bootstrap.node import OpenNode
from gateway.clock import SystemClock
from gateway.deciding import proposals, registry_changes
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.office_calendar import CalendarDay, DayKind
from gateway.domain.person import Proposal, ProposalContent
from gateway.domain.proof import Binding
from gateway.domain.registry_reform import DecidingDocument, Reform, ReformKind, Target
from gateway.domain.wall_clock import local
from gateway.ops import backup, restore
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway_labs.authority import Authority
from gateway_labs.demo import deciders, people, stage, story
from gateway_labs.demo.deciders import TwoDeciders
from gateway_labs.demo.offices import Offices
from gateway_labs.demo.stage import Cast, Steps
from gateway_labs.trial_node import as_csv, binding_of
from gateway_office.bootstrap.office import Office, open_office
from gateway_office.domain.notice import Audience, NoticeKind, NoticeWish
from gateway_office.domain.roles import NODE
from gateway_office.notices import NoticeBoard

_STORY_STEP = "told"
_TOMORROW, _NEXT_MONTH = timedelta(days=1), timedelta(days=30)
# Passphrase of the demonstration's own copies, which hold nothing but the demonstration.
PASSPHRASE = "cum mat khau dung thu"  # noqa: S105 - shown at the start of the demonstration
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


class EarlierClock(SystemClock):
    """A clock that goes as the machine's, so long ago."""

    def __init__(self, by: timedelta = stage.AGO) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() - self._by


async def days_ago(settings: Settings, cast: Cast, clock: Clock, say: story.Say) -> None:
    """Lay out the organisation, the accounts, the story, and the work since."""
    steps = Steps(settings.node.data_dir)
    if steps.is_done(_STORY_STEP):
        return
    async with open_office(settings, clock) as node:
        await people.enter(node)
        await lay_out_organisation(node, cast)
        offices = Offices(node=node, cast=cast, steps=steps)
        async with story.at_work(node):
            tale = story.DemoStory(node=node, cast=cast, say=say)
            await tale.tell()
            await offices.days_ago()
            await tale.settled()
        operator = await offices.person("node", "operator")
        await steps.once("incident", partial(incident_over, node, cast, operator.id))
    await steps.once(_STORY_STEP, _nothing)


async def just_now(node: Office, cast: Cast) -> None:
    """Lay out everything else, after the events of two days ago."""
    steps = Steps(node.settings.node.data_dir)
    offices = Offices(node=node, cast=cast, steps=steps)
    await steps.once("mail", offices.just_now)
    await steps.once("forged", offices.forged)
    for actor in stage.ACTORS:
        await offices.furnished(actor)
    operator = await offices.person("node", "operator")
    commune = (await offices.scope("commune")).agency_id
    await steps.once("stop", partial(_planned_stop, node, cast, operator.id, commune))
    await steps.once("office", partial(_office_day, node, cast, operator.id))
    await steps.once("copy", partial(_sealed_copy, node, operator.id))


async def _nothing() -> None:
    """Do nothing: the step only marks that all others are done."""


async def lay_out_organisation(node: Office, cast: Cast) -> None:
    """Lay out the organisation once: binding certificates is the last of it."""
    await _import_agencies(node, cast)
    bindings = await stage.unbound(node)
    if not bindings:
        return
    both = await deciders.two_deciders(node.deciding, cast.deciders)
    decided = {r.reform.decision.number for r in await registry_changes.list_reforms(node.deciding, 100)}
    # Before the first binding the two persons need not have been there for a day.
    for key, begins in (("done", _TOMORROW), ("planned", _NEXT_MONTH)):
        if cast.data["changes"][key]["number"] not in decided:
            proposal = await _proposed(node, both, cast, key, begins)
            await deciders.agreed(node.deciding, both, proposal)
    await deciders.bind_all(node.deciding, both, bindings, await stage.seals_of(node.settings.node.data_dir))
    await _proposed(node, both, cast, "waiting", _NEXT_MONTH, cast.words("waiting_why"))
    await _partners_certificate(node, both, cast)
    await people.share_decisions(node, both)


async def _import_agencies(node: OpenNode, cast: Cast) -> None:
    rows = [
        (agency["code"], agency["name"], cast.code("province"), agency["email"])
        for agency in cast.data["agencies"]
        if await node.directory.entry(agency["code"]) is None
    ]
    plan = await node.directory_changes.plan_import(as_csv([("code", "name", "parent", "email"), *rows]))
    if plan.added:
        await node.directory_changes.apply(plan, "demo")


async def _proposed(
    node: OpenNode, both: TwoDeciders, cast: Cast, key: str, begins: timedelta, why: str = ""
) -> Proposal:
    planned = await registry_changes.plan_reform(
        node.deciding, _reform(node, cast, cast.data["changes"][key], begins)
    )
    return await registry_changes.propose_reform(node.deciding, both.proposer, planned, why)


def _reform(node: OpenNode, cast: Cast, change: dict[str, Any], begins: timedelta) -> Reform:
    today = node.out.today()
    return Reform(
        kind=ReformKind(change["kind"]),
        decision=DecidingDocument(
            number=change["number"], issued_on=today, issuer=str(cast.data["province"]["name"])
        ),
        effective_on=today + begins,
        sources=tuple(change["sources"]),
        targets=tuple(Target(code=code) for code in change.get("targets", ())),
        name=change.get("name"),
    )


async def _partners_certificate(node: OpenNode, both: TwoDeciders, cast: Cast) -> None:
    """Propose a partner's certificate, which came with a letter: the second person calls there before approving it."""
    certificate = await node.pool.run(partial(_issued, node, cast))
    now = node.clock.now()
    content = ProposalContent(
        bindings=(proposals.binding_change([], certificate, now, node.deciding.overlap),)
    )
    await proposals.propose(node.deciding, both.proposer, content, cast.words("certificate_why"))


def _issued(node: OpenNode, cast: Cast) -> Binding:
    """Issue it for a key that is thrown away: nothing is ever signed with it."""
    partner = cast.data["silent"]
    authority = Authority.load(node.settings.node.data_dir / "authority")
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    issued = authority.issue(partner["code"], partner["name"], key, node.clock.now())
    return binding_of(partner["code"], issued)


async def incident_over(node: Office, cast: Cast, by: str) -> None:
    now = node.clock.now()
    wish = NoticeWish(
        kind=NoticeKind.INCIDENT,
        starts_at=now - 2 * _HOUR,
        ends_at=None,
        text_vi=cast.words("incident_vi"),
        text_en=cast.words("incident_en"),
        meanwhile=cast.words("incident_meanwhile"),
        afterwards=cast.words("incident_afterwards"),
    )
    board = NoticeBoard(services=node.todo, rows=node.store.notices)
    await board.end(by, (await board.publish(by, wish)).id)


async def _planned_stop(node: Office, cast: Cast, by: str, commune: str) -> None:
    board = NoticeBoard(services=node.todo, rows=node.store.notices)
    starts = await board.earliest() + _DAY
    wish = NoticeWish(
        kind=NoticeKind.STOP,
        starts_at=starts,
        ends_at=starts + _HOUR / 2,
        text_vi=cast.words("stop_vi"),
        text_en=cast.words("stop_en"),
        audience=Audience.ONE_AGENCY,
        agency_id=commune,
    )
    await board.publish(by, wish)


async def _office_day(node: Office, cast: Cast, by: str) -> None:
    now = node.clock.now()
    day = local(now).date() + 20 * _DAY
    holiday = CalendarDay(day=day, kind=DayKind.HOLIDAY, name=cast.words("office_day"))
    await node.todo.calendar.save([holiday], now, by)


async def _sealed_copy(node: Office, by: str) -> None:
    """Make a copy and restore it beside the running node, as the page of copies does."""
    settings, now = node.settings, node.clock.now()
    data_dir = settings.node.data_dir
    target = (data_dir / "backups" / f"{settings.node.name}-{now:%Y%m%dT%H%M%SZ}.backup").absolute()
    source = backup.BackupSource(
        node=settings.node.name,
        database_url=settings.database.address,
        content=data_dir / "content",
        keys=settings.keys.folder,
        trust=settings.trust.folder,
        settings=None,
        bucket=find_bucket(settings),
    )
    await backup.make(source, target, PASSPHRASE.encode(), node.clock, node.pool, _quiet)
    drill = await restore.drill(target, PASSPHRASE.encode(), data_dir, None, node.clock, node.pool, _quiet)
    backup.note(data_dir, target, now, node.clock.now())
    facts = {
        "file": target.name,
        "outcome": "equal",
        "rows": drill.manifest.rows,
        "files": drill.files,
        "detail": "",
    }
    async with node.store.begin(AgencyScope(agency_id=NODE, principal_id=by)) as work:
        await work.events.append(EventKind.BACKUP_TESTED, "backup", node.clock.now(), facts)
        await work.commit()


def _quiet(step: str, count: int) -> None:
    """Ignore the progress."""
