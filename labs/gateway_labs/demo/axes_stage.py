"""Sets up the four nodes of the demonstration of three axes: the province's in the middle, which has all three and routes
by code, and one for each of three agencies. In: a folder, the parts between the nodes. Out: for each node its settings,
databases, keys, and trust in the others; secrets stand in no file of theirs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from json import loads
from pathlib import Path

from cryptography import x509

from gateway.bootstrap.node import OpenNode
from gateway.clock import SystemClock
from gateway.domain.seals import SealChange
from gateway.pool import ThreadPool
from gateway.settings import Settings, options
from gateway.trust.keys import KeyDirectory
from gateway_labs import trial_node
from gateway_labs.authority import Authority
from gateway_labs.demo import deciders, people, signers, stage
from gateway_labs.demo.axes_between import Service, Vhost
from gateway_labs.demo.people import Invited
from gateway_labs.demo.pictures import write_seals
from gateway_labs.demo.stage import Cast
from gateway_office.bootstrap.office import Office
from gateway_office.domain.roles import PostRole

BROKER, LGSP, VXP = "broker", "lgsp", "vxp"
MIDDLE = "province"
# Axes of each agency: first the one that reaches it, then those that its route has for a bad day.
AXES: Mapping[str, tuple[str, ...]] = {
    MIDDLE: (BROKER, LGSP, VXP),
    "department": (BROKER,),
    "commune": (LGSP, VXP),
    "neighbour": (VXP,),
}
_POLL_S, _RATE = 0.3, 200.0


@cache
def cast() -> Cast:
    """Return the demonstration's cast, with a neighbouring province and documents of its own."""
    more = loads((stage.DEMO_FOLDER / "axes.json").read_text("utf-8"))
    return Cast(data={**stage.cast().data, **more})


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """The parts between the nodes: the folder of the embedded axis or, where a broker was named, its vhost."""

    folder: Path
    lgsp: Service
    vxp: Service
    vhost: Vhost | None = None

    @property
    def kinds(self) -> dict[str, str]:
        """Return the kind of each axis by its name."""
        return {BROKER: "amqp" if self.vhost else "embedded", LGSP: "lgsp", VXP: "vxp"}


def settings_of(folder: Path, actor: str, names: Mapping[str, str], between: Between, port: int) -> Settings:
    """Return the settings of that agency's node; the middle one alone has pages. `names`: names of the nodes."""
    office = "on" if actor == MIDDLE else "off"
    alone = stage.with_local_webhooks(stage.settings_for(folder / actor, port=port, office=office))
    axes = tuple(_axis(name, names[actor], between) for name in AXES[actor])
    return replace(
        alone, node=replace(alone.node, name=names[actor]), axes=axes, routes=tuple(_routes(actor))
    )


def _routes(actor: str) -> list[options.RouteSettings]:
    if actor != MIDDLE:
        return [options.RouteSettings(to="*", axes=AXES[actor][:1])]
    routes = [
        # The commune's mail goes over to its second axis; mail of agencies with one axis waits for it.
        options.RouteSettings(to=cast().code(other), axes=axes, away="next" if len(axes) > 1 else "wait")
        for other, axes in AXES.items()
        if other != MIDDLE
    ]
    return [*routes, options.RouteSettings(to="*", axes=(VXP,))]


def _axis(name: str, node: str, between: Between) -> options.NamedAxis:
    """Return the settings of one axis, away from the first failure on: half a minute is too long to watch."""
    parts: dict[str, object] = {"axis": options.AxisSettings(kind=between.kinds[name])}
    if name == VXP:
        system = between.vxp.systems[node]
        parts["vxp"] = options.VxpSettings(
            endpoint=between.vxp.url,
            system=system.id,
            secret=options.Secret(system.secret),
            poll_s=_POLL_S,
            rate_per_s=_RATE,
        )
    elif name == LGSP:
        system = between.lgsp.systems[node]
        login = system.login
        parts["lgsp"] = options.LgspSettings(
            endpoint=between.lgsp.url,
            username=login.username if login else "",
            password=options.Secret(login.password) if login else None,
            application=login.application if login else "",
            system=system.id,
            secret=options.Secret(system.secret),
            partial="all",  # of a document's recipients this service knows its own agencies alone
            poll_s=_POLL_S,
            rate_per_s=_RATE,
        )
    elif between.vhost is not None:
        parts["amqp"] = options.AmqpSettings(
            servers=between.vhost.servers,
            vhost=between.vhost.name,
            user=node,
            password=options.Secret(between.vhost.passwords[node]),
        )
    else:
        parts["axis"] = options.AxisSettings(kind="embedded", folder=between.folder)
    return options.NamedAxis(name=name, away_s=0, parts=parts)


async def prepare(nodes: Mapping[str, Settings]) -> dict[str, x509.Certificate]:
    """Create everything that must exist before they can open; return the certificate of each agency by its code."""
    clock = SystemClock()
    authority = Authority.create(stage.AUTHORITY, clock.now())
    certificates = {}
    for actor, settings in nodes.items():
        settings.node.data_dir.mkdir(parents=True, mode=0o700)
        agency = stage.hosted(cast(), actor, clock)
        await trial_node.host(settings, [agency], clock)
        keys = KeyDirectory(settings.keys.folder, None)
        certificates[agency.code] = trial_node.certified(
            keys, authority, agency.code, agency.name, clock.now()
        )
    for settings in nodes.values():
        trial_node.write_trust(settings.trust.folder, authority, certificates, clock.now())
    return certificates


async def signed_cast(nodes: Mapping[str, Settings]) -> Cast:
    """Sign the lead files of the cast, and make every node trust their seals."""
    middle, pool = nodes[MIDDLE], ThreadPool(1)
    write_seals(middle.sign.seals, [cast().code(MIDDLE)])

    def work() -> Cast:
        signed = signers.sign_lead_files(middle, cast(), SystemClock().now())
        for settings in nodes.values():
            if settings is not middle:
                shutil.copytree(middle.trust.folder / "pdf", settings.trust.folder / "pdf")
        return signed

    try:
        return await pool.run(work)
    finally:
        pool.close()


async def register(
    node: OpenNode, certificates: Mapping[str, x509.Certificate], seals: Sequence[SealChange]
) -> list[Invited]:
    """Fill the registry with all four agencies, and bind their certificates and seals by two persons. Where there is an
    office, return the accounts of its persons with their codes: made first, while no person can make any."""
    plan = await node.directory_changes.plan_import(stage.registry_csv(cast(), AXES))
    await node.directory_changes.apply(plan, "demo")
    invited = await people.invite(node.accounts, await _persons(node)) if isinstance(node, Office) else []
    bindings = [trial_node.binding_of(code, x) for code, x in certificates.items()]
    both = await deciders.two_deciders(node.deciding, cast().deciders)
    await deciders.bind_all(node.deciding, both, bindings, seals)
    return [x for x in invited if x.role in (PostRole.CLERK, PostRole.HEAD, PostRole.OPERATOR)]


async def _persons(node: Office) -> list[Invited]:
    by_actor, unit = cast().data["people"], cast().words("lead_unit")
    agency = await node.store.accounts.hosted_by_code(cast().code(MIDDLE))
    persons = [people.make_invited(by_actor["node"], role, unit) for role in by_actor["node"]]
    if agency is not None:
        persons += [people.make_invited(by_actor[MIDDLE], role, unit, agency.id) for role in by_actor[MIDDLE]]
    return persons
