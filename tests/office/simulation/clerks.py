"""The persons of a world's agencies at work: a clerk, a head, and an officer of each unit. In: a seed, hosts with an
office. Out: calls as the pages make them, and their answers in the diary. A person whose answer was lost looks first
whether the act is done, and then does it again; a refusal is an answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar, cast

from gateway.domain.account import AgencyScope
from gateway.domain.document import (
    Assignment,
    IncomingDocument,
    Informed,
    InState,
    OutgoingDocument,
    OutState,
    UnitPerson,
)
from gateway.domain.handling import Share
from gateway.domain.numbers import printed
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, NotFound, Refused
from gateway.incoming import act, handling
from gateway.incoming.act import StatusCall
from gateway.outgoing import drafting, intake, manage, numbering
from gateway_office import todo
from gateway_office.accounts import acting
from gateway_office.bootstrap.office import Office
from gateway_office.domain.listing import Filter, Side, Tab
from gateway_office.domain.pending import ActKind, ActValues
from gateway_office.domain.roles import Right
from gateway_office.letters import comments, follow_up, pending, received
from gateway_office.letters.follow_up import Actor, WantedRecall
from gateway_office.policy.rights import Rights
from tests.office.simulation import looks
from tests.office.simulation.diary import Diary, PutOff
from tests.simulation.callers import Caller, Crowd, Letter, add_files, draft_of
from tests.simulation.ledger import Sent
from tests.simulation.stage import Cast

T = TypeVar("T")
UNITS = ("Phòng Mẫu", "Phòng Hai")
_AT_ONCE = 3
_CODES = {ActKind.TAKE_IN: "03", ActKind.REFUSE: "02", ActKind.ASSIGN: "04"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeLetter(Letter):
    """A letter of a clerk: a file with words."""

    def files(self) -> list[tuple[str, bytes]]:
        return [(f"{self.key}.pdf", text_pdf(f"thu {word_of(self.key)} cua van phong"))]


def word_of(key: str) -> str:
    """Return a word that stands in the file of this letter alone."""
    return "w" + hashlib.sha256(key.encode()).hexdigest()[:12]


def text_pdf(words: str) -> bytes:
    """Return a PDF of one page with one line of text."""
    line = f"BT /F 12 Tf 50 700 Td ({words}) Tj ET".encode()
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(line), line),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    raw, places = b"%PDF-1.4\n", []
    for n, content in enumerate(objects, 1):
        places.append(len(raw))
        raw += b"%d 0 obj\n%s\nendobj\n" % (n, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 6\n0000000000 65535 f \n%strailer\n<</Size 6/Root 1 0 R>>\n" % table
    return raw + head + b"startxref\n%d\n%%%%EOF\n" % len(raw)


class Person(Caller):
    """A person with a post, who now and then does one of the acts of that post."""

    post = ""

    def __init__(self, crowd: Crowd, cast: Cast, diary: Diary) -> None:
        self.role = self.role or self.post
        super().__init__(crowd, cast)
        self.diary = diary
        self.id = self.host.site.people[cast.code, self.post]
        self.scope = AgencyScope(agency_id=self.scope.agency_id, principal_id=self.id)

    def acts(self) -> dict[Callable[[], Awaitable[None]], int]:
        """Return the acts of the post, each with its weight."""
        return {self.look: 2, self.note: 1, self.comment: 1}

    async def run(self) -> None:
        acts = self.acts()
        while not self.crowd.ends:
            await asyncio.sleep(self.chance.expovariate(1.0) * self.crowd.pause_s * 2)
            if self.crowd.ends:
                return
            self.crowd.busy += 1
            try:
                (next_act,) = self.chance.choices([*acts], [*acts.values()])
                await next_act()
            except (Clash, Refused, NotFound) as answer:
                self.tell("refused", f"{next_act.__name__} {answer.code} {answer}")
            finally:
                self.crowd.busy -= 1

    async def do(self, name: str, make: Callable[[Office], Awaitable[T]]) -> T:
        """Make a call to the office until it is answered. Denied is an answer, as a refusal is."""

        async def run(node: object) -> T:
            try:
                return await make(cast(Office, node))
            except Denied as error:
                raise Clash(str(error), code=error.code) from error

        return await self.ask(name, run)

    # --- what every person does -------------------------------------------------------------------------------

    async def rights(self, node: Office) -> Rights:
        async with node.accounts.accounts.read() as view:
            return await acting.rights_of(view, self.id, node.clock.now())

    async def share(self, node: Office) -> Share | None:
        """Return the part of the agency's work that concerns this person; None for all of it."""
        return None

    async def look(self) -> None:
        """Open the lists, the tasks and the bell."""

        async def opened(node: Office) -> list[str]:
            share = await self.share(node)
            return await looks.look(node, self.diary.board_of(self.host.name, node), self.scope, share)

        for fault in await self.do("look", opened):
            self.crowd.world.broken(f"{self.post} of {self.cast.code} sees: {fault}")
        self.tell("looked", "")

    async def note(self) -> None:
        """Take a task, put one off, settle one, or wake it."""

        async def noted(node: Office) -> str:
            listed = await todo.gather(node.todo, self.scope, everything=True, share=await self.share(node))
            if not listed.duties:
                return ""
            task = self.chance.choice(listed.duties[:10])
            kind = self.chance.choice(("take", "snooze", "close", "wake"))
            if kind == "take":
                await todo.take_task(node.todo, self.scope, task.id, "Người mẫu", await self.share(node))
            elif kind == "snooze":
                wakes_at = node.clock.now() + timedelta(hours=2)
                await todo.snooze_task(node.todo, self.scope, task.id, wakes_at, "Chờ ý kiến")
            elif kind == "close":
                await todo.close_task(node.todo, self.scope, task.id, "Đã gọi điện")
            else:
                await todo.wake_task(node.todo, self.scope, task.id)
            return f"{kind} {task.id}"

        self.tell("noted", await self.do("note", noted))

    async def comment(self) -> None:
        """Write a comment on a letter, and read those of others."""
        ids = await self.listed(Tab.ACCEPTED)
        if not ids:
            return
        id = self.chance.choice(ids)
        text = f"Ý kiến {self.chance.randrange(10**6)}"
        await self.do("comment", lambda node: comments.add_comment(node.inn, self.scope, id, text))
        await self.do("read", lambda node: comments.look(node.inn, self.scope, id))
        self.tell("commented", id)

    async def listed(self, tab: Tab) -> list[str]:
        """Return the ids of some arrivals in that tab, in an order of this person's own."""

        async def read(node: Office) -> list[str]:
            async with node.store.read(self.scope) as work:
                page = await work.office.lists.page(Filter(side=Side.IN, tab=tab), limit=20)
                return [line.id for line in page.lines]

        ids = await self.do("list", read)
        self.chance.shuffle(ids)
        return ids

    async def put_off(self, id: str, kind: ActKind, values: ActValues) -> None:
        """Begin an act that waits; sometimes undo it before its time, or too late."""
        tries = 0

        async def begun(node: Office) -> PutOff | None:
            nonlocal tries
            tries += 1
            async with node.store.read(self.scope) as work:
                document = await work.incoming.get(id)
                earlier = (await work.office.pending.of_documents([id])).get(id)
            if earlier is not None and not earlier.waits:
                self.diary.failed.add(earlier.id)
            wait = timedelta(seconds=node.settings.pages.undo_act_s)
            result = await pending.begin(
                node.inn, self.scope, document, kind, values, version=document.version, wait=wait
            )
            return self._put_off(result.due.id, id, _CODES[kind]) if result.due is not None else None

        try:
            put_off = await self.do(str(kind), begun)
        finally:
            if tries > 1:  # an answer was lost: one act more may have been begun
                self.diary.unsure.add((self.id, id))
        if put_off is None:
            return
        self.diary.acts[put_off.id] = put_off
        self.tell(f"put_off_{kind}", f"{put_off.id} {id}")
        if self.chance.random() < 0.35:
            await asyncio.sleep(self.chance.random() * 14.0)
            await self._undo(put_off)

    def _put_off(self, id: str, document_id: str, code: str) -> PutOff:
        return PutOff(id=id, agency=self.cast.code, document_id=document_id, code=code, person_id=self.id)

    async def _undo(self, put_off: PutOff) -> None:
        tries = 0

        async def undone(node: Office) -> str:
            nonlocal tries
            tries += 1
            act_undone = await pending.undo(node.inn, self.scope, put_off.document_id)
            if not act_undone.waits:
                self.diary.failed.add(act_undone.id)
            return act_undone.id

        try:
            undone_id = await self.do("undo", undone)
        except Clash as answer:
            if tries > 1:
                self.diary.unsure.add((self.id, put_off.document_id))
            self.tell("undone_late", f"{put_off.id} {answer.code}")
            return
        if undone_id != put_off.id:  # that one was done or undone, and this is another
            self.diary.unsure.add((self.id, put_off.document_id))
        elif undone_id not in self.diary.failed:
            put_off.is_undone = True
        self.tell("undone", undone_id)


class Clerk(Person):
    """Writes letters, numbers and sends them; takes in what arrives; asks for recalls."""

    post = "clerk"
    _n = 0

    def acts(self) -> dict[Callable[[], Awaitable[None]], int]:
        return super().acts() | {self.write: 5, self.take_in: 8, self.reserve: 1, self.ask_recall: 2}

    async def write(self) -> None:
        self._n += 1
        codes = [code for code, _ in self.crowd_codes() if code != self.cast.code]
        is_numbered = self.cast.code in self.crowd.numbered_by_node
        letter = OfficeLetter(
            key=f"{self.cast.code}-c{self._n}",
            number="" if is_numbered else f"7{self._n:04}",
            recipients=tuple(self.chance.sample(codes, self.chance.choice((1, 1, 2)))),
            sizes=(),
            is_urgent=self.chance.random() < 0.15,
        )
        id = await self._draft(letter)
        if is_numbered and self.chance.random() < 0.5:
            await self._number(id)
        fate = self.chance.random()
        if fate < 0.1:
            self.tell("left_draft", id)
        elif fate < 0.2:
            await self._discard(id)
        else:
            await self._send_and_doubt(letter, id)

    def crowd_codes(self) -> Sequence[tuple[str, str]]:
        return sorted(
            (code, host.name) for host in self.crowd.world.hosts.values() for code in host.site.agencies
        )

    async def _draft(self, letter: OfficeLetter) -> str:
        id = (await self.do("draft", lambda node: self._begun(node, letter))).id
        self.crowd.ledger.drafts.add(id)
        self.tell("drafted", f"{letter.key} {id}")

        async def with_files(node: Office) -> None:
            document = await self._read(node, id)
            if not document.files:
                async with intake.receive_files(node.out) as files:
                    await add_files(files, letter)
                    await drafting.add_files(node.out, self.scope, id, files, document.version)

        await self.do("files", with_files)
        return id

    async def _begun(self, node: Office, letter: OfficeLetter) -> OutgoingDocument:
        """Begin the draft of this letter, unless it is there."""
        draft = replace(draft_of(node, letter), external_id=None)
        return await self._draft_about(node, draft.subject) or await drafting.begin(
            node.out, self.scope, draft
        )

    async def _draft_about(self, node: Office, subject: str) -> OutgoingDocument | None:
        async with node.store.read(self.scope) as work:
            page = await work.outgoing.page(limit=500, states=(OutState.DRAFT.value,))
        return next((document for document in page.items if document.draft.subject == subject), None)

    async def _read(self, node: Office, id: str) -> OutgoingDocument:
        async with node.store.read(self.scope) as work:
            return await work.outgoing.get(id)

    async def _number(self, id: str) -> None:
        """Reserve a number for the draft; sometimes give it back."""

        async def numbered(node: Office) -> str:
            document = await self._read(node, id)
            async with node.store.read(self.scope) as work:
                own = await work.given.of_subject(id)
            if own is None:
                own = await numbering.reserve_for(node.out, self.scope, document.draft, subject_id=id)
            draft = replace(document.draft, number=printed(own.number))
            await drafting.save(node.out, self.scope, id, draft, expect_version=document.version)
            return draft.number

        self.tell("reserved", f"{id} {await self.do('number', numbered)}")
        if self.chance.random() < 0.3:

            async def given_back(node: Office) -> None:
                document = await self._read(node, id)
                await numbering.give_back(node.out, self.scope, id)
                draft = replace(document.draft, number="")
                await drafting.save(node.out, self.scope, id, draft, expect_version=document.version)

            await self.do("give_back", given_back)
            self.tell("given_back", id)

    async def reserve(self) -> None:
        """Reserve a number without a draft, and mostly give it back."""
        if self.cast.code not in self.crowd.numbered_by_node:
            return
        letter = OfficeLetter(key="none", number="", recipients=(), sizes=())
        number = await self.do(
            "reserve", lambda node: numbering.reserve_for(node.out, self.scope, draft_of(node, letter))
        )
        self.tell("reserved_bare", number.id)
        if self.chance.random() < 0.7:
            await asyncio.sleep(self.chance.random() * 60.0)
            await self.do("release", lambda node: numbering.release_number(node.out, self.scope, number.id))
            self.tell("released", number.id)

    async def _discard(self, id: str) -> None:
        async def discarded(node: Office) -> None:
            if (await self._read(node, id)).state is OutState.DRAFT:
                await manage.discard_draft(node.out, self.scope, id)

        await self.do("discard", discarded)
        self.diary.ended.add(id)
        self.tell("discarded", id)

    async def _send_and_doubt(self, letter: OfficeLetter, id: str, *, suffix: str = "") -> None:
        """Send the draft; sometimes call it back before it leaves, and then send or discard the draft."""
        sent = await self.do("send", lambda node: self._sent(node, id))
        self.diary.issued[self.cast.code, id] = sent.draft.number
        self.tell("sent", f"{letter.key}{suffix} {id} {sent.draft.number}")
        entry = self.crowd.ledger.accepted(
            Sent(
                key=letter.key + suffix,
                id=id,
                sender=self.cast.code,
                recipients=letter.recipients,
                files={name: hashlib.sha256(raw).hexdigest() for name, raw in letter.files()},
            )
        )
        if suffix or self.chance.random() > 0.35:
            return
        await asyncio.sleep(self.chance.random() * 40.0)
        entry.may_be_cancelled = True
        back = await self.do("call_back", lambda node: self._called_back(node, id))
        entry.is_cancelled = True
        self.diary.ended.add(id)
        if back is None:
            return
        self.crowd.ledger.drafts.add(back.id)
        self.tell("called_back", f"{id} {back.id}")
        if self.chance.random() < 0.5:
            await self._discard(back.id)
        else:
            await self._send_and_doubt(letter, back.id, suffix="-again")

    async def _sent(self, node: Office, id: str) -> OutgoingDocument:
        document = await self._read(node, id)
        if document.state is not OutState.DRAFT:
            return document
        wait = timedelta(seconds=node.settings.pages.undo_s)
        return await manage.send_draft(node.out, self.scope, id, document.version, (), wait)

    async def _called_back(self, node: Office, id: str) -> OutgoingDocument | None:
        document = await self._read(node, id)
        if document.state is OutState.CANCELLED:
            return await self._draft_about(node, document.draft.subject)
        return await follow_up.call_back(node.out, self.scope, id)

    async def take_in(self) -> None:
        """Take in, or refuse, some of what arrived; each can be undone for a while."""
        for id in (await self.listed(Tab.NEW))[:_AT_ONCE]:
            is_refused = self.chance.random() < 0.15
            values = (
                ActValues(reason="BAD_FORM", note="Sai thể thức văn bản") if is_refused else self._entry(id)
            )
            kind = ActKind.REFUSE if is_refused else ActKind.TAKE_IN
            try:
                await self.put_off(id, kind, values)
            except (Clash, Refused, NotFound) as answer:
                self.tell("not_taken_in", f"{id} {answer.code}")

    def _entry(self, id: str) -> ActValues:
        is_own = self.cast.numbering.value == "B"
        number = None if is_own else f"{int(id[-6:], 36) % 10**8}"
        leader = self.host.site.people[self.cast.code, "head"] if self.chance.random() < 0.5 else None
        return ActValues(register_no=number, leader=leader)

    async def ask_recall(self) -> None:
        """Ask the head for the recall of a letter; sometimes withdraw that."""
        sent = [
            s for s in self.crowd.ledger.sent.values() if s.sender == self.cast.code and not s.is_cancelled
        ]
        if not sent:
            return
        letter = self.chance.choice(sent[-10:])
        wish = WantedRecall(
            document_id=letter.id, reason="Gửi nhầm nơi nhận", notice_no="7/TB", recipients=letter.recipients
        )

        async def file_ask(node: Office) -> str:
            by = Actor(scope=self.scope, rights=await self.rights(node))
            return (await follow_up.ask_recall(node.out, by, wish)).id

        id = await self.do("ask_recall", file_ask)
        self.tell("asked_recall", f"{id} {letter.id}")
        if self.chance.random() < 0.25:

            async def withdrawn(node: Office) -> None:
                by = Actor(scope=self.scope, rights=await self.rights(node))
                await follow_up.withdraw_recall(node.out, by, id)

            await self.do("withdraw", withdrawn)
            self.tell("withdrawn", id)


class Head(Person):
    """Gives opinions, assigns what was taken in, decides about recalls."""

    post = "head"

    def acts(self) -> dict[Callable[[], Awaitable[None]], int]:
        return super().acts() | {self.decide: 4, self.assign: 6, self.answer_asks: 3}

    async def decide(self) -> None:
        """Give an opinion on a submission: in words, or by assigning the document."""

        async def waiting(node: Office) -> list[str]:
            async with node.store.read(self.scope) as work:
                return [document.id for _, document in await work.office.submissions.open(20)]

        ids = await self.do("submissions", waiting)
        if not ids:
            return
        id = self.chance.choice(ids)
        if self.chance.random() < 0.4:
            await self.do("opinion", lambda node: received.decide(node.inn, self.scope, id, "Đồng ý"))
            self.tell("opinion", id)
        else:
            await self.put_off(id, ActKind.ASSIGN, ActValues(assignment=self._assignment(), decides=True))

    async def assign(self) -> None:
        for id in (await self.listed(Tab.ACCEPTED))[:_AT_ONCE]:
            document = await self.do("read", lambda node, id=id: self._incoming(node, id))  # type: ignore[misc]  # mypy cannot type a lambda with a default
            if document.state is not InState.ACCEPTED and self.chance.random() < 0.8:
                continue
            why = "" if document.assignment is None else "Giao lại cho đúng đơn vị"
            values = ActValues(assignment=self._assignment(), why=why)
            try:
                await self.put_off(id, ActKind.ASSIGN, values)
            except (Clash, Refused, NotFound) as answer:
                self.tell("not_assigned", f"{id} {answer.code}")

    async def _incoming(self, node: Office, id: str) -> IncomingDocument:
        async with node.store.read(self.scope) as work:
            return await work.incoming.get(id)

    def _assignment(self) -> Assignment:
        chance, people = self.chance, self.host.site.people
        lead, other = chance.sample(UNITS, 2)
        posts = dict(zip(UNITS, ("first", "second"), strict=True))
        helpers = (other,) if chance.random() < 0.4 else ()
        persons = [
            UnitPerson(unit=unit, person=people[self.cast.code, posts[unit]])
            for unit in (lead, *helpers)
            if chance.random() < 0.4
        ]
        informed = (Informed(unit=other),) if not helpers and chance.random() < 0.4 else ()
        return Assignment(
            lead_unit=lead,
            coordinating_units=helpers,
            persons=tuple(persons),
            informed=informed,
            deadline=local(self.host.clock.now()).date() + timedelta(days=chance.choice((1, 5))),
            instruction="Xem và trả lời",
        )

    async def answer_asks(self) -> None:
        """Approve or refuse the recalls that clerks ask for."""

        async def waiting(node: Office) -> list[str]:
            async with node.store.read(self.scope) as work:
                return [ask.id for ask in await work.office.recalls.open(20)]

        for id in (await self.do("asks", waiting))[:_AT_ONCE]:
            approves = self.chance.random() < 0.6

            async def answered(node: Office, id: str = id, approves: bool = approves) -> None:
                by = Actor(scope=self.scope, rights=await self.rights(node))
                if approves:
                    await follow_up.approve_recall(node.out, by, id, name="Giám đốc Mẫu")
                else:
                    await follow_up.refuse_recall(node.out, by, id, "Không cần thu hồi")

            try:
                await self.do("answer_ask", answered)
            except (Clash, Refused, NotFound) as answer:
                self.tell("not_answered", f"{id} {answer.code}")
            else:
                self.tell("approved" if approves else "refused_recall", id)


class Officer(Person):
    """Works on what was given to the person or the unit."""

    post = "first"

    def acts(self) -> dict[Callable[[], Awaitable[None]], int]:
        return super().acts() | {self.work_on: 8}

    async def share(self, node: Office) -> Share:
        rights = await self.rights(node)
        return rights.share(Right.PROGRESS, self.scope.agency_id, node.clock.now())

    async def work_on(self) -> None:
        """Report an own part as done, hand it back, or see what was only for information."""

        async def parts(node: Office) -> list[tuple[str, bool, bool]]:
            async with node.store.read(self.scope) as work:
                open_parts = await work.parts.open_of(await self.share(node), 20)
            return [(document.id, part.is_lead, part.is_informed) for part, document in open_parts]

        own_parts = await self.do("parts", parts)
        if not own_parts:
            return
        id, is_lead, is_informed = self.chance.choice(own_parts)
        if is_informed:
            await self._end("informed", id, handling.confirm_reading)
        elif self.chance.random() < 0.15:
            await self._end(
                "handed_back",
                id,
                lambda services, scope, id, share: handling.hand_back(
                    services, scope, id, share, "Không đúng chức năng"
                ),
            )
        elif is_lead:
            code = self.chance.choice(("05", "06"))
            call = StatusCall(code=code)
            await self.do("report", lambda node: act.set_status(node.inn, self.scope, id, call))
            self.tell(f"set_{code}", id)
        else:
            await self._end("finished", id, handling.finish)

    async def _end(self, name: str, id: str, end: Callable[..., Awaitable[object]]) -> None:
        async def ended(node: Office) -> object:
            return await end(node.inn, self.scope, id, await self.share(node))

        await self.do(name, ended)
        self.tell(name, id)


class SecondOfficer(Officer):
    post = "second"
