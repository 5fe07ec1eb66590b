"""With which agencies mail goes on, for the list of agencies. In: an open node, entries of the registry, whose mail counts.
Out: what `office.web.ports_registry.Contacts` promises. An agency is known by its code and by the older form of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.account import HostedAgency
from gateway.domain.registry import AgencyEntry, AgencyFilter
from gateway.office.bootstrap.office import Office
from gateway.office.store import contacts
from gateway.ports import Page

SIX_MONTHS = timedelta(days=183)
_AT_ONCE = 500  # entries looked through between two questions to the store


@dataclass(frozen=True, slots=True)
class NodeContacts:
    """Keeps the promise of `office.web.ports_registry.Contacts`."""

    node: Office

    async def last_heard(self, entries: Sequence[AgencyEntry], agency_id: str = "") -> Mapping[str, datetime]:
        ours = [each.id for each in await self._ours(agency_id)]
        asked = {name for each in entries for name in _names(each)}
        heard = await contacts.last_heard(self.node.store, asked, self.node.clock.now(), ours)
        found = {each.code: [heard[name] for name in _names(each) if name in heard] for each in entries}
        return {code: max(times) for code, times in found.items() if times}

    async def silent(
        self, wanted: AgencyFilter, limit: int, cursor: str | None = None, agency_id: str = ""
    ) -> Page[AgencyEntry]:
        ours = await self._ours(agency_id)
        own = {each.code for each in ours}
        ids, since = [each.id for each in ours], self.node.clock.now() - SIX_MONTHS
        sent = {*await contacts.sent_to_since(self.node.store, since, ids)}
        found: list[AgencyEntry] = []
        after = cursor
        while len(found) <= limit:
            page = await self.node.directory.filtered(wanted, _AT_ONCE, after)
            rest = [each for each in page.items if each.code not in own and not _names(each) & sent]
            asked = {name for each in rest for name in _names(each)}
            heard = {*await contacts.heard_since(self.node.store, asked, since, ids)}
            found += [each for each in rest if not _names(each) & heard]
            after = page.next_cursor
            if after is None:
                break
        more = found[limit - 1].code if len(found) > limit else None
        return Page(items=tuple(found[:limit]), next_cursor=more)

    async def _ours(self, agency_id: str) -> Sequence[HostedAgency]:
        return [each for each in await self.node.store.hosted() if agency_id in ("", each.id)]


def _names(entry: AgencyEntry) -> set[str]:
    return {entry.code, entry.alias} if entry.alias else {entry.code}
