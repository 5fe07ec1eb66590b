"""Sets the demonstration up in one folder: database, a demo authority, three agencies with keys and bound certificates,
registry rows, trust anchors, and the image of a seal for each. In: a folder. Out: settings that open it. Every step may be
repeated, so that an interrupted stage is simply set up again; a file in the folder lists the parts that are laid out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.atomic_files import write_file
from gateway.bootstrap.node import OpenNode
from gateway.clock import SystemClock
from gateway.deciding.proposals import seal_change
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.proof import Binding
from gateway.domain.seals import CAPACITIES, CertificateKind, SealChange
from gateway.ops.evidence import pack_file
from gateway.ports.services import Clock
from gateway.settings import Settings, load
from gateway.trust import seals
from gateway.trust.keys import KeyDirectory
from gateway_labs import trial_node
from gateway_labs.authority import Authority
from gateway_labs.demo import papers, people
from gateway_labs.demo.papers import printed
from gateway_labs.demo.pictures import write_seals
from gateway_labs.trial_node import as_csv, binding_of, certified
from gateway_office.bootstrap.office import Office
from gateway_office.domain.roles import PostRole

DEMO_FOLDER = Path(__file__).parent
ACTORS = ("province", "department", "commune")
AUTHORITY = "Demo exchange authority"
LOOPBACK = "127.0.0.0/8, ::1/128"
# How long ago the story happens where the desks are laid: fresh documents are written so much later.
AGO = timedelta(days=2)
_STEPS_FILE = "laid-out.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The actors and their words, from `cast.json`. `signed` holds lead files as they are sent where the demonstration
    signs them, and `began` the day on which it did."""

    data: dict[str, Any]
    signed: Path | None = None
    began: date | None = None

    def code(self, actor: str) -> str:
        return str(self.data[actor]["code"])

    @property
    def deciders(self) -> tuple[str, ...]:
        """Return the two who decide together."""
        return tuple(self.data["deciders"])

    def words(self, key: str) -> str:
        return str(self.data["words"][key])

    def document(self, key: str) -> dict[str, Any]:
        return dict(self.data["documents"][key])

    def sender(self, key: str) -> str:
        """Return the author of that document."""
        return str(self.data["documents"][key].get("from", "province"))

    def is_of_desks(self, key: str) -> bool:
        """Tell whether the desks need it, and not the story."""
        return key.partition("-")[0] in (*ACTORS, "try")

    def issued_on(self, key: str, today: date) -> date:
        """Return the date of that document: the one printed on its paper, where it is printed already."""
        if self.began is None:
            return today
        return self.began + AGO if self.document(key).get("fresh") else self.began

    def file(self, key: str, n: int, today: date) -> bytes:
        """Return the n-th file of that document: its lead file, signed where there is a signed one, then its appendix."""
        if n > 0:
            return papers.appendix_of(self.data, key, self.issued_on(key, today))
        if self.signed is not None:
            return (self.signed / f"{key}.pdf").read_bytes()
        return printed(papers.paper_of(self.data, key, self.issued_on(key, today))).pdf


def cast() -> Cast:
    """Return the bundled cast."""
    return Cast(data=json.loads((DEMO_FOLDER / "cast.json").read_text("utf-8")))


def settings_for(folder: Path, port: int = 0, host: str = "127.0.0.1", office: str = "on") -> Settings:
    """Return settings of a demonstration in this folder; the caller's environment has no effect."""
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


def write_settings(settings: Settings, folder: Path, more: str = "") -> None:
    """Write settings for the command line, which hold in whatever folder a command is typed."""
    node = {"name": settings.node.name, "data_dir": str(folder.resolve()), "office": settings.node.office}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in node.items()]
    (folder / "gateway.toml").write_text("\n".join(["[node]", *lines, more]), "utf-8")


def with_local_webhooks(settings: Settings) -> Settings:
    """Return settings in which webhooks may reach programs on this machine, as in the sandbox."""
    hooks = replace(settings.webhooks, networks=LOOPBACK, plain_http="yes")
    return replace(settings, webhooks=hooks)


async def prepare(settings: Settings, clock: Clock | None = None) -> None:
    """Create everything that must exist before the node can open: schema, agencies, keys, anchors."""
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
    """Write the keys that prove evidence packs: those of this node and of its log, as its operator would hand them out."""
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
    """Write an empty revocation list: without one every arrival would wait for a clerk."""
    trial_node.write_revocation(settings.trust.folder, _authority(settings, clock), clock.now())


async def register(node: OpenNode) -> list[people.Invited]:
    """Add registry rows, accounts and certificate bindings, once the node is open; return codes of new accounts."""
    invited = await enter(node)
    if bindings := await unbound(node):
        both = await people.two_deciders(node.deciding, cast().deciders)
        await people.bind_all(node.deciding, both, bindings, await seals_of(node.settings.node.data_dir))
        await share_deciding(node, both)
    return invited


async def seals_of(data_dir: Path) -> tuple[SealChange, ...]:
    """Return the seals with which the lead files in that folder were signed."""
    return await asyncio.to_thread(seals_to_register, data_dir, cast())


def signer_of(cast: Cast, actor: str) -> tuple[str, str, str]:
    """Return name, position and capacity of the person who signs an agency's documents."""
    name, position, competence = next(
        cast.document(key)["signer"] for key in cast.data["documents"] if cast.sender(key) == actor
    )
    word = (competence or "").partition(" ")[0]
    return name, position, word if word in CAPACITIES else ""


def seals_to_register(data_dir: Path, cast: Cast) -> tuple[SealChange, ...]:
    """Return the seals and persons with which the lead files were signed; none where they were not."""
    folder, changes = data_dir / "signed" / "seals", []
    for actor in ACTORS if folder.is_dir() else ():
        name, position, capacity = signer_of(cast, actor)
        for kind in CertificateKind:
            pem = (folder / f"{actor}-{kind}.pem").read_bytes()
            der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
            make = partial(seal_change, cast.code(actor), kind, der)
            is_seal = kind is CertificateKind.SEAL
            changes.append(make() if is_seal else make(name=name, position=position, capacity=capacity))
    return tuple(changes)


async def enter(node: OpenNode) -> list[people.Invited]:
    """Add registry rows, and accounts where there is an office; return codes of new accounts."""
    await node.directory.load_starter()
    plan = await node.directory.plan_import(registry_csv(cast(), ACTORS))
    if (plan.added or plan.changed) and not node.directory.needs_two(plan):
        await node.directory.apply(plan, "demo")
    return await people.invite(node.accounts, await accounts(node)) if isinstance(node, Office) else []


async def unbound(node: OpenNode) -> list[Binding]:
    """Return the agencies' certificates that are not bound yet."""
    bindings = []
    for actor in ACTORS:
        code = cast().code(actor)
        if await node.directory.bindings(code):
            continue
        signer = node.keys.signer(code, node.clock.now())
        bindings.append(binding_of(code, x509.load_der_x509_certificate(signer.certificate_der)))
    return bindings


async def share_deciding(node: OpenNode, both: people.TwoDeciders) -> None:
    """Let those of the node who have accounts decide what it trusts, at the pages."""
    if isinstance(node, Office):
        await people.share_deciding(node.deciding, both, [person.login for person in deciders()])


def deciders() -> list[people.Invited]:
    """Return those of the node who decide what it trusts: the operator, a second one, and the keeper of codes."""
    second = people.make_invited({PostRole.OPERATOR: cast().data["second_operator"]}, PostRole.OPERATOR, "")
    of_node = cast().data["people"]["node"]
    first, keeper = [people.make_invited(of_node, role, "") for role in (PostRole.OPERATOR, PostRole.CODES)]
    return [first, second, keeper]


async def accounts(node: Office) -> list[people.Invited]:
    """Return all persons of the cast, whether the account exists yet or not."""
    by_actor = cast().data["people"]
    hosted = {agency.code: agency.id for agency in await node.store.hosted()}
    unit = cast().words("lead_unit")
    persons = [deciders()[1]]
    persons += [people.make_invited(by_actor["node"], role, unit) for role in by_actor["node"]]
    for actor in ACTORS:
        persons += [
            people.make_invited(by_actor[actor], role, unit, hosted[cast().code(actor)])
            for role in by_actor[actor]
        ]
    return persons


def _authority(settings: Settings, clock: Clock) -> Authority:
    return trial_node.authority_in(settings.node.data_dir / "authority", AUTHORITY, clock.now())


def hosted(cast: Cast, actor: str, clock: Clock) -> HostedAgency:
    """Return that agency, as its node speaks for it."""
    row = cast.data[actor]
    parent = next((cast.data[a] for a in ACTORS if cast.code(a) == row["parent"]), None)
    return HostedAgency(
        id=clock.new_id("agy_"),
        code=row["code"],
        name=row["name"],
        numbering=NumberingMode(row["numbering"]),
        aliases=(row["alias"],),
        parent_name=parent["name"] if parent else None,
        email=row["email"],
    )


def registry_csv(cast: Cast, actors: Iterable[str]) -> bytes:
    """Write these agencies as a registry is imported."""
    agencies = [cast.data[actor] for actor in actors]
    rows = [(a["code"], a["alias"], a["name"], a["parent"] or "", a["email"]) for a in agencies]
    return as_csv([("code", "alias", "name", "parent", "email"), *rows])


class Steps:
    """The finished parts. A part is noted when it is whole, so an interrupted one is laid out again."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _STEPS_FILE
        self._done: list[str] = json.loads(self._file.read_text("utf-8")) if self._file.is_file() else []

    def is_done(self, name: str) -> bool:
        return name in self._done

    async def once(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        if name in self._done:
            return
        await step()
        self._done.append(name)
        write_file(self._file, json.dumps(self._done).encode())
