"""The node's database where the office is open: lists follow every document, whichever unit of work changes it, and units
have the rows that people at pages need, each part made when it is first asked for: an agency's own labels, saved views of
lists, each person's settings. Notices of stops and incidents, and values that a page keeps for the next, have a transaction
for each call. In: the parameters of the exchange's store, and how the office reckons its hours."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import bindparam, delete, func, select, update
from sqlmodel import col

from gateway import errors, random_source
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument
from gateway.domain.event import EventKind
from gateway.domain.text import fold
from gateway.ports.services import Clock
from gateway.store.calendar import SqlCalendarDays
from gateway.store.engine import AS_SHIPPED, ServerLimits
from gateway.store.events import SqlEvents
from gateway.store.repository import NO_FOLLOWER, AgencyRows, Follower, OwnTransactions, Part, in_parts
from gateway.store.row import among, equal, to_json
from gateway.store.store import SqlStore
from gateway.store.tables_office import (
    KeepingRow,
    NoticeRow,
    NotificationSettingsRow,
    SavedViewRow,
    TagMarkRow,
    TagRow,
)
from gateway.store.transaction import Open, SlowTransaction, Transaction
from gateway.store.work import SqlWork
from gateway_office.domain.listing import MOST_ON_ONE, SavedView, Side, Tag
from gateway_office.domain.notice import Notice, NotificationSettings, RingKind
from gateway_office.domain.pending import PendingAct
from gateway_office.store import lists_figures
from gateway_office.store.book import SqlBooks
from gateway_office.store.contents import SqlContentQueue, SqlContents
from gateway_office.store.lists import CountCache, SqlLists
from gateway_office.store.lists_due import Dues, Reckon, reckon_without_office
from gateway_office.store.lists_write import ListFolder, ListMarks
from gateway_office.store.pending import SqlPendingActs, find_due
from gateway_office.store.reminders import SqlReminders
from gateway_office.store.todo import SqlRecallAsks, SqlSubmissions, SqlTasks

if TYPE_CHECKING:
    from gateway_office.policy.office_rules import OfficeRule
    from gateway_office.store.document_links import SqlDocumentLinks
    from gateway_office.store.office_rules import SqlOfficeRules
    from gateway_office.store.past_decisions import SqlPastDecisions
    from gateway_office.store.work_files import SqlWorkFiles

V = TypeVar("V")
MOST_KEEPINGS = 20
"""Bound for one session."""
KEEPING_AGE = timedelta(hours=1)
_KEEPING = KeepingRow

FOLLOW_KEY, RULE_MAIL_KEY = "rule-follow:", "rule-mail:"
"""First part of the keys of reminders that a rule plans: the person follows the document; a mail about it is due."""
# Changes that some hundred documents on their way make.
_MANY_CHANGES = 200


class SqlKeepings(OwnTransactions):
    """Values that a page keeps for the next: of its session alone, for an hour, whichever process is asked. Each call is
    durable on return."""

    async def keep(self, session_id: str, body: bytes, at: datetime) -> str:
        """Keep a body under a key that cannot be guessed. Expired bodies go, and of a session all but the newest few."""
        key, text = random_source.token_urlsafe(12), b64encode(body).decode()
        of_session = select(col(_KEEPING.key)).where(col(_KEEPING.session_id) == session_id)
        async with self._changing() as tx:
            await tx.change(delete(_KEEPING).where(col(_KEEPING.until) <= at))
            tx.insert(KeepingRow(key=key, session_id=session_id, body=text, at=at, until=at + KEEPING_AGE))
            beyond = await tx.tuples(
                of_session.order_by(col(_KEEPING.at).desc(), col(_KEEPING.key)).offset(MOST_KEEPINGS)
            )
            if beyond:
                await tx.change(delete(_KEEPING).where(col(_KEEPING.key).in_([row[0] for row in beyond])))
        return key

    async def find(self, key: str, session_id: str, now: datetime) -> bytes | None:
        """Return the body; None for another session, or when its time is over."""
        is_mine = equal(_KEEPING, key=key, session_id=session_id)
        query = select(_KEEPING).where(is_mine, col(_KEEPING.until) > now)
        async with self._reading() as tx:
            row = await tx.first(_KEEPING, query)
        return b64decode(row.body) if row is not None else None

    async def forget(self, key: str) -> None:
        """Remove the body; harmless where there is none."""
        await self._change(delete(_KEEPING).where(col(_KEEPING.key) == key))


_NOTICE = NoticeRow
_NEWEST_NOTICES = select(_NOTICE).order_by(col(_NOTICE.published_at).desc(), col(_NOTICE.id).desc())
_MOST_OPEN_NOTICES = 50


class SqlNotices(OwnTransactions):
    """Notices of stops and incidents. Each call is durable on return."""

    def __init__(self, writing: Open, reading: Open, clock: Clock) -> None:
        super().__init__(writing, reading)
        self._clock = clock

    async def open(self) -> Sequence[Notice]:
        """List the notices that are not closed, newest first."""
        is_open = _NEWEST_NOTICES.where(col(_NOTICE.closed_at).is_(None))
        return await self._values(Notice, is_open.limit(_MOST_OPEN_NOTICES))

    async def all(self, limit: int) -> Sequence[Notice]:
        """List notices, newest first."""
        return await self._values(Notice, _NEWEST_NOTICES.limit(limit))

    async def get(self, id: str) -> Notice:
        notices = await self._values(Notice, _NEWEST_NOTICES.where(col(_NOTICE.id) == id))
        if not notices:
            raise errors.NotFound(f"there is no notice {id[:80]}")
        return notices[0]

    async def save(
        self,
        notice: Notice,
        kind: EventKind,
        agencies: Sequence[str],
        data: Mapping[str, object],
        by: str,
        at: datetime,
    ) -> None:
        """Write the row, over an older state that is still open, and the event to each agency's stream; the empty id is the
        node's own. Clash when it was closed before."""
        row = NoticeRow.from_value(notice)
        async with self._changing() as tx:
            if not await tx.insert_new(row):
                is_open = equal(_NOTICE, id=notice.id, closed_at=None)
                values = row.values("id", "published_at", "published_by")
                if not await tx.change(update(_NOTICE).where(is_open).values(values)):
                    raise errors.Clash(f"the notice {notice.id} ended before")
            for agency_id in agencies:
                scope = AgencyScope(agency_id=agency_id, principal_id=by)
                await SqlEvents(tx, scope, self._clock).append(kind, notice.id, at, data)


_TAG, _MARK = TagRow, TagMarkRow
_MARKS_OF = select(col(_MARK.document_id), col(_MARK.tag_id)).where(
    col(_MARK.agency_id) == bindparam("agency"), among(col(_MARK.document_id), "ids")
)


class SqlTags(AgencyRows):
    """The labels of one agency."""

    def __init__(self, tx: Transaction, scope: AgencyScope, changed: Callable[[str], None]) -> None:
        """Call `changed` with an agency whose lists have changed."""
        super().__init__(tx, scope)
        self._changed = changed

    async def all(self) -> Sequence[Tag]:
        """List labels by name."""
        return await self._list(Tag, _TAG, "folded")

    async def find(self, name: str) -> Tag | None:
        """Find a label by its name; letter case and accents do not matter."""
        return await self._find(Tag, _TAG, lock=False, folded=fold(name))

    async def add(self, tag: Tag) -> None:
        """Add a label. Clash when there is one that reads the same."""
        row = TagRow.from_value(tag, agency_id=self._agency_id, folded=fold(tag.name))
        if not await self._tx.insert_new(row):
            raise errors.Clash(f"there is a label named {tag.name!r} already, or one that reads the same")

    async def remove(self, id: str) -> bool:
        """Remove a label with every mark of it; return whether there was one."""
        await self._delete(_MARK, tag_id=id)
        self._tell()
        return await self._delete(_TAG, id=id) == 1

    async def of_documents(self, ids: Sequence[str]) -> Mapping[str, Sequence[Tag]]:
        """Return the labels of these documents, by name; only documents that carry any."""
        tags_by_document: dict[str, list[Tag]] = {}
        tag_by_id = {label.id: label for label in await self.all()} if ids else {}
        order = {id: n for n, id in enumerate(tag_by_id)}
        for part in in_parts(ids if tag_by_id else ()):
            for document_id, tag_id in await self._tx.tuples(_MARKS_OF, agency=self._agency_id, ids=part):
                tags_by_document.setdefault(document_id, []).append(tag_by_id[tag_id])
        return {id: sorted(tags, key=lambda tag: order[tag.id]) for id, tags in tags_by_document.items()}

    async def mark(self, id: str, side: Side, document_id: str, at: datetime, by: str) -> bool:
        """Mark a document with a label; return whether it did not carry it yet."""
        self._tell()
        return await self._tx.insert_new(
            TagMarkRow(
                agency_id=self._agency_id,
                tag_id=id,
                document_id=document_id,
                side=side.value,
                marked_by=by,
                marked_at=at,
            )
        )

    async def unmark(self, id: str, document_id: str) -> bool:
        """Take a label off a document; return whether it carried it."""
        self._tell()
        return await self._delete(_MARK, tag_id=id, document_id=document_id) == 1

    async def counts(self) -> Mapping[tuple[str, Side], int]:
        """Count the documents of each direction that carry each label; labels of none are left out."""
        query = (
            select(col(_MARK.tag_id), col(_MARK.side), func.count())
            .where(self._where(_MARK))
            .group_by(col(_MARK.tag_id), col(_MARK.side))
        )
        return {(tag_id, Side(side)): n for tag_id, side, n in await self._tx.tuples(query)}

    def _tell(self) -> None:
        self._tx.when_committed(partial(self._changed, self._agency_id))


_VIEW = SavedViewRow


class SqlSavedViews(AgencyRows):
    """Views of lists that persons of one agency saved."""

    async def of_person(self, person_id: str, side: Side) -> Sequence[SavedView]:
        """List a person's views, by name."""
        return await self._list(SavedView, _VIEW, "folded", person_id=person_id, side=side.value)

    async def save(self, view: SavedView) -> None:
        """Save a view over one of the same name; letter case and accents do not matter."""
        row = SavedViewRow.from_value(view, agency_id=self._agency_id, folded=fold(view.name), is_first=False)
        await self._tx.upsert(row)

    async def remove(self, person_id: str, side: Side, name: str) -> bool:
        """Remove a view; return whether there was one."""
        key = {"person_id": person_id, "side": side.value, "folded": fold(name)}
        return await self._delete(_VIEW, **key) == 1


_SETTINGS = NotificationSettingsRow
_KINDS = tuple[RingKind, ...]


class SqlNotificationSettings(AgencyRows):
    """Notification settings of each person in this agency."""

    async def load(self, person_id: str) -> NotificationSettings:
        """Return the person's settings; the defaults where nothing was kept yet."""
        settings = await self._find(NotificationSettings, _SETTINGS, lock=False, person_id=person_id)
        return settings if settings is not None else NotificationSettings()

    async def save(self, person_id: str, settings: NotificationSettings) -> None:
        muted = to_json(_KINDS, tuple(sorted(settings.muted))) if settings.muted is not None else None
        row = NotificationSettingsRow.from_value(
            settings, agency_id=self._agency_id, person_id=person_id, muted=muted
        )
        await self._tx.upsert(row)


def _slow_part(make: Callable[..., V], takes: int = 2) -> Part[V]:
    """Return the part of a repository whose queries may take long."""
    return Part(lambda tx, *arguments: make(SlowTransaction(tx), *arguments), takes)


def _open_files(tx: Transaction, scope: AgencyScope) -> SqlWorkFiles:
    """Open the repository of files of records; its module is loaded with its first use."""
    from gateway_office.store.work_files import SqlWorkFiles

    return SqlWorkFiles(tx, scope)


def _open_links(tx: Transaction, scope: AgencyScope) -> SqlDocumentLinks:
    """Open the repository of links between documents, as that of files."""
    from gateway_office.store.document_links import SqlDocumentLinks

    return SqlDocumentLinks(tx, scope)


def _open_past(tx: Transaction, scope: AgencyScope) -> SqlPastDecisions:
    """Open the reader of past decisions; its modules are loaded with the first suggestion."""
    from gateway_office.store.past_decisions import SqlPastDecisions

    return SqlPastDecisions(tx, scope)


def _open_rules(tx: Transaction, scope: AgencyScope) -> SqlOfficeRules:
    """Open an agency's rules; their modules are loaded with the first letter that is taken in."""
    from gateway_office.store.office_rules import SqlOfficeRules

    return SqlOfficeRules(tx, scope)


@dataclass(eq=False)
class SqlOfficeRows:
    """Rows of the office, of one agency within one unit of work."""

    tx: Transaction
    scope: AgencyScope
    clock: Clock
    folder: ListFolder
    cache: CountCache | None

    contents = _slow_part(SqlContents)
    views = Part(SqlSavedViews)
    tasks = _slow_part(SqlTasks)
    reminders = _slow_part(SqlReminders)
    work_files = _slow_part(_open_files)
    links = Part(_open_links)
    books = _slow_part(SqlBooks, takes=3)
    recalls = Part(SqlRecallAsks)
    notification_settings = Part(SqlNotificationSettings)
    submissions = Part(SqlSubmissions)
    past = _slow_part(_open_past)
    rules = Part(_open_rules)
    pending = Part(SqlPendingActs)

    @property
    def arguments(self) -> tuple[Transaction, AgencyScope, Clock]:
        return self.tx, self.scope, self.clock

    @cached_property
    def lists(self) -> SqlLists:
        tx = SlowTransaction(self.tx)
        return SqlLists(tx, self.scope, self.clock, self.folder, cache=self.cache)

    @cached_property
    def tags(self) -> SqlTags:
        return SqlTags(self.tx, self.scope, self.folder.changed)


class OfficeWork(SqlWork):
    """A unit of work of the exchange that has the rows of the office, `office`, besides."""

    def __init__(
        self,
        tx: Transaction,
        scope: AgencyScope,
        clock: Clock,
        folder: ListFolder,
        follower: Follower = NO_FOLLOWER,
        *,
        cache: CountCache | None = None,
    ) -> None:
        """Create the unit; `cache` is for units that only read."""
        super().__init__(tx, scope, clock, follower)
        self.office = SqlOfficeRows(tx, scope, clock, folder, cache)

    async def rules_met(self, document: IncomingDocument) -> Sequence[OfficeRule]:
        """Return the agency's rules in force that the document meets, in their order."""
        if not (rules := await self.office.rules.all(is_on=True)):
            return ()
        from gateway_office.policy.office_rules import meets, traits_of

        letter = traits_of(document)
        return [rule for rule in rules if meets(letter, rule.condition)]

    async def note_entry(self, document: IncomingDocument) -> None:
        """Carry out the rules that the document meets, in this unit of work. A part that names what there is no longer is
        left out; each act is an event that names its rule."""
        for rule in await self.rules_met(document):
            await self._put_tag(rule, document.id)
            readers = await self.office.rules.readers(self._clock.now()) if rule.acts.people else {}
            for person_id in rule.acts.people:
                if person_id in readers:
                    await self._let_follow(rule, document.id, person_id)

    async def _put_tag(self, rule: OfficeRule, document_id: str) -> None:
        tags, at = self.office.tags, self._clock.now()
        tag = await tags.find(rule.acts.tag) if rule.acts.tag else None
        if tag is None or len((await tags.of_documents([document_id])).get(document_id, ())) >= MOST_ON_ONE:
            return
        if await tags.mark(tag.id, Side.IN, document_id, at, rule.id):
            await self._record(rule, document_id, at, what="tag", tag=tag.name)

    async def _let_follow(self, rule: OfficeRule, document_id: str, person_id: str) -> None:
        reminders, at = self.office.reminders, self._clock.now()
        await reminders.plan(f"{FOLLOW_KEY}{person_id}:{document_id}:{rule.id}", at)
        await self._record(rule, document_id, at, what="follow", person=person_id)
        if rule.acts.mails:
            await reminders.plan(f"{RULE_MAIL_KEY}{person_id}:{document_id}:{rule.name}", at)
            await self._record(rule, document_id, at, what="mail", person=person_id)

    async def _record(self, rule: OfficeRule, document_id: str, at: datetime, **details: str) -> None:
        data = {"rule": rule.id, "name": rule.name, **details}
        await self.events.append(EventKind.RULE_APPLIED, document_id, at, data)


class SqlOfficeStore(SqlStore):
    """The node's store, each of whose units of work has its `office`."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        limits: ServerLimits = AS_SHIPPED,
        reckon: Reckon = reckon_without_office,
    ) -> None:
        """Open the store; `reckon` says by the calendar's days until when a document should be taken in."""
        super().__init__(url, clock, limits, self._following)
        self._dues = Dues(reckon, clock)
        self._counts = CountCache(clock)
        self._hidings: Counter[str] = Counter()
        self._folder = ListFolder(
            clock=clock,
            due_now=self._dues.load,
            reading=self.reading,
            changing=self.changing_rows,
            changed=self._counts.changed,
        )
        # Changes by units of this process since it wrote rows.
        self._changes = 0
        self._many_changed = asyncio.Event()
        self.keepings = SqlKeepings(self.writing, self.reading)
        self.notices = SqlNotices(self.writing, self.reading, clock)
        self.content_queue = SqlContentQueue(self.writing, self.reading, clock, self._mark_journal)
        self.calendar = SqlCalendarDays(self.writing, self.asking, clock, self._dues.forget)

    def _mark_journal(self) -> None:
        """Let what was removed leave SQLite's journal too."""
        if self.journal is not None:
            self.journal.mark()

    def begin(self, scope: AgencyScope) -> AbstractAsyncContextManager[OfficeWork]:
        return self._writing(partial(self._work, scope=scope))

    def changing(self, scope: AgencyScope) -> AbstractAsyncContextManager[OfficeWork]:
        return self._writing(partial(self._work, scope=scope), commits=True)

    def _work(self, tx: Transaction, scope: AgencyScope) -> OfficeWork:
        follower = self._following(tx, scope.agency_id)
        return OfficeWork(tx, scope, self._clock, self._folder, follower)

    def join(self, tx: Transaction, scope: AgencyScope) -> OfficeWork:
        """Make a unit of work of one agency within a transaction that others share; it changes no document."""
        return OfficeWork(tx, scope, self._clock, self._folder)

    def read(self, scope: AgencyScope) -> AbstractAsyncContextManager[OfficeWork]:
        return self._looking(lambda tx: OfficeWork(tx, scope, self._clock, self._folder, cache=self._counts))

    def _following(self, tx: Transaction, agency_id: str) -> Follower:
        return ListMarks(tx, agency_id, self._folder, changed=self._marked, hidden=self._count_hiding)

    def _count_hiding(self, agency_id: str) -> None:
        self._hidings[agency_id] += 1

    def hidings(self, agency_id: str) -> int:
        """Return how often units of this process hid documents of the agency, as by a seal or an agreed recall: what was
        read before may still have their words."""
        return self._hidings[agency_id]

    def _marked(self, agency_id: str) -> None:
        self._counts.changed(agency_id)
        self._changes += 1
        if self._changes >= _MANY_CHANGES:
            self._many_changed.set()
        self.wake.ring("lister")

    async def acts_due(self, limit: int) -> Sequence[tuple[str, PendingAct]]:
        """List the acts of all agencies that are due, each with its agency's id."""
        async with self.asking() as tx:
            return await find_due(tx, self._clock.now(), limit)

    async def lists_wait(self) -> bool:
        """Tell whether a document changed since its row of lists was written; readers of lists see it all the same."""
        if self._changes:
            return True
        async with self.asking() as tx:
            return await self._folder.any_open(tx)

    async def gather_lists(self, most_s: float) -> None:
        """Return when so much was changed here that rows should be written, or after that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._many_changed.wait()

    async def fold_lists(self, limit: int) -> bool:
        """Write the rows of so many changed documents, the oldest changes first; return True when there may be more."""
        self._changes = 0
        self._many_changed.clear()
        async with self.changing_rows() as tx:
            return await self._folder.fold(tx, limit)

    async def fill_lists(self, limit: int) -> bool:
        """Write that many rows for documents older than lists; return True when there may be more. Harmless again."""
        return await lists_figures.fill_rows(self._folder, await self._agencies(), limit)

    async def refill_lists(self) -> None:
        """Fill the last two days once more: an older version of the program may have worked beside this one."""
        await lists_figures.refill(self._folder)

    async def rewrite_due(self, limit: int) -> bool:
        """Write that many rows of lists anew after a change of the calendar; return True when there may be more."""
        return await self._dues.rewrite(self._folder, await self._agencies(), limit)

    async def work_out_day(self) -> bool:
        """Work out one agency's figures of one day that are missing or old; return False when none are."""
        return await lists_figures.work_out_day(self._folder, await self._agencies())

    async def _agencies(self) -> Sequence[str]:
        return [agency.id for agency in await self.hosted()]
