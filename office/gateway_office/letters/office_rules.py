"""Rules of an office, as its administrator keeps them: made, changed, tried on the last month, switched on, removed. In:
the administrator, an agency, a rule as typed. Out: the rule, with an event in the agency's log; letters of the last 30
days that it would have met. A new or changed rule is off; only a trial of it as it stands switches it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.handling import Unit, unit_key, walk_tree
from gateway.domain.text import fold
from gateway.errors import Clash
from gateway.incoming.register import TAKEN_IN_STATES
from gateway_office.accounts.acting import Administrator, over_agency
from gateway_office.domain.listing import Filter, ListLine, ListOrder, Side
from gateway_office.policy.office_rules import MOST_RULES, OfficeRule, RuleActs, meets, traits_of
from gateway_office.services import AccountServices, OfficeIncomingServices
from gateway_office.store.lists import MOST_ROWS
from gateway_office.store.store import OfficeWork

_MONTH = timedelta(days=30)
_NEWEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChoices:
    """Units, labels and persons (names by id) that a rule of the agency may name, and the types of its letters."""

    units: Sequence[tuple[Unit, int]]
    tags: Sequence[str]
    people: Mapping[str, str]

    def missing(self, acts: RuleActs) -> list[str]:
        """Return the parts of a rule that name what there is no longer: the rule goes on without them."""
        parts = {
            "unit": not acts.unit or any(unit_key(acts.unit) in unit.keys for unit, _ in self.units),
            "tag": not acts.tag or fold(acts.tag) in map(fold, self.tags),
            "people": {*acts.people} <= {*self.people},
        }
        return [part for part, is_there in parts.items() if not is_there]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrial:
    """Number of letters that the rule would have met among `total`, and the newest of them."""

    count: int
    total: int
    lines: Sequence[ListLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleKeeper:
    """Acts of an administrator on the rules of one agency; each checks that they administer it."""

    inn: OfficeIncomingServices
    accounts: AccountServices
    by: Administrator
    agency_id: str

    @property
    def _scope(self) -> AgencyScope:
        return AgencyScope(agency_id=self.agency_id, principal_id=self.by.principal_id)

    async def _check(self) -> None:
        async with self.accounts.accounts.read() as view:
            await over_agency(view, self.by, self.agency_id, self.inn.clock.now())

    async def load(self) -> tuple[Sequence[OfficeRule], RuleChoices]:
        """Return the rules in their order, and what they may name."""
        await self._check()
        async with self.inn.store.read(self._scope) as work:
            choices = RuleChoices(
                units=[*walk_tree(await work.units.open())],
                tags=[tag.name for tag in await work.office.tags.all()],
                people=await work.office.rules.readers(self.inn.clock.now()),
            )
            return await work.office.rules.all(), choices

    async def save(self, rule: OfficeRule) -> None:
        """Save a rule without faults, switched off: a new one without an id, or a changed one. Clash for one too many."""
        await self._check()
        now, act = self.inn.clock.now(), "changed" if rule.id else "made"
        rule = replace(rule, made_by=self.by.principal_id, made_at=now, is_on=False, tried_at=None)
        async with self.inn.store.changing(self._scope) as work:
            if rule.id:
                await work.office.rules.get(rule.id)
            elif len(await work.office.rules.all()) >= MOST_RULES:
                raise Clash(f"an agency has {MOST_RULES} rules at most", code="GW-RULE")
            else:
                rule = replace(rule, id=self.inn.clock.new_id("rul_"))
            await work.office.rules.save(rule)
            await self._record(work, rule, act)

    async def try_on_month(self, rule: OfficeRule) -> RuleTrial:
        """Try the rule on the letters of the last 30 days that are in the register."""
        await self._check()
        criteria = Filter(side=Side.IN, since=self.inn.clock.now() - _MONTH, sort=ListOrder.NEWEST)
        met, total = list[ListLine](), 0
        async with self.inn.store.read(self._scope) as work:
            page = await work.office.lists.page(criteria, limit=MOST_ROWS)
            while True:
                lines = [line for line in page.lines if line.own_state in TAKEN_IN_STATES]
                met += await self.inn.pool.run(partial(_met_lines, rule, lines))
                total += len(lines)
                if page.next_cursor is None:
                    break
                page = await work.office.lists.page(criteria, limit=MOST_ROWS, cursor=page.next_cursor)
        return RuleTrial(count=len(met), total=total, lines=met[:_NEWEST])

    async def switch(self, tried_rule: OfficeRule, *, is_on: bool) -> None:
        """Switch the rule off, or on after one more trial. Clash where it was changed since it was tried."""
        await self._check()
        count = (await self.try_on_month(tried_rule)).count if is_on else tried_rule.tried_count
        async with self.inn.store.changing(self._scope) as work:
            rule = await work.office.rules.get(tried_rule.id)
            if is_on and (rule.condition, rule.acts) != (tried_rule.condition, tried_rule.acts):
                raise Clash("the rule was changed since it was tried", code="GW-RULE")
            tried_at = self.inn.clock.now() if is_on else rule.tried_at
            rule = replace(rule, is_on=is_on, tried_at=tried_at, tried_count=count)
            await work.office.rules.save(rule)
            await self._record(work, rule, "on" if is_on else "off")

    async def remove(self, rule: OfficeRule) -> None:
        await self._check()
        async with self.inn.store.changing(self._scope) as work:
            await work.office.rules.remove(rule.id)
            await self._record(work, rule, "removed")

    async def _record(self, work: OfficeWork, rule: OfficeRule, act: str) -> None:
        data = {"what": act, "name": rule.name, **({"count": rule.tried_count} if act == "on" else {})}
        await work.events.append(EventKind.RULE_CHANGED, rule.id, self.inn.clock.now(), data)


def _met_lines(rule: OfficeRule, lines: Sequence[ListLine]) -> Sequence[ListLine]:
    return [line for line in lines if meets(traits_of(line), rule.condition)]
