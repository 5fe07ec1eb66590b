"""Changes of the registry in a world: two persons on each node put a change in force, by a decision or by a file, one
node an hour after the others, while documents are on their way to its codes. In: a seed. Out: registries that agree at the
end; new agencies that send and receive; codes that end, each with its successor, for the checkers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.bootstrap.node import OpenNode, open_node
from gateway.deciding import registry_changes
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.person import Proposal
from gateway.domain.registry_reform import DecidingDocument, QueuedMail, Reform, ReformKind, Target
from gateway.domain.wall_clock import local, midnight
from gateway.errors import Clash, Denied, NotFound, Refused
from gateway_labs import trial_node
from tests.simulation import renewal, sources
from tests.simulation.callers import Caller, Receiver, Sender
from tests.simulation.checkers import read
from tests.simulation.kept_out import Ending
from tests.simulation.loop import context_of
from tests.simulation.programs import HOUR_S, SEASONS, Program
from tests.simulation.rows import Rows
from tests.simulation.seasons import stay_idle
from tests.simulation.stage import CASTS, Cast, Site, StageClock
from tests.support import people

# Mail that is held for an ended code fails after three days.
_HELD_S = 80 * HOUR_S
_LATE_S = HOUR_S
_DECISION = "12/QĐ-UBND"
_NEW_NAME = "Cơ quan đổi tên"


async def enrol(sites: Mapping[str, Site]) -> None:
    """Enrol the two persons of each node who decide."""
    for site in sites.values():
        async with open_node(site.settings, StageClock()) as node:
            with people.cheap():
                both = await people.two(node.deciding)
        site.deciders.extend((someone.name, someone.totp) for someone in both)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that a decision orders, and the agencies that begin with it. Where `has_file`, a file can say the same.
    `delay` is its time after the others: one that is only planned in this world."""

    name: str
    kind: ReformKind
    sources: tuple[str, ...]
    targets: tuple[str, ...] = ()
    begins: tuple[Cast, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    has_file: bool = False
    delay: timedelta = timedelta()

    def reform(self, number: int, day: date, queued: QueuedMail) -> Reform:
        new = {cast.code: cast for cast in self.begins}
        targets = tuple(
            Target(code=code, name=_name(code), parent=_parent(code), host=new[code].node)
            if code in new
            else Target(code=code)
            for code in self.targets
        )
        decision = DecidingDocument(number=f"{number}/{_DECISION}", issued_on=day, issuer="UBND mẫu")
        return Reform(
            kind=self.kind,
            decision=decision,
            effective_on=day + self.delay,
            sources=self.sources,
            targets=targets,
            queued=queued,
            **self.fields,
        )

    def file(self, day: date) -> bytes:
        """Return the same change as the lines of a file."""
        hosts, names = {cast.code: cast.node for cast in CASTS}, dict(self.fields)
        last, heir = (str(day - timedelta(days=1)), self.targets[0]) if self.targets else ("", "")
        rows = [
            (cast.code, _name(cast.code), _parent(cast.code), cast.node, str(day), "", "")
            for cast in self.begins
        ]
        rows += [
            (code, names.get("name", f"Cơ quan mô phỏng {code}"), _parent(code), hosts[code], "", last, heir)
            for code in self.sources
        ]
        return trial_node.as_csv(
            [("code", "name", "parent", "host", "valid_from", "valid_to", "successor"), *rows]
        )


def _name(code: str) -> str:
    return f"Cơ quan mới {code}"


def _parent(code: str) -> str:
    return code.rpartition(".")[0]


def _new(code: str, node: str) -> Cast:
    return Cast(code, node, NumberingMode.A)


def _merge(name: str, source: str, target: str) -> Change:
    return Change(name=name, kind=ReformKind.MERGE, sources=(source,), targets=(target,), has_file=True)


def _recode(name: str, source: str, target: str, node: str) -> Change:
    begins = (_new(target, node),)
    return Change(
        name=name, kind=ReformKind.RECODE, sources=(source,), targets=(target,), begins=begins, has_file=True
    )


# The sets touch different codes, so that a world may have several changes.
_MENU = (
    (
        _merge("merge at home", "Z93.04", "Z93"),
        Change(
            name="split",
            kind=ReformKind.SPLIT,
            sources=("Z93",),
            targets=("Z93", "Z93.09"),
            begins=(_new("Z93.09", "south"),),
        ),
    ),
    (
        _merge("merge away", "Z92.01", "Z91"),
        _recode("recode away", "Z92.01", "Z93.21", "south"),
        Change(
            name="rename",
            kind=ReformKind.RENAME,
            sources=("Z92.01",),
            fields={"name": _NEW_NAME},
            has_file=True,
        ),
    ),
    (
        _recode("recode", "Z91.07", "Z91.17", "north"),
        Change(
            name="create",
            kind=ReformKind.CREATE,
            sources=(),
            targets=("Z91.08",),
            begins=(_new("Z91.08", "north"),),
        ),
    ),
)


# Planned for a time after the world: the successor of one code has a successor of its own by then.
_PLANNED = {
    "merge at home": Change(
        name="merge later",
        kind=ReformKind.MERGE,
        sources=("Z93",),
        targets=("Z91",),
        delay=timedelta(days=300),
    ),
    "merge away": Change(
        name="merge later",
        kind=ReformKind.MERGE,
        sources=("Z91",),
        targets=("Z92",),
        delay=timedelta(days=300),
    ),
}


class Administrator(Caller):
    """The two persons of a node who decide."""

    role = "administrator"

    async def put_in_force(
        self, is_in_force: Callable[[OpenNode], Coroutine[Any, Any, bool]], propose: Any
    ) -> None:
        """Let one person propose and the other approve, until the registry has it."""
        while not await self.ask("look", is_in_force):
            try:
                await self.ask("decide", lambda node: self._decide(node, propose))
            except (Clash, Denied, Refused, NotFound) as answer:
                self.tell("not_decided", f"{answer.code} {answer}")
                await asyncio.sleep(60.0)

    async def _decide(self, node: OpenNode, propose: Any) -> None:
        proposer, approver = (
            people.Someone(services=node.deciding, name=name, totp=totp)
            for name, totp in self.host.site.deciders
        )
        await people.approved(approver, await propose(node, proposer))


class Reforms(Program):
    """Draws changes, and has them decided on every node."""

    def begin(self) -> None:
        """Draw the changes, their day, and the node that is late."""
        chance = self.world.chance("reforms")
        self._chance = chance
        self.changes = [chance.choice(choices) for choices in _MENU if chance.random() < 0.6]
        self.changes = self.changes or [chance.choice(chance.choice(_MENU))]
        planned = [_PLANNED[change.name] for change in self.changes if change.name in _PLANNED]
        if planned and SEASONS not in self.opening.names:
            self.changes.append(chance.choice(planned))
        self.day = self._today() + chance.choice((timedelta(), timedelta(days=1)))
        self.queued = chance.choice([*QueuedMail])
        self.late = chance.choice([*self.world.hosts, ""])
        # What is imported says nothing of mail that waits, which is held then.
        self.imported = {c.name for c in self.changes if c.has_file and chance.random() < 0.4}
        self.finished = asyncio.Event()
        for change in self.changes:
            reform = self._reform(change)
            for code in reform.ended if not change.delay else ():
                self.crowd.ledger.endings[code] = Ending(
                    ends_at=midnight(self.day).astimezone(UTC),
                    heir=reform.successor or "",
                    queued=QueuedMail.HOLD if change.name in self.imported else self.queued,
                )
        names = ",".join(f"{c.name}{' (file)' * (c.name in self.imported)}" for c in self.changes)
        self.world.tell("reforms.drawn", "", f"{names} from {self.day}, {self.queued}, late: {self.late}")

    def _reform(self, change: Change) -> Reform:
        return change.reform(self.changes.index(change) + 1, self.day, self.queued)

    def _today(self) -> date:
        return local(_now()).date()

    async def run(self) -> None:
        try:
            await asyncio.gather(*(self._decide_on(name) for name in self.world.hosts))
        finally:
            self.finished.set()

    async def _decide_on(self, name: str) -> None:
        lag_s = _LATE_S if name == self.late else 0.0
        await asyncio.sleep(lag_s + self._chance.random() * 0.6 * self.opening.hours * HOUR_S)
        administrator = Administrator(self.crowd, next(cast for cast in CASTS if cast.node == name))
        for change in self.changes:
            began = _now()
            await self._put_in_force(administrator, change)
            administrator.tell("decided", f"{change.name} from {self.day}")
            for code in self._reform(change).ended if not change.delay else ():
                self.crowd.ledger.endings[code].decided[name] = (began, _now())
            for cast in change.begins:
                if cast.node == name:
                    await self._open_agency(administrator, cast)

    async def _put_in_force(self, administrator: Administrator, change: Change) -> None:
        reform, file = self._reform(change), change.file(self.day) if change.has_file else b""

        async def propose_reform(node: OpenNode, person: people.Someone) -> Proposal:
            plan = await registry_changes.plan_reform(node.deciding, reform)
            return await registry_changes.propose_reform(node.deciding, await person.signed_in(), plan)

        async def propose_import(node: OpenNode, person: people.Someone) -> Proposal:
            plan = await node.directory_changes.plan_import(file)
            actor = await person.signed_in()
            return await registry_changes.propose_import(node.deciding, actor, plan, file, "m.csv", _DECISION)

        async def is_imported(node: OpenNode) -> bool:
            return not (await node.directory_changes.plan_import(file)).rows

        async def is_decided(node: OpenNode) -> bool:
            reforms = await registry_changes.list_reforms(node.deciding, 50)
            return any(record.reform.decision == reform.decision for record in reforms)

        if change.name in self.imported:
            await administrator.put_in_force(is_imported, propose_import)
        else:
            await administrator.put_in_force(is_decided, propose_reform)

    async def _open_agency(self, administrator: Administrator, cast: Cast) -> None:
        """Host a new agency from its first day, with a key that every node learns, and let it send and receive."""
        site = administrator.host.site
        agency = HostedAgency(
            id=StageClock().new_id("agy_"), code=cast.code, name=cast.code, numbering=cast.numbering
        )
        await administrator.ask("host", lambda node: _host(node, agency))
        site.agencies[cast.code] = agency.id
        await asyncio.sleep(max(0.0, midnight(self.day).timestamp() - _now().timestamp()))
        await renewal.renew(self.crowd, cast, timedelta(days=700))
        self.crowd.casts.append(cast)
        for caller in (Sender(self.crowd, cast), Receiver(self.crowd, cast)):
            self.crowd.started.append(self.world.loop.create_task(caller.run(), context=context_of(None)))

    async def finish(self) -> None:
        """Wait until every node has decided, and until the day of the change has come; then let an operator of each node
        open what was kept out while the registries differed, and wait until mail that is held has failed."""
        await self.finished.wait()
        await asyncio.sleep(max(0.0, midnight(self.day).timestamp() + 60.0 - _now().timestamp()))
        for name in self.world.hosts:
            await renewal.reopen_packets(self.crowd, name)
        if any(ending.queued is QueuedMail.HOLD for ending in self.crowd.ledger.endings.values()):
            await stay_idle(self.crowd, _HELD_S)

    def check(self) -> Iterator[str]:
        """Check that all registries say the same."""
        first, *sides = read(self.world)
        rows = _registry(first)
        for side in sides:
            if differing := rows.symmetric_difference(_registry(side)):
                yield f"the registries of {first.name} and {side.name} differ: {sorted(differing, key=str)}"


def _now() -> datetime:
    return datetime.fromtimestamp(sources.now_s(), UTC)


def _registry(side: Rows) -> set[tuple[Any, ...]]:
    names = ("code", "name", "alias", "parent", "valid_from", "valid_to", "successor", "host")
    return {tuple(row[name] for name in names) for row in side["agency"]}


async def _host(node: OpenNode, agency: HostedAgency) -> None:
    if await node.store.accounts.hosted_by_code(agency.code) is None:
        await node.store.accounts.add_hosted(agency)
