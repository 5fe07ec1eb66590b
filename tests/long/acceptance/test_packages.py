"""A stranger comes from the package to two nodes and a first document with the commands that docs/install.md prints, at
most five a node, and edits nothing; a newer package keeps settings and data. Each machine is a copy of this one."""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.clock import SystemClock
from gateway.policy.trust import fingerprint
from gateway_labs.authority import Authority
from tests.services.process import free_ports, wait_until
from tests.support.services import AMQP, POSTGRES, RABBIT_API, address, missing
from tools.bundle.machine import Refused, machine
from tools.bundle.walk import CODES, Stranger, commands_of, give_certificates, hand_over, make_release

pytestmark = [pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the bundle and the package as `make deb` does; return their folder."""
    if shutil.which("dpkg-deb") is None:
        missing("dpkg-deb is not here: packages are made on Debian")
    try:
        with machine(tmp_path_factory.mktemp("machine"), tmp_path_factory.mktemp("shared")):
            pass
    except Refused as why:
        missing(f"this system makes no copy of itself: {why}")
    folder = tmp_path_factory.mktemp("release")
    run = make_release(folder)
    if "No matching distribution" in run.stderr:
        missing("the wheels of the lock cannot be had here")
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@contextmanager
def servers(kind: str) -> Iterator[tuple[Sequence[str], str]]:
    """Yield the addresses of the nodes' databases, and the axis."""
    if kind == "sqlite":
        yield ("", ""), "/srv/gateway/axis"
        return
    url, broker = urlsplit(address(POSTGRES)), urlsplit(address(AMQP))
    names = [f"walk{secrets.token_hex(4)}" for _ in CODES]
    for name in names:
        subprocess.run(["psql", url.geturl(), "-qc", f"CREATE DATABASE {name}"], check=True)
    try:
        databases = [url._replace(scheme="postgresql+asyncpg", path=f"/{name}").geturl() for name in names]
        yield databases, f"amqp://{broker.hostname}:{broker.port}"
    finally:
        for name in names:
            subprocess.run(["psql", url.geturl(), "-qc", f"DROP DATABASE {name} WITH (FORCE)"], check=True)


@pytest.mark.parametrize("kind", ["sqlite", "servers"])
@pytest.mark.parametrize("package", ["deb", "bundle"])
def test_five_commands_a_node_lead_from_the_package_to_the_first_document(
    release: Path, tmp_path: Path, package: str, kind: str
) -> None:
    authority, shared = Authority.create("Trial", SystemClock().now()), tmp_path / "shared"
    (shared / "axis").mkdir(parents=True)
    (shared / "axis").chmod(0o777)
    with ExitStack() as stack:
        databases, axis = stack.enter_context(servers(kind))
        strangers = []
        for n, database in enumerate(databases):
            place = stack.enter_context(machine(tmp_path / str(n), shared))
            strangers.append(Stranger(place, n, commands_of(n, package, database, axis)))
            hand_over(strangers[n], release, authority, database)
        requests = [s.set_up(port) for s, port in zip(strangers, free_ports(2), strict=True)]
        certificates = [authority.issue_for_request(request, SystemClock().now()) for request in requests]
        for stranger in strangers:
            give_certificates(stranger, certificates)
            stranger.join([fingerprint(c.public_bytes(Encoding.DER))[-16:] for c in certificates])
        if kind == "servers":
            strangers[1].apply_axis(address(RABBIT_API))
        for stranger in strangers:
            stranger.next()
            stack.enter_context(stranger.place.units("gateway-web", "gateway-worker@1"))
        sent = strangers[0].next(" -o json")
        inbox = strangers[1].place.type("gateway-node inbox list")

    assert '"state": "delivered"' in sent
    assert "First letter" in inbox
    assert max(stranger.typed for stranger in strangers) <= 5


def test_a_newer_package_keeps_settings_secrets_and_data_and_its_removal_too(
    release: Path, tmp_path: Path
) -> None:
    with machine(tmp_path / "one", tmp_path) as place:
        for file in release.glob("*.deb"):
            shutil.copy(file, place.files / "root" / "first.deb")
        # The same program under another number, as a later build is.
        place.type(
            "sh -ec 'dpkg-deb -R first.deb new; cd new/opt/gateway; v=$(echo *); mv $v 9.9.9; "
            'sed -i "s|$v|9.9.9|g" ../../DEBIAN/* 9.9.9/bin/gateway 9.9.9/pyvenv.cfg; cd /root; '
            "dpkg-deb -b -Znone new newer.deb; rm -r new'"
        )
        place.type("dpkg -i first.deb")
        place.type('gateway-node init --code Z91.01 --name "Office One"')
        listing = (
            "sh -c 'sha256sum /etc/gateway/gateway.toml /etc/gateway/secrets/* /var/lib/gateway/keys/*/*'"
        )
        earlier_files, key = place.type(listing), place.type("gateway-node tokens list")

        place.type("dpkg -i newer.deb")
        version = place.type("readlink /opt/gateway/current")
        later_files, later_key = place.type(listing), place.type("gateway-node tokens list")
        place.type("dpkg --purge lienthong-gateway")
        programs, remains = (
            place.type("sh -c 'ls /opt /usr/bin/gateway-node 2>&1 || true'"),
            place.type(listing),
        )

    assert version == "9.9.9\n"
    assert (earlier_files, key) == (later_files, later_key)
    assert remains == earlier_files
    assert "gateway\n" not in programs


def test_an_image_of_the_package_runs_a_node_that_writes_only_its_data(release: Path, tmp_path: Path) -> None:
    for tool in ("buildah", "mmdebstrap"):
        if shutil.which(tool) is None:
            missing(f"{tool} is not here: the image is made by it, as no engine runs")
    (package,), authority = release.glob("*.deb"), Authority.create("Trial", SystemClock().now())
    subprocess.run(
        [ROOT / "tools" / "bundle" / "image.sh", package, tmp_path / "image.tar"],
        check=True,
        capture_output=True,
    )
    subprocess.run(["tar", "-xf", tmp_path / "image.tar", "-C", tmp_path], check=True)
    (entry,) = json.loads((tmp_path / "manifest.json").read_text())
    config = json.loads((tmp_path / entry["Config"]).read_text())["config"]
    (tmp_path / "image").mkdir()
    for layer in entry["Layers"]:
        subprocess.run(
            ["tar", "-xf", tmp_path / layer, "-C", tmp_path / "image", "--exclude=dev/*"], check=True
        )
    variables = shlex.join(
        [*config["Env"], f"GATEWAY_METRICS_PORT={free_ports(1)[0]}", "PYTHONDONTWRITEBYTECODE=1"]
    )
    as_engine = f"setpriv --reuid={config['User']} --regid={config['User']} --clear-groups env {variables}"
    program = f"{as_engine} {config['Entrypoint'][0]}"
    health = " ".join(map(shlex.quote, config["Healthcheck"]["Test"][1:]))
    with machine(tmp_path / "machine", tmp_path, tmp_path / "image") as place:
        writable = (
            "for p in tmp var/lib/gateway etc/gateway; do mount -t tmpfs none /$p; chown gateway /$p; done"
        )
        (place.files / "opt/ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        place.type(f"sh -ec '{writable}; mount -o remount,ro /'")
        place.type(
            f"{program} init --code Z91.01 --name One --data-dir /var/lib/gateway --port 0 --ca /opt/ca.pem"
        )
        with subprocess.Popen(
            place.program(f"{program} {' '.join(config['Cmd'])}"), stderr=subprocess.PIPE, text=True
        ) as node:
            checks = place.program(f"{as_engine} {health}")
            wait_until(
                lambda: (
                    node.poll() is not None
                    or subprocess.run(checks, stderr=subprocess.DEVNULL).returncode == 0
                ),
                "the image's own check is content",
            )
            node.terminate()
            assert node.stderr is not None
            log = node.stderr.read()
            assert node.wait() == 0, log
        assert place.type("sh -c 'touch /opt/x 2>&1 || true'").endswith("Read-only file system\n")
