"""Threats are tried on this ground: a node that hosts one receiving agency, and the sending agency's node beside it on the
same axis, as a pair of hands that may publish anything and sees the answers. In: a folder and an axis. Out: a `Ground`. The
keys are those of the tests' own authority, so that any file of `envelopes` and `forge` is good here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap.node import OpenNode
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.edxml.envelope import Code, Envelope
from gateway.pool import ThreadPool
from gateway.ports.axis import ManagedAxis
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway.store import migrate
from gateway.transport.embedded import EmbeddedAxis
from gateway.trust.keys import KeyDirectory
from gateway_labs.authority import Authority
from tests.support import envelopes, oracles, pki
from tests.support.broker import Broker
from tests.support.clock import ManualClock
from tests.support.stores import opened
from tests.support.topology import axis_of, topology_on
from tests.support.town.acts import Town
from tests.support.town.axes import over_broker as over_broker_as
from tests.support.town.builder import open_town
from tests.support.town.scenes import Agencies

SENDER, RECEIVER, STRANGER = envelopes.SENDER, envelopes.RECEIVER, envelopes.SECOND_RECEIVER
NOW = oracles.AT
DAY = timedelta(days=1)
RSA, ELLIPTIC = pki.signer(SENDER), pki.signer(SENDER, "p256")
ATTACKER = pki.signer(RECEIVER)
"""Another agency's good key, as far as the sender is concerned."""
OTHER = pki.signer(STRANGER, "p256")
WEAK = {kind: pki.signer(STRANGER, kind) for kind in ("rsa-1024", "rsa-2048-e3", "p384")}
"""Keys that a registry may have bound long ago, and that no envelope may be signed with."""
BOUND = (RSA, ELLIPTIC, ATTACKER, OTHER, *WEAK.values())


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The node under attack, and the sender's hands on the axis."""

    town: Town
    sender: ManagedAxis
    folder: Path

    @property
    def node(self) -> OpenNode:
        return self.town.node

    def stray_files(self) -> list[Path]:
        """List half-written and temporary files in the node's folder."""
        return [path for path in self.folder.rglob("*") if path.is_file() and "scratch" in path.parts]


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Ground]:
    async with open_town(folder, ManualClock(NOW), agencies=OURS) as town:
        axis = town.node.settings.axis
        async with EmbeddedAxis(axis.folder, "sender", town.clock, town.node.pool) as hands:
            yield await _hosting(town, hands, folder)


@asynccontextmanager
async def over_broker(broker: Broker, folder: Path) -> AsyncIterator[Ground]:
    hosts = {"node": [RECEIVER], "sender": [SENDER], "other": [STRANGER]}
    async with AsyncExitStack() as stack:
        topology = stack.enter_context(topology_on(broker, hosts))
        change = over_broker_as(topology, "node")
        town = await stack.enter_async_context(
            open_town(folder, ManualClock(NOW), change=change, agencies=OURS)
        )
        pool = ThreadPool(2)
        stack.callback(pool.close)
        hands = axis_of(topology, "sender", folder / "hands", pool)
        await stack.enter_async_context(hands)
        yield await _hosting(town, hands, folder)


async def _hosting(town: Town, hands: ManagedAxis, folder: Path) -> Ground:
    await hands.host([SENDER])
    await town.node.axis.host([RECEIVER])
    return Ground(town=town, sender=hands, folder=folder)


def trust_folder(folder: Path, bound: Sequence[pki.KeySigner] = BOUND) -> Path:
    """Write the folder that `gateway verify --trust` needs for files of these signers."""
    folder.mkdir(parents=True)
    (folder / "ca.pem").write_bytes(pki.root().certificate.public_bytes(Encoding.PEM))
    lines = ["code,certificate"]
    for n, signer in enumerate(bound):
        certificate = x509.load_der_x509_certificate(signer.certificate_der)
        (folder / f"{n}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        lines.append(f"{signer.agency_code},{n}.pem")
    (folder / "bindings.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def letter(n: int, files: envelopes.Files = (), **changes: object) -> Envelope:
    """Build the sender's document number n to the receiver alone."""
    to = (replace(envelopes.document().to[0], organ_id=RECEIVER),)
    values: dict[str, object] = {
        "to": to,
        "document_id": f"{SENDER},2031/03/04,{n}/STN-VP",
        "code": Code(number=str(n), notation="STN-VP"),
        "response_for": (),
    }
    return envelopes.document(files, **(values | changes))


async def _prepare(settings: Settings, clock: Clock) -> None:
    """Set up the schema, the hosted agency, its key, and the anchors."""
    settings.node.data_dir.mkdir(parents=True, exist_ok=True)
    await migrate.up(settings.database.url)
    async with opened(settings.database.url, clock) as store:
        await store.accounts.add_hosted(
            HostedAgency(
                id=clock.new_id("agy_"),
                code=RECEIVER,
                name="Sở Mô phỏng tỉnh Bình Minh",
                numbering=NumberingMode.A,
                aliases=(),
                parent_name=None,
                email="vanthu@binh-minh.example",
            )
        )
    keys = KeyDirectory(settings.keys.folder, None)
    entry = keys.generate(RECEIVER)
    request = keys.request(RECEIVER, entry.key_id, "Sở Mô phỏng")
    root = pki.root()
    assert isinstance(root.private_key, EllipticCurvePrivateKey)
    certificate = Authority(root.private_key, root.certificate).issue_for_request(request, clock.now())
    keys.import_certificate(RECEIVER, certificate.public_bytes(Encoding.PEM))
    settings.trust.folder.mkdir(parents=True)
    (settings.trust.folder / "ca.pem").write_bytes(pki.root().certificate.public_bytes(Encoding.PEM))


async def _register(node: OpenNode) -> None:
    """Register agencies and their certificates."""
    codes = ((SENDER, "Sở Thử nghiệm"), (RECEIVER, "Sở Mô phỏng"), (STRANGER, "Xã Mẫu"))
    rows = "".join(f"{code},{name}\n" for code, name in codes)
    plan = await node.directory_changes.plan_import(f"code,name\n{rows}".encode())
    await node.directory_changes.apply(plan, "threats")
    own = node.keys.signer(RECEIVER, node.clock.now())
    certificates: Sequence[tuple[str, bytes]] = (
        (RECEIVER, own.certificate_der),
        *((binding.agency_code, binding.certificate_der) for binding in BOUND),
    )
    for code, certificate in certificates:
        await node.directory_changes.bind(
            code, certificate, pki.NOT_BEFORE, pki.NOT_AFTER, proposed_by="one", approved_by="another"
        )


OURS = Agencies(name="threatened", at=NOW - DAY, prepare=_prepare, register=_register)
