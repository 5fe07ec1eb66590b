"""Lays out the nodes of a world before it begins: schema, agencies, keys and certificates, the registry and its bindings.
In: a folder. Out: settings of each node and the ids of its agencies. The same in every world, so that worlds differ by
their seeds alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from gateway.bootstrap.axis import open_axis
from gateway.bootstrap.core import open_core
from gateway.bootstrap.node import open_node
from gateway.clock import SystemClock
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.settings import Settings, load
from gateway.store import migrate
from gateway.trust.keys import KeyDirectory
from gateway_labs import trial_node
from gateway_labs.authority import Authority
from tests.simulation import leases_held, sources

if TYPE_CHECKING:
    from tests.simulation.office_part import OfficePart

_TEN_YEARS, _TWO_YEARS = timedelta(days=3650), timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Cast:
    """An agency and how arrivals get their numbers there."""

    code: str
    node: str
    numbering: NumberingMode


CASTS = (
    Cast("Z91", "north", NumberingMode.B),
    Cast("Z91.07", "north", NumberingMode.A),
    Cast("Z92", "centre", NumberingMode.B),
    Cast("Z92.01", "centre", NumberingMode.B),
    Cast("Z93", "south", NumberingMode.C),
    Cast("Z93.04", "south", NumberingMode.B),
)
AXIS, HOT_FOLDER = "axis", "hot"
# Agencies whose documents go by the hot folder, in worlds that have one.
BY_FOLDER = ("Z91.07", "Z92")
NODES = tuple(dict.fromkeys(cast.node for cast in CASTS))


class StageClock(SystemClock):
    """The virtual wall clock, which a fault may set wrong for one node."""

    def __init__(self) -> None:
        self.wrong = timedelta()

    def now(self) -> datetime:
        return datetime.fromtimestamp(sources.now_s(), UTC) + self.wrong

    def passed_s(self) -> float:
        return sources.now_s()

    def new_id(self, prefix: str = "") -> str:
        return prefix + sources.ulid(self.now())


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A node as it was laid out: `agencies` are the ids of its agencies by code, `deciders` the names and second factors
    of persons who decide."""

    name: str
    settings: Settings
    agencies: dict[str, str]
    authority: Authority
    people: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Ids of persons by the code of their agency and their post, where the node has an office."""
    deciders: list[tuple[str, str]] = field(default_factory=list)


def settings_of(folder: Path, name: str, *, has_office: bool, has_hot_folder: bool = False) -> Settings:
    """Return the settings of a node; polls are rare, so that an idle hour costs little."""
    return load(
        None,
        {
            "GATEWAY_NODE_NAME": name,
            "GATEWAY_NODE_DATA_DIR": str(folder / name),
            "GATEWAY_NODE_OFFICE": "on" if has_office else "off",
            "GATEWAY_AXIS_FOLDER": str(folder / AXIS),
            # The process that reads scans has a clock of its own.
            "GATEWAY_PAGES_SCANS": "off",
            "GATEWAY_WORKERS_POLL_S": "60",
            "GATEWAY_WORKERS_LEASE_S": "90",
            **(_hot_folder(folder / name) if has_hot_folder else {}),
        },
    )


def _hot_folder(data: Path) -> dict[str, str]:
    return {
        "GATEWAY_FOLDER_ROOT": str(data / HOT_FOLDER),
        "GATEWAY_FOLDER_AGENCIES": ",".join(BY_FOLDER),
        "GATEWAY_FOLDER_LOOK_S": "15",
    }


async def lay_out(folder: Path, office: OfficePart | None, terms: Mapping[str, timedelta]) -> dict[str, Site]:
    """Lay out all nodes in the folder, with an office where there is one. `terms` is the time for which the certificates
    of some agencies are valid."""
    clock = StageClock()
    began = clock.now() - timedelta(days=2)
    authority = Authority.create("Simulated exchange authority", began, _TEN_YEARS)
    sites, certificates = {}, {}
    for name in NODES:
        settings = settings_of(folder, name, has_office=office is not None)
        (settings.node.data_dir / HOT_FOLDER).mkdir(parents=True)
        schema = folder / "schema.db"
        if schema.exists():
            shutil.copyfile(schema, folder / name / "gateway.db")
        else:
            await migrate.up(settings.database.url)
            shutil.copyfile(folder / name / "gateway.db", schema)
        codes = [cast for cast in CASTS if cast.node == name]
        for cast in codes:
            keys = KeyDirectory(settings.keys.folder, None)
            certificates[cast.code] = trial_node.certified(
                keys, authority, cast.code, _name(cast.code), began, terms.get(cast.code, _TWO_YEARS)
            )
        agencies = await _host(settings, codes, clock)
        sites[name] = Site(name=name, settings=settings, agencies=agencies, authority=authority)
    for site in list(sites.values()):
        trial_node.write_trust(site.settings.trust.folder, authority, certificates, began)
        await _register(site, certificates, clock)
        if office is not None:
            sites[site.name] = replace(site, people=await office.settle(site, clock))
        leases_held.watch(site.settings.node.data_dir / "gateway.db")
    async with open_axis(site.settings, clock) as axis:
        await axis.host(())
    leases_held.watch_axis(folder / AXIS / "axis.sqlite")
    return sites


async def _host(settings: Settings, casts: list[Cast], clock: StageClock) -> dict[str, str]:
    agencies = {}
    async with open_core(settings, clock) as core:
        for cast in casts:
            agency = HostedAgency(
                id=clock.new_id("agy_"), code=cast.code, name=_name(cast.code), numbering=cast.numbering
            )
            await core.store.accounts.add_hosted(agency)
            agencies[cast.code] = agency.id
    return agencies


async def _register(site: Site, certificates: Mapping[str, x509.Certificate], clock: StageClock) -> None:
    rows = [(cast.code, _name(cast.code), cast.code.rpartition(".")[0], cast.node) for cast in CASTS]
    async with open_node(site.settings, clock) as node:
        plan = await node.directory_changes.plan_import(
            trial_node.as_csv([("code", "name", "parent", "host"), *rows])
        )
        await node.directory_changes.apply(plan, "stage")
        for code, certificate in certificates.items():
            binding = trial_node.binding_of(code, certificate)
            await node.directory_changes.bind(
                code,
                binding.certificate_der,
                binding.valid_from,
                binding.valid_to,
                proposed_by="stage",
                approved_by="stage authority",
            )


def _name(code: str) -> str:
    return f"Cơ quan mô phỏng {code}"
