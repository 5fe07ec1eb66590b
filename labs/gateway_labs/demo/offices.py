"""Lays out the mail and the pages of the demonstration's offices. In: an open node whose workers run, after the story. Out:
mail and persons' work, once per agency, by the persons of the cast, in every state that a clerk meets. Each may be laid out
again without doubling.

The mail: arrivals of two days ago, new ones, mail that a partner never took, that failed, that was forged. The work of
clerks, heads and administrators: rights lent, mailboxes, programs' keys, saved views and groups, tasks taken and resting,
drafts, lines of the books by hand."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import ON, RIGHTS_CONFIRMED
from gateway.domain.document import (
    DeliveryMode,
    FileRole,
    IncomingDocument,
    InState,
    OutgoingDocument,
    Signer,
    Urgency,
)
from gateway.domain.identity import Digest
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.person import Person
from gateway.domain.registry import GroupMember
from gateway.domain.status import Duty, Waits
from gateway.domain.wall_clock import local
from gateway.errors import GatewayError
from gateway.incoming import act, by_hand, seal
from gateway.outgoing import addressing, drafting, intake
from gateway.policy import timers
from gateway.ports.axis import Fate, Parcel
from gateway.transport.embedded import EmbeddedAxis
from gateway_labs.demo import papers, people, stage
from gateway_labs.demo.acts import Acts, in_one
from gateway_labs.demo.papers import Paper, printed
from gateway_labs.demo.stage import Steps
from gateway_office import todo
from gateway_office.accounts import agency_profile, posts, program_keys, tags_and_views
from gateway_office.accounts.acting import Acting, rights_of
from gateway_office.book import books
from gateway_office.bootstrap.office import Office
from gateway_office.domain.listing import Side
from gateway_office.domain.roles import PostRole, Right
from gateway_office.domain.session import Factor, Session
from gateway_office.domain.task import TaskKind
from gateway_office.letters import follow_up

# Receivers of each sender on the desks.
WAYS: Mapping[str, tuple[str, ...]] = {"province": ("department", "commune"), "department": ("province",)}
_SENDERS = (*WAYS, "commune")
_PARTNER, _POISON = "doi-tac", 2
# Numbers of arrivals where the document system gives them, after the story's own.
_NUMBERS = {"task": "1246", "recall": "1247"}
_TITLE = re.compile(rb"(</(?:\w+:)?Subject>)")


@dataclass(slots=True)
class OfficeMail(Acts):
    """Mail of the offices, by the clerks' own hands."""

    node: Office

    async def days_ago(self) -> None:
        """Send mail that goes on paper too, that a unit works on, and that a partner's node never settles."""
        for sender, receivers in WAYS.items():
            await self.sent(sender, "late", receivers, due_in=5, mode=DeliveryMode.BOTH)
            task = await self.sent(sender, "task", receivers, due_in=9)
            for receiver in receivers:
                await self.take_in(receiver, task, ("03", "04"), register_no=self.number(receiver, "task"))
        await self._to_partners()

    async def just_now(self) -> None:
        """Send mail that is to be taken in, to be examined, to be answered."""
        for sender, receivers in WAYS.items():
            await self.sent(sender, "urgent", receivers, urgency=Urgency.EXPRESS)
            await self.sent(sender, "pages", receivers, pages=9)
            doubtful = await self.sent(sender, "hold", receivers)
            recalled = await self.sent(sender, "recall", receivers)
            for receiver in receivers:
                await self._hold(receiver, doubtful)
                await self.take_in(receiver, recalled, ("03",), register_no=self.number(receiver, "recall"))
            await self.recall(recalled, sender)
            for receiver in receivers:
                await self.wait_until(partial(self.has, receiver, recalled, "asked"))
        await self._seal("department", await self.sent("province", "sealed", ("department",)))
        await self._refuse("province", await self.sent("department", "refused", ("province",)))
        await self._refuse("province", await self.sent("commune", "refused", ("province",)))

    async def forged(self) -> None:
        """Drop packets of the story with changed bytes on the axis, as another node's courier does."""
        for sender, receiver, key in (
            ("province", "department", "request"),
            ("department", "province", "reply"),
            ("province", "commune", "letter"),
        ):
            await self._forge(sender, receiver, key)

    async def sent(
        self, sender: str, name: str, receivers: Sequence[str], **more: object
    ) -> OutgoingDocument:
        """Send once, whatever the day on which it is repeated."""
        key = f"{sender}-{name}"
        async with self.node.store.read(await self.scope(sender)) as work:
            document = await work.outgoing.by_external_id(f"story-{key}")
        return document or await self.send(sender, key, receivers, **more)  # type: ignore[arg-type]  # its own options

    def number(self, actor: str, name: str) -> str | None:
        return _NUMBERS[name] if self.cast.data[actor]["numbering"] == "A" else None

    async def _hold(self, actor: str, document: OutgoingDocument) -> None:
        arrived = await self._landed(actor, document)
        if arrived.state is InState.NEW:
            await act.set_aside(
                self.node.inn, await self.scope(actor), arrived.id, self.cast.words("hold_why")
            )

    async def _refuse(self, actor: str, document: OutgoingDocument) -> None:
        arrived = await self._landed(actor, document, "rejected")
        if arrived.state is InState.NEW:
            await self.refuse(actor, document)

    async def _seal(self, actor: str, document: OutgoingDocument) -> None:
        arrived = await self._landed(actor, document)
        async with self.node.store.read(await self.scope(actor)) as work:
            if await work.holds.open_of(arrived.id) is not None:
                return
        why = self.cast.words("sealed_why")
        await seal.document(self.node.inn, self.node.hold, await self.scope(actor), arrived.id, why)

    async def _landed(self, actor: str, document: OutgoingDocument, *states: str) -> IncomingDocument:
        """Return it once the worker is through with it."""
        await self.wait_until(partial(self.stands_at, document, actor, "delivered", *states))
        return await self.wait_for_arrival(actor, document)

    async def stands_at(self, document: OutgoingDocument, actor: str, *states: str) -> bool:
        async with self.node.store.read(await self.scope(self._sender(document))) as work:
            rows = await work.deliveries.of_document(document.id)
        return any(row.recipient.code == self.cast.code(actor) and row.state in states for row in rows)

    def _sender(self, document: OutgoingDocument) -> str:
        code = document.document_id.split(",", 1)[0]
        return next(actor for actor in _SENDERS if self.cast.code(actor) == code)

    async def _to_partners(self) -> None:
        """Send to a partner whose node takes packets and settles none, and to one that is on no node."""
        code = self.cast.code("silent")
        other = EmbeddedAxis(
            self.node.settings.axis.folder, _PARTNER, self.node.clock, self.node.pool, _POISON
        )
        async with other:
            await other.host([code])
            sent = [await self.sent(x, "far", ("silent", "unconnected")) for x in _SENDERS]

            async def all_failed() -> bool:
                return all([await self.stands_at(document, "unconnected", "failed") for document in sent])

            async def dead() -> bool:
                for arrival in await other.take(len(sent), 0):
                    await other.settle(arrival, is_done=False)
                return len(await other.dead_list()) >= len(sent)

            await self.wait_until(all_failed)
            await self.wait_until(dead)

    async def _forge(self, sender: str, receiver: str, key: str) -> None:
        async with self.node.store.read(await self.scope(sender)) as work:
            document = await work.outgoing.by_external_id(f"story-{key}")
            page = await work.outbox.page(limit=100, states=("sent",))
            item = next((row for row in page.items if document and row.packet_id == document.packet_id), None)
            if document is None or item is None:
                raise GatewayError(f"the story left no packet of {key}")
            opener = await self.node.blobs.open(work, item.envelope_digest)
        with opener() as file:
            changed = _TITLE.sub(rb" \1", file.read(), count=1)
        parcel = Parcel(
            packet_id=self.node.clock.new_id("pkt_"),
            kind=item.kind,
            sender=self.cast.code(sender),
            lane=item.lane,
            digest=Digest(hashlib.sha256(changed).hexdigest()),
            size=len(changed),
            open=lambda: io.BytesIO(changed),
        )
        code = self.cast.code(receiver)
        async with EmbeddedAxis(
            self.node.settings.axis.folder, "khac", self.node.clock, self.node.pool
        ) as other:
            if (await other.publish(parcel, [code]))[code].fate is not Fate.DELIVERED:
                raise GatewayError(f"the axis took no packet for {code}")


_DAY = timedelta(days=1)
# Its changes of rights wait for a second administrator.
_WANTS_SECOND_PERSON = "commune"
_URGED_EVERY = timedelta(days=7)
_RIGHTS_LENT = {"unit-head": frozenset({Right.PROGRESS}), "head": frozenset({Right.INSTRUCT})}


@dataclass(slots=True)
class Offices(OfficeMail):
    """Pages of one agency after the other."""

    steps: Steps

    async def scope(self, actor: str) -> AgencyScope:
        """Return the scope of the agency's clerk, who acts here."""
        return await self.as_one(actor, "clerk")

    async def as_one(self, actor: str, role: str) -> AgencyScope:
        agency = await self.node.store.accounts.hosted_by_code(self.cast.code(actor))
        person = await self.person(actor, role)
        return AgencyScope(agency_id=agency.id if agency else "", principal_id=person.id)

    async def person(self, actor: str, role: str) -> Person:
        login, _ = self.cast.data["people"][actor][role]
        return await people.get_person(self.node.accounts, login)

    async def furnished(self, actor: str) -> None:
        """Lay out everything of one agency."""
        parts: Mapping[str, Callable[[str], Awaitable[None]]] = {
            "lent": self._lend,
            "accounts": self._accounts,
            "kept": self._keep,
            "drafts": self._drafts,
            "noted": self._note,
        }
        for name, part in parts.items():
            await self.steps.once(f"{name}-{actor}", partial(part, actor))
        await self._books(actor)

    async def _lend(self, actor: str) -> None:
        """Lend rights: a head of unit's act waits for the head; the head's own act holds at once."""
        why, now = self.cast.words("lent_why"), self.node.clock.now()
        for lender, borrower, act_number in (
            ("unit-head", "officer", ""),
            ("head", "clerk", self.cast.words("lent_act")),
        ):
            to_login, _ = self.cast.data["people"][actor][borrower]
            await people.ready(self.node.accounts, to_login)
            delegation = posts.WantedDelegation(
                to_login=to_login,
                rights=_RIGHTS_LENT[lender],
                starts_at=now + _DAY,
                ends_at=now + 4 * _DAY,
                reason=why,
                act_number=act_number,
            )
            await posts.delegate(self.node.accounts, await self._acting(actor, lender), delegation)

    async def _acting(self, actor: str, role: str) -> Acting:
        """Act as if the person had signed in; no session is left open for it."""
        now, scope = self.node.clock.now(), await self.as_one(actor, role)
        person = await self.person(actor, role)
        async with self.node.accounts.accounts.read() as view:
            rights = await rights_of(view, person.id, now)
        session = Session(
            id=self.node.clock.new_id("ses_"),
            digest="",
            person_id=person.id,
            agency_id=scope.agency_id,
            factor=Factor.NONE,
            began_at=now,
            seen_at=now,
            ends_at=now + _DAY,
            address="",
            agent="",
        )
        return Acting(person=person, session=session, rights=rights, duties=(), ends_at=now + _DAY, at=now)

    async def _accounts(self, actor: str) -> None:
        services = self.node.accounts
        by = await people.administrator(services)
        agency_id = (await self.scope(actor)).agency_id
        abbr = self.cast.data[actor]["abbr"]
        await posts.make_mailbox(services, by, agency_id, f"vanthu{abbr}", PostRole.CLERK)
        await posts.make_mailbox(services, by, agency_id, f"{abbr}qtdv", PostRole.AGENCY_ADMIN)
        key = program_keys.WantedKey(
            name=self.cast.words("program"), scopes=frozenset(program_keys.DAILY), life=365 * _DAY
        )
        await program_keys.make(services, self.node.store.accounts, by, agency_id, key)
        if actor == _WANTS_SECOND_PERSON:
            async with services.accounts.read() as view:
                names = await view.people.names({by.principal_id})
            name = names.get(by.principal_id, "")
            await agency_profile.choose(self.node.store, services, by, name, agency_id, RIGHTS_CONFIRMED, ON)

    async def _keep(self, actor: str) -> None:
        """Save a group of recipients, and two views of the clerk's."""
        scope, now = await self.scope(actor), self.node.clock.now()
        members = [
            GroupMember(code=self.cast.code(member))
            for member in (*WAYS, "commune", "silent")
            if member != actor
        ]
        await addressing.save_group(self.node.store, scope, self.cast.words("group"), members, now)
        for side, name, query in (
            (Side.IN, "view_in", "tab=new&khan=1"),
            (Side.OUT, "view_out", "qua-han=1"),
        ):
            await tags_and_views.save_view(self.node.store, scope, side, self.cast.words(name), query, now)

    async def _drafts(self, actor: str) -> None:
        """Begin three drafts: the clerk's, signed and nearly ready; one of the officer's own; one of the head of unit's."""
        key, today = f"{actor}-draft", self.node.out.today()
        cast_document = self.cast.document(key)
        day = self.cast.issued_on(key, today)
        pdf = await self.node.pool.run(partial(self.cast.file, key, 0, day))
        await self._draft(actor, "clerk", cast_document, day, pdf, self.node.clock.now())
        for role, subject in (("officer", "own_subject"), ("unit-head", "unit_subject")):
            changed = {"subject": self.cast.words(subject), "number": ""}
            paper = papers.paper_of(self.cast.data, key, today, **changed)
            content = await self.node.pool.run(partial(printed, paper))
            await self._draft(actor, role, cast_document | changed, today, content.pdf)

    async def _draft(
        self,
        actor: str,
        role: str,
        cast_document: dict[str, Any],
        day: date,
        content: bytes,
        signed_at: datetime | None = None,
    ) -> None:
        scope = await self.as_one(actor, role)
        draft = replace(self.draft(cast_document, day, cast_document["to"]), signed_at=signed_at)
        draft_row = await drafting.begin(self.node.out, scope, draft)
        async with intake.receive_files(self.node.out) as request_files:
            await request_files.add(FileRole.LEAD, cast_document["files"][0], FileRole.LEAD, in_one(content))
            await drafting.add_files(self.node.out, scope, draft_row.id, request_files)

    async def _note(self, actor: str) -> None:
        """Let the clerk take one task, label its document and let another rest; the head take one; and urge a partner."""
        scope = await self.scope(actor)
        tasks = (await todo.gather(self.node.todo, scope)).tasks
        waiting = [t for t in tasks if t.kind is TaskKind.TAKE_IN]
        other_tasks = [t for t in tasks if t.kind is not TaskKind.TAKE_IN]
        for role, task in zip(("clerk", "head"), (*waiting[:1], *other_tasks[:1]), strict=False):
            person = await self.person(actor, role)
            mine = AgencyScope(agency_id=scope.agency_id, principal_id=person.id)
            await todo.take_task(self.node.todo, mine, task.id, person.name)
        for task in waiting[:1]:
            name = self.cast.words("tag")
            await tags_and_views.put_tag(self.node.store, self.node.clock, scope, name, task.subject_id)
        tomorrow = self.node.clock.now() + _DAY
        for task in [t for t in (*waiting[1:], *other_tasks[1:]) if tomorrow <= t.due_at][-1:]:
            await todo.snooze_task(self.node.todo, scope, task.id, tomorrow, self.cast.words("owner_note"))
        if actor == "province":
            await self._urge(actor, scope)

    async def _urge(self, actor: str, scope: AgencyScope) -> None:
        """Urge once it is late by the lists' own reckoning; not where no working day has passed since."""
        if not is_overdue(await self.node.todo.office(scope.agency_id), self.node.clock.now()):
            return
        code, person = self.cast.code("silent"), await self.person(actor, "clerk")

        async def is_late() -> bool:
            return bool((await follow_up.urging_of(self.node.out, scope, code, _URGED_EVERY)).late)

        await self.wait_until(is_late)
        text = self.cast.words("urged")
        await follow_up.urge(
            self.node.out, scope, code, by=person.name, how="phone", text=text, every=_URGED_EVERY
        )

    async def _books(self, actor: str) -> None:
        """Enter paper in and out, the second of each made up for after a stop."""
        today = local(self.node.clock.now()).date()
        for n, row in enumerate(self.cast.data["paper"]["in"]):
            written_on = today - 2 * _DAY
            letter = by_hand.TypedMail(
                sender=row["sender"],
                subject=row["subject"],
                received_on=today - n * _DAY,
                number=row["number"],
                symbol=row["symbol"],
                issued_on=written_on,
                type_name=row["type"],
                signer=Signer(name=row["signer"]),
                pages=1,
                register_no=str(1248 + n) if self.cast.data[actor]["numbering"] == "A" else None,
                catch_up=self.cast.words("stopped") if n else None,
            )
            scan = papers.from_outside(self.cast.data, row, written_on, actor) if not n else None
            await self.steps.once(f"paper-in-{n}-{actor}", partial(self._enter, actor, letter, scan))
        for n, row in enumerate(self.cast.data["paper"]["out"]):
            dispatched = books.TypedLine(
                number=row["number"],
                symbol=row["symbol"],
                issued_on=today - n * _DAY,
                type_name=row["type"],
                subject=row["subject"],
                signer=row["signer"],
                recipients=row["recipients"],
                copies=3,
                dispatched_on=today,
                catch_up=self.cast.words("stopped") if n else None,
            )
            await self.steps.once(f"paper-out-{n}-{actor}", partial(self._leave, actor, dispatched))

    async def _enter(self, actor: str, letter: by_hand.TypedMail, paper: Paper | None) -> None:
        scan = None
        if paper is not None:
            scan_pdf = await self.node.pool.run(partial(printed, paper))
            scan = by_hand.Attached(name="ban-quet.pdf", chunks=in_one(scan_pdf.pdf))
        await by_hand.enter(self.node.inn, await self.scope(actor), letter, scan)

    async def _leave(self, actor: str, sent: books.TypedLine) -> None:
        await books.enter(self.node.book, await self.scope(actor), sent)


def is_overdue(office: OfficeCalendar, now: datetime) -> bool:
    """Tell whether a partner should have taken in the story's mail by now: over a weekend it need not."""
    sent = Duty(waits=Waits.PARTNER, since=now - stage.AGO)
    return timers.of_duty(office, sent, Urgency.NORMAL).at < now
