"""What clerks, heads and administrators of the demonstration left on their pages: rights lent, mailboxes, programs' keys,
saved views and groups, tasks taken and resting, drafts, lines of the books by hand. In: an open node with its mail. Out:
each of them once per agency, by the persons of the cast."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from gateway.demo import documents, people, stage
from gateway.demo.mail import WAYS, Mail
from gateway.demo.papers import Paper, printed
from gateway.demo.steps import Steps
from gateway.domain.account import AgencyScope
from gateway.domain.document import Draft, FileRole, Recipient, RecipientRole, Signer, Urgency
from gateway.domain.duty import Duty, Waits
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.person import Person
from gateway.domain.recipients import GroupMember
from gateway.domain.wall_clock import local
from gateway.incoming import by_hand
from gateway.office.accounts import delegating, list_tags, list_views, mailboxes, program_keys
from gateway.office.accounts.acting import Acting, rights_of
from gateway.office.book import letters
from gateway.office.domain.listing import Side
from gateway.office.domain.post import PostRole
from gateway.office.domain.right import Right
from gateway.office.domain.session import Factor, Session
from gateway.office.domain.task import TaskKind
from gateway.office.letters import urge
from gateway.office.todo import gather, note
from gateway.outgoing import addressing, drafting, intake
from gateway.policy import timers

_DAY = timedelta(days=1)
_URGED_EVERY = timedelta(days=7)
_LENT = {"unit-head": frozenset({Right.PROGRESS}), "head": frozenset({Right.INSTRUCT})}


@dataclass(slots=True)
class Offices(Mail):
    """One agency after the other."""

    steps: Steps

    async def scope(self, actor: str) -> AgencyScope:
        """Whoever acts is the agency's clerk."""
        return await self.as_one(actor, "clerk")

    async def as_one(self, actor: str, role: str) -> AgencyScope:
        agency = await self.node.store.accounts.hosted_by_code(self.cast.code(actor))
        person = await self.person(actor, role)
        return AgencyScope(agency_id=agency.id if agency else "", principal_id=person.id)

    async def person(self, actor: str, role: str) -> Person:
        login, _ = self.cast.data["people"][actor][role]
        return await people.named(self.node.accounts, login)

    async def furnished(self, actor: str) -> None:
        """Everything of one agency."""
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
        """A head of unit's waits for the head; the head's own act holds at once."""
        why, now = self.cast.words("lent_why"), self.node.clock.now()
        for lender, borrower, act in (
            ("unit-head", "officer", ""),
            ("head", "clerk", self.cast.words("lent_act")),
        ):
            to_login, _ = self.cast.data["people"][actor][borrower]
            await people.ready(self.node.accounts, to_login)
            wanted = delegating.Wanted(
                to_login=to_login,
                rights=_LENT[lender],
                starts_at=now + _DAY,
                ends_at=now + 4 * _DAY,
                reason=why,
                act_number=act,
            )
            await delegating.make(self.node.accounts, await self._acting(actor, lender), wanted)

    async def _acting(self, actor: str, role: str) -> Acting:
        """As if the person had signed in; no session is left open for it."""
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
        desk = self.node.accounts
        by = await people.administrator(desk)
        agency_id = (await self.scope(actor)).agency_id
        abbr = self.cast.data[actor]["abbr"]
        await mailboxes.make(desk, by, agency_id, f"vanthu{abbr}", PostRole.CLERK)
        await mailboxes.make(desk, by, agency_id, f"{abbr}qtdv", PostRole.AGENCY_ADMIN)
        wanted = program_keys.WantedKey(
            name=self.cast.words("program"), scopes=frozenset(program_keys.DAILY), life=365 * _DAY
        )
        await program_keys.make(desk, self.node.store.accounts, by, agency_id, wanted)

    async def _keep(self, actor: str) -> None:
        """A group of recipients, and two views of the clerk's."""
        scope, now = await self.scope(actor), self.node.clock.now()
        members = [
            GroupMember(code=self.cast.code(each)) for each in (*WAYS, "commune", "silent") if each != actor
        ]
        await addressing.save_group(self.node.store, scope, self.cast.words("group"), members, now)
        for side, name, query in (
            (Side.IN, "view_in", "tab=new&khan=1"),
            (Side.OUT, "view_out", "qua-han=1"),
        ):
            await list_views.save(self.node.store, scope, side, self.cast.words(name), query, now)

    async def _drafts(self, actor: str) -> None:
        """The clerk's, nearly ready, and one of the officer's own; one of the head of unit's."""
        key, today = f"{actor}-draft", self.node.out.today()
        told = self.cast.document(key)
        day = self.cast.issued_on(key, today)
        whole = await self.node.pool.run(partial(self.cast.file, key, 0, day))
        await self._draft(actor, "clerk", told, day, whole)
        for role, subject in (("officer", "own_subject"), ("unit-head", "unit_subject")):
            changed = {"subject": self.cast.words(subject), "number": ""}
            paper = documents.paper(self.cast.data, key, today, **changed)
            content = await self.node.pool.run(partial(printed, paper))
            await self._draft(actor, role, told | changed, today, content.pdf)

    async def _draft(self, actor: str, role: str, told: dict[str, Any], day: date, content: bytes) -> None:
        scope = await self.as_one(actor, role)
        name, title, competence = told["signer"]
        draft = Draft(
            number=told["number"],
            symbol=told["symbol"],
            issued_on=day,
            type_name=told["type"],
            subject=told["subject"],
            place=self.cast.words("place"),
            signer=Signer(name=name, title=title, competence=competence),
            recipients=tuple(
                Recipient(code=self.cast.code(each), role=RecipientRole.TO_ACT) for each in told["to"]
            ),
            staff=self.clerk(),
        )
        made = await drafting.begin(self.node.out, scope, draft)
        async with intake.tray(self.node.out) as tray:
            await tray.add(FileRole.LEAD, told["files"][0], FileRole.LEAD, _one(content))
            await drafting.add_files(self.node.out, scope, made.id, tray)

    async def _note(self, actor: str) -> None:
        """The clerk looks after one task, labels its document, lets another rest; the head looks after one; a partner was
        urged."""
        scope = await self.scope(actor)
        found = (await gather.run(self.node.todo, scope)).tasks
        waiting = [each for each in found if each.kind is TaskKind.TAKE_IN]
        rest = [each for each in found if each.kind is not TaskKind.TAKE_IN]
        for role, task in zip(("clerk", "head"), (*waiting[:1], *rest[:1]), strict=False):
            person = await self.person(actor, role)
            mine = AgencyScope(agency_id=scope.agency_id, principal_id=person.id)
            await note.take(self.node.todo, mine, task.id, person.name)
        for task in waiting[:1]:
            name = self.cast.words("tag")
            await list_tags.put(self.node.store, self.node.clock, scope, name, task.subject_id)
        if waiting[1:]:
            until = self.node.clock.now() + _DAY
            await note.snooze(self.node.todo, scope, waiting[-1].id, until, self.cast.words("owner_note"))
        if actor == "province":
            await self._urge(actor, scope)

    async def _urge(self, actor: str, scope: AgencyScope) -> None:
        """Once it is late by the lists' own reckoning; where no working day has passed since, nobody is urged."""
        if not is_overdue(await self.node.todo.office(), self.node.clock.now()):
            return
        code, person = self.cast.code("silent"), await self.person(actor, "clerk")

        async def is_late() -> bool:
            return bool((await urge.look(self.node.out, scope, code, _URGED_EVERY)).late)

        await self.until(is_late)
        text = self.cast.words("urged")
        await urge.run(self.node.out, scope, code, by=person.name, how="phone", text=text, every=_URGED_EVERY)

    async def _books(self, actor: str) -> None:
        """Paper in and out, the second of each made up for after a stop."""
        today = local(self.node.clock.now()).date()
        for n, told in enumerate(self.cast.data["paper"]["in"]):
            written_on = today - 2 * _DAY
            letter = by_hand.Letter(
                sender=told["sender"],
                subject=told["subject"],
                received_on=today - n * _DAY,
                number=told["number"],
                symbol=told["symbol"],
                issued_on=written_on,
                type_name=told["type"],
                signer=Signer(name=told["signer"]),
                pages=1,
                register_no=str(1248 + n) if self.cast.data[actor]["numbering"] == "A" else None,
                catch_up=self.cast.words("stopped") if n else None,
            )
            scan = documents.from_outside(self.cast.data, told, written_on, actor) if not n else None
            await self.steps.once(f"paper-in-{n}-{actor}", partial(self._enter, actor, letter, scan))
        for n, told in enumerate(self.cast.data["paper"]["out"]):
            gone = letters.Sent(
                number=told["number"],
                symbol=told["symbol"],
                issued_on=today - n * _DAY,
                type_name=told["type"],
                subject=told["subject"],
                signer=told["signer"],
                recipients=told["recipients"],
                copies=3,
                dispatched_on=today,
                catch_up=self.cast.words("stopped") if n else None,
            )
            await self.steps.once(f"paper-out-{n}-{actor}", partial(self._leave, actor, gone))

    async def _enter(self, actor: str, letter: by_hand.Letter, paper: Paper | None) -> None:
        scan = None
        if paper is not None:
            made = await self.node.pool.run(partial(printed, paper))
            scan = by_hand.Attached(name="ban-quet.pdf", chunks=_one(made.pdf))
        await by_hand.enter(self.node.inn, await self.scope(actor), letter, scan)

    async def _leave(self, actor: str, gone: letters.Sent) -> None:
        await letters.enter(self.node.book, await self.scope(actor), gone)


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


def is_overdue(office: OfficeCalendar, now: datetime) -> bool:
    """Whether a partner should have taken in by now what was sent when the story was told: over a weekend it need not."""
    sent = Duty(waits=Waits.PARTNER, since=now - stage.AGO)
    return timers.of_duty(office, sent, Urgency.NORMAL).at < now
