"""Opens what one command needs, and finds the agency it acts for. In: the settings and a code. Out: a `CommandContext`: the
wired node, the agency and the scope to work in; a `StoreContext` where the rows are enough; or a part of a node. All
are closed when the command ends. In a running node each of them is that node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from gateway.cli.served import SERVED, user
from gateway.domain.account import AgencyScope, HostedAgency, Principal, PrincipalKind
from gateway.domain.wall_clock import local
from gateway.errors import Misconfigured, NotFound

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.bootstrap.node import OpenNode
    from gateway.bootstrap.stored import OpenRegistry, OpenStore
    from gateway.ports.axis import ManagedAxis
    from gateway.settings import Settings
    from gateway.store.store import SqlStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreContext:
    """Place of a command that reads: the rows, for this agency, as this operator."""

    node: OpenStore
    agency: HostedAgency
    scope: AgencyScope

    def today(self) -> date:
        """Return the date on a clerk's calendar now."""
        return local(self.node.clock.now()).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext(StoreContext):
    """Place of a command's work: this node, for this agency, as this operator."""

    node: OpenNode


class WhichAgency(NotFound):
    """Several agencies live here, and the command does not say which one it is about."""

    code = "GW-WHICH-AGENCY"
    label_key = "cli.which_agency"


def at_node(settings: Settings) -> AbstractAsyncContextManager[OpenNode]:
    """Open the wired node, for commands that are about no single agency."""
    if (served := SERVED.get()) is not None:
        return nullcontext(served.node)
    from gateway.bootstrap.extensions import open_with_storeys

    must_exist(settings)
    return open_with_storeys(settings)


@asynccontextmanager
async def at_agency(settings: Settings, code: str | None) -> AsyncIterator[CommandContext]:
    """Open the wired node with the agency of that code, or the only one hosted."""
    async with at_node(settings) as node:
        agency, scope = await _agency(node, code)
        yield CommandContext(node=node, agency=agency, scope=scope)


@asynccontextmanager
async def at_rows(settings: Settings, code: str | None) -> AsyncIterator[StoreContext]:
    """Open the rows with the agency of that code, or the only one hosted. Misconfigured while a restore is not
    confirmed."""
    from gateway.store import restored

    async with at_store(settings) as node:
        await restored.refuse_unconfirmed(node.store)
        agency, scope = await _agency(node, code)
        yield StoreContext(node=node, agency=agency, scope=scope)


async def _agency(node: OpenStore, code: str | None) -> tuple[HostedAgency, AgencyScope]:
    agency = chosen(await node.store.hosted(), code)
    return agency, AgencyScope(agency_id=agency.id, principal_id=await operator_id(node.store))


def at_store(settings: Settings) -> AbstractAsyncContextManager[OpenStore]:
    """Open the database alone, for commands that read rows."""
    if (served := SERVED.get()) is not None:
        return nullcontext(served.node)
    from gateway.bootstrap.stored import open_store

    must_exist(settings)
    return open_store(settings)


def at_core(settings: Settings) -> AbstractAsyncContextManager[NodeCore]:
    """Open the parts that need no trust or axis: a new node must have keys and accounts before it can open whole."""
    if (served := SERVED.get()) is not None:
        return nullcontext(served.node)
    from gateway.bootstrap.core import open_core

    must_exist(settings)
    return open_core(settings)


def at_registry(settings: Settings) -> AbstractAsyncContextManager[OpenRegistry]:
    """Open the registry of codes alone."""
    if (served := SERVED.get()) is not None:
        return nullcontext(served.node)
    from gateway.bootstrap.stored import open_registry

    must_exist(settings)
    return open_registry(settings)


def at_axis(settings: Settings) -> AbstractAsyncContextManager[ManagedAxis]:
    """Open the axis of the settings. Misconfigured where there is none yet: opening it would make an empty one."""
    if (served := SERVED.get()) is not None:
        return nullcontext(served.node.axis)
    from gateway.bootstrap.axis import open_axis

    for alone in settings.each_axis().values():
        if alone.axis.kind == "embedded" and not (alone.axis.folder / "axis.sqlite").exists():
            raise Misconfigured(
                f"there is no axis in {alone.axis.folder} yet",
                hint="it is made when the first node starts (gateway serve); its folder is set with axis.folder",
            )
    return open_axis(settings)


def must_exist(settings: Settings) -> None:
    """Refuse with the way out where no node was set up yet (Misconfigured); opening it would make an empty one."""
    from gateway.settings.reading import sqlite_file

    file = sqlite_file(settings)
    if file is not None and not file.exists():
        raise Misconfigured(
            f"there is no node here: {file} does not exist",
            hint="set one up with: gateway init, or name its settings file with --config",
        )


def chosen(hosted: Sequence[HostedAgency], code: str | None) -> HostedAgency:
    """Choose the agency with that code or alias; without one, the only agency there is."""
    codes = ", ".join(agency.code for agency in hosted) or "none"
    if code is None:
        if len(hosted) == 1:
            return hosted[0]
        raise WhichAgency(
            f"this node hosts {len(hosted)} agencies ({codes}); which one is meant?",
            hint="add: --agency CODE",
        )
    if (agency := HostedAgency.called(code, hosted)) is not None:
        return agency
    near = get_close_matches(code, [agency.code for agency in hosted], n=1)
    raise NotFound(
        f"this node does not host {code}; it hosts {codes}",
        hint=f"did you mean --agency {near[0]}?" if near else "",
    )


async def operator(store: SqlStore) -> Principal:
    """Return the operator: the machine's own account, as a principal of the node."""
    return await store.accounts.principal_for(PrincipalKind.OPERATOR, user())


async def operator_id(store: SqlStore) -> str:
    """Return the operator's id, where only that is noted."""
    return (await operator(store)).id
