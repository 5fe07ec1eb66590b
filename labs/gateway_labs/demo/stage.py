"""Sets the demonstration up in one folder: database, a demo authority, three agencies with keys and bound
certificates, registry rows, trust anchors, and the image of a seal for each. In: a folder. Out: settings that open it.
Every step may be repeated, so that a stage cut short is simply set up again; which parts were laid out already is kept
as a file in the folder."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.bootstrap.node import OpenNode
from gateway.clock import SystemClock
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.proof import Binding
from gateway.office.bootstrap.office import Office
from gateway.ops.evidence import pack_file
from gateway.ports.services import Clock
from gateway.settings import Settings, load
from gateway.trust import seals
from gateway.trust.keys import KeyDirectory
from gateway.whole_files import write_file
from gateway_labs import trial_node
from gateway_labs.authority import Authority
from gateway_labs.demo import papers, people
from gateway_labs.demo.papers import printed
from gateway_labs.demo.pictures import write_seals
from gateway_labs.trial_node import as_csv, binding_of, certified

HERE = Path(__file__).parent
ACTORS = ("province", "department", "commune")
AUTHORITY = "Demo exchange authority"
LOOPBACK = "127.0.0.0/8, ::1/128"
# How long ago the story is told where the desks are laid: what is fresh in the cast is written so much later.
AGO = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays, and what they say: the words stand in `cast.json`. `signed` holds lead files as they are sent where the
    demonstration signs them, and `began` the day on which it did."""

    data: dict[str, Any]
    signed: Path | None = None
    began: date | None = None

    def code(self, actor: str) -> str:
        return str(self.data[actor]["code"])

    @property
    def deciders(self) -> tuple[str, ...]:
        """The two who decide together."""
        return tuple(self.data["deciders"])

    def words(self, key: str) -> str:
        return str(self.data["words"][key])

    def document(self, key: str) -> dict[str, Any]:
        return dict(self.data["documents"][key])

    def sender(self, key: str) -> str:
        """Who writes that document."""
        return str(self.data["documents"][key].get("from", "province"))

    def is_of_desks(self, key: str) -> bool:
        """Whether the desks need it, and not the story."""
        return key.partition("-")[0] in (*ACTORS, "try")

    def issued_on(self, key: str, today: date) -> date:
        """The date of that document: the one printed on its paper, where it is printed already."""
        if self.began is None:
            return today
        return self.began + AGO if self.document(key).get("fresh") else self.began

    def file(self, key: str, n: int, today: date) -> bytes:
        """The n-th file of that document: its lead file, signed where there is a signed one, then its appendix."""
        if n > 0:
            return papers.appendix_of(self.data, key, self.issued_on(key, today))
        if self.signed is not None:
            return (self.signed / f"{key}.pdf").read_bytes()
        return printed(papers.paper_of(self.data, key, self.issued_on(key, today))).pdf


def cast() -> Cast:
    """The cast as it is bundled."""
    return Cast(data=json.loads((HERE / "cast.json").read_text("utf-8")))


def settings_for(folder: Path, port: int = 0, host: str = "127.0.0.1", office: str = "on") -> Settings:
    """Settings of a demonstration in this folder; nothing of the caller's environment plays in."""
    return load(
        None,
        {
            "GATEWAY_NODE_NAME": "demo",
            "GATEWAY_NODE_DATA_DIR": str(folder),
            "GATEWAY_NODE_OFFICE": office,
            "GATEWAY_API_HOST": host,
            "GATEWAY_API_PORT": str(port),
            "GATEWAY_PAGES_RIBBON": "on",
            "GATEWAY_WORKERS_POLL_S": "0.2",
        },
    )


def with_local_webhooks(settings: Settings) -> Settings:
    """The settings of a demonstration in which programs on this machine are told of events, as in the sandbox."""
    hooks = replace(settings.webhooks, networks=LOOPBACK, plain_http="yes")
    return replace(settings, webhooks=hooks)


async def prepare(settings: Settings, clock: Clock | None = None) -> None:
    """Everything that must exist before the node can open: schema, agencies, keys, anchors."""
    time, played = clock or SystemClock(), cast()
    settings.node.data_dir.mkdir(parents=True, exist_ok=True)
    await trial_node.host(settings, [hosted(played, actor, time) for actor in ACTORS], time)
    authority, keys = _authority(settings, time), KeyDirectory(settings.keys.folder, None)
    certificates = {
        played.code(actor): certified(
            keys, authority, played.code(actor), played.data[actor]["name"], time.now()
        )
        for actor in ACTORS
    }
    authority.write_trust(settings.trust.folder, certificates)
    write_seals(settings.sign.seals, certificates)
    _write_node_keys(settings)


def _write_node_keys(settings: Settings) -> None:
    """Whom a person believes about evidence packs: the keys of this node and of its log, as its operator
    would hand them out."""
    nodes = settings.trust.folder / "nodes"
    nodes.mkdir(parents=True, exist_ok=True)
    keys = {
        "pack.pem": pack_file.open_key(settings.keys.folder, None).public_key,
        "log.pem": seals.open_seal_key(settings.keys.folder, None).public,
    }
    for name, der in keys.items():
        pem = serialization.load_der_public_key(der).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (nodes / name).write_bytes(pem)


def write_revocation(settings: Settings, clock: Clock) -> None:
    """Nothing is revoked, and the node can tell: without a list every arrival would wait for a clerk's own eyes."""
    trial_node.write_revocation(settings.trust.folder, _authority(settings, clock), clock.now())


async def register(node: OpenNode) -> list[people.Invited]:
    """Registry rows, accounts and certificate bindings, once the node is open. The codes of accounts made now."""
    invited = await enter(node)
    if wanted := await unbound(node):
        await people.bind_all(
            node.deciding, await people.two_deciders(node.deciding, cast().deciders), wanted
        )
    return invited


async def enter(node: OpenNode) -> list[people.Invited]:
    """Registry rows, and accounts where there is an office. The codes of accounts made now."""
    await node.directory.load_starter()
    plan = await node.directory.plan_import(registry_csv(cast(), ACTORS))
    if (plan.added or plan.changed) and not node.directory.needs_two(plan):
        await node.directory.apply(plan, "demo")
    return await people.invite(node.accounts, await accounts(node)) if isinstance(node, Office) else []


async def unbound(node: OpenNode) -> list[Binding]:
    """The agencies' certificates that nobody bound yet."""
    wanted = []
    for actor in ACTORS:
        code = cast().code(actor)
        if await node.directory.bindings(code):
            continue
        signer = node.keys.signer(code, node.clock.now())
        wanted.append(binding_of(code, x509.load_der_x509_certificate(signer.certificate_der)))
    return wanted


async def accounts(node: Office) -> list[people.Invited]:
    """Everybody of the cast, whether the account is there yet or not."""
    told = cast().data["people"]
    hosted = {each.code: each.id for each in await node.store.hosted()}
    unit = cast().words("lead_unit")
    found = [people.wanted(told["node"], role, unit) for role in told["node"]]
    for actor in ACTORS:
        found += [people.wanted(told[actor], role, unit, hosted[cast().code(actor)]) for role in told[actor]]
    return found


def _authority(settings: Settings, clock: Clock) -> Authority:
    return trial_node.authority_in(settings.node.data_dir / "authority", AUTHORITY, clock.now())


def hosted(cast: Cast, actor: str, clock: Clock) -> HostedAgency:
    """That agency, as its node speaks for it."""
    told = cast.data[actor]
    parent = next((cast.data[one] for one in ACTORS if cast.code(one) == told["parent"]), None)
    return HostedAgency(
        id=clock.new_id("agy_"),
        code=told["code"],
        name=told["name"],
        numbering=NumberingMode(told["numbering"]),
        aliases=(told["alias"],),
        parent_name=parent["name"] if parent else None,
        email=told["email"],
    )


def registry_csv(cast: Cast, actors: Iterable[str]) -> bytes:
    """These agencies, as a registry is imported."""
    told = [cast.data[actor] for actor in actors]
    rows = [(one["code"], one["alias"], one["name"], one["parent"] or "", one["email"]) for one in told]
    return as_csv([("code", "alias", "name", "parent", "email"), *rows])


_STEPS_FILE = "laid-out.json"


class Steps:
    """A part is written down when it is whole, so one that was cut short is laid out again."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _STEPS_FILE
        self._done: list[str] = json.loads(self._file.read_text("utf-8")) if self._file.is_file() else []

    def done(self, name: str) -> bool:
        return name in self._done

    async def once(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        if name in self._done:
            return
        await step()
        self._done.append(name)
        write_file(self._file, json.dumps(self._done).encode())
