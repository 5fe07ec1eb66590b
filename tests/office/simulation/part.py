"""The office's part of a simulated world (`tests.simulation.office_part`). In: nodes that are laid out, a crowd of callers.
Out: persons with posts and accounts, nodes that open with their office, clerks, heads and officers, and the promises that
their work breaks. Files are read by the drawing module in this process: a table keeps its answers, by content and wish."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from gateway.bootstrap.node import OpenNode, Wrap
from gateway.deciding import agency_profile
from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import OUT_NUMBERING
from gateway.domain.pdf import PageLook, PageWish
from gateway.settings import Settings
from gateway.trust.page_drawing import child
from gateway.trust.page_drawing.drawer import PageBox
from gateway_office.accounts import admin, credentials, posts, units
from gateway_office.accounts.acting import Administrator
from gateway_office.bootstrap.office import Office, open_office
from gateway_office.domain.roles import PostRole
from gateway_office.domain.session import CallOrigin
from tests.office.simulation import archivists, clerks, recount
from tests.office.simulation.diary import Diary
from tests.simulation.callers import Caller, Crowd
from tests.simulation.checkers import read
from tests.simulation.stage import CASTS, Site, StageClock
from tests.simulation.world import World
from tests.support import people

UNITS = ("Phòng Mẫu", "Phòng Hai")
# Agencies whose issuing books the node numbers, for programs and clerks alike.
NUMBERED_BY_NODE = frozenset({"Z91", "Z92", "Z92.01", "Z93.04"})
_POSTS = (
    ("clerk", PostRole.CLERK, ""),
    ("head", PostRole.HEAD, ""),
    ("first", PostRole.OFFICER, UNITS[0]),
    ("second", PostRole.OFFICER, UNITS[1]),
)
_MACHINE = Administrator(principal_id="operator")
_PASSWORD = "Trời mưa 7 ngày"
_ORIGIN = CallOrigin(address="192.0.2.7", agent="A browser")
_LEFT_TO_CLERKS = 0.6
_WITH_ARCHIVISTS = 0.4


class Part:
    def __init__(self) -> None:
        self.diary = Diary()
        # No process may be started in a world.
        PageBox.draw = _draw_in_process  # type: ignore[method-assign,assignment]  # it takes any box
        PageBox.warm = lambda box: None  # type: ignore[method-assign,assignment]  # nothing to start

    def open_node(
        self, settings: Settings, clock: StageClock, wrap: Wrap
    ) -> AbstractAsyncContextManager[OpenNode]:
        return open_office(settings, clock, wrap)

    async def settle(self, site: Site, clock: StageClock) -> Mapping[tuple[str, str], str]:
        """Add units and persons with their posts to each agency, and let each take up the account."""
        ids = {}
        with people.cheap():
            async with open_office(site.settings, clock) as node:
                for code, agency_id in site.agencies.items():
                    for unit in UNITS:
                        await units.add_unit(node.accounts, _MACHINE, agency_id, unit)
                    for name, role, unit in _POSTS:
                        ids[code, name] = await _person(node, f"{code.lower()}-{name}", agency_id, role, unit)
                    if code in NUMBERED_BY_NODE:
                        scope = AgencyScope(agency_id=agency_id, principal_id="operator")
                        await agency_profile.choose(node.store, clock, scope, "stage", OUT_NUMBERING, "B")
        return ids

    def callers(self, crowd: Crowd, codes: frozenset[str]) -> list[Caller]:
        crowd.numbered_by_node, crowd.left_to_clerks = NUMBERED_BY_NODE, _LEFT_TO_CLERKS
        kinds = (clerks.Clerk, clerks.Head, clerks.Officer, clerks.SecondOfficer)
        casts = [cast for cast in CASTS if not codes or cast.code in codes]
        persons: list[Caller] = [kind(crowd, cast, self.diary) for cast in casts for kind in kinds]
        is_drawn = crowd.world.chance("archivists").random() < _WITH_ARCHIVISTS
        if is_drawn if crowd.has_archivists is None else crowd.has_archivists:
            persons += [archivists.Archivist(crowd, cast, self.diary) for cast in casts]
        return persons

    def remains(self, world: World) -> list[str]:
        return [*recount.remains(world), *archivists.remains(read(world))]

    def check(self, world: World) -> list[str]:
        sides = read(world)
        return [*recount.check_sides(sides, self.diary, NUMBERED_BY_NODE), *archivists.check(sides)]

    async def check_running(self, world: World) -> list[str]:
        return await recount.check_running(world)


async def _person(node: Office, login: str, agency_id: str, role: PostRole, unit: str) -> str:
    wish = posts.WantedPost(role=role, agency_id=agency_id, unit=unit)
    account = admin.NewAccount(login=login, name=f"Người {login}", title="Chuyên viên", posts=(wish,))
    person, code = await admin.add(node.accounts, _MACHINE, account)
    await credentials.take_up(node.accounts, code, _PASSWORD, _ORIGIN)
    return person.id


_looks: dict[tuple[bytes, PageWish], PageLook] = {}


def _draw_in_process(box: Any, path: Path, wish: PageWish) -> PageLook:
    """Answer as the drawing process does."""
    key = hashlib.sha256(path.read_bytes()).digest(), wish
    if key not in _looks:
        _looks[key] = child.draw_page(path, wish)
    return _looks[key]
