"""The offline bundle installs on a machine without a network, makes a node that doctor finds well, is upgraded and rolled
back, and does not install when a byte of it is not what was signed."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.clock import SystemClock
from gateway_labs.authority import Authority
from tests.support.services import missing

pytestmark = [pytest.mark.timeout(600)]

TOOLS = Path(__file__).parents[3] / "tools" / "bundle"
# An empty network namespace is seldom allowed to ordinary users.
ALONE = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--net")


def tool(*words: str | Path, alone: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator types it, without this process's settings; `alone` runs it without a network."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "PIP_"))}
    return subprocess.run(
        [*(ALONE if alone else ()), *map(str, words)],
        env=clean | {"PYTHON": sys.executable, "NODE_USER": getpass.getuser(), "GATEWAY_LANG": "en"} | more,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )


def well(*words: str | Path, alone: bool = False, **more: str) -> str:
    run = tool(*words, alone=alone, **more)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a bundle; return the folder with the bundle, its public key, and the bundle unpacked."""
    folder = tmp_path_factory.mktemp("bundle")
    if tool("true", alone=True).returncode != 0:
        missing("this system does not let us run a process without a network")
    built = subprocess.run(
        [sys.executable, TOOLS / "build.py", "--out", folder, "--key", folder / "release.key"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if built.returncode != 0 and "No matching distribution" in built.stderr:
        missing("the wheels of the lock cannot be had here")
    assert built.returncode == 0, built.stderr
    well("tar", "-xf", next(folder.glob("*-bundle.tar")), "-C", folder)
    next(folder.glob("*.pub")).rename(folder / "release.pub")
    return folder


def unpacked(release: Path, to: Path) -> Path:
    """Copy the unpacked bundle, so that a test may change it."""
    (source,) = [path for path in release.iterdir() if path.is_dir()]
    return Path(shutil.copytree(source, to / "bundle"))


def resign(bundle: Path, release: Path, version: str) -> None:
    """Make another version of the same program, signed with the right key."""
    (bundle / "VERSION").write_text(version + "\n")
    old = (bundle / "SHA256SUMS").read_text().splitlines()
    sums = [line for line in old if not line.endswith("  VERSION")]
    fresh = well("sha256sum", bundle / "VERSION").split()[0]
    (bundle / "SHA256SUMS").write_text("\n".join([*sums, f"{fresh}  VERSION", ""]))
    well(sys.executable, TOOLS / "sign.py", bundle / "SHA256SUMS", "--key", release / "release.key")


@pytest.fixture(scope="module")
def installed(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the first version with the network off; return its prefix."""
    folder = tmp_path_factory.mktemp("machine")
    bundle = unpacked(release, folder)
    well(bundle / "install.sh", release / "release.pub", folder / "prefix", alone=True)
    return folder / "prefix"


@pytest.fixture(scope="module")
def node(installed: Path) -> dict[str, str]:
    """Set up a node with the installed program; return the settings with which commands find it."""
    folder, program = installed.parent, installed / "current" / "bin" / "gateway-node"
    settings = {"GATEWAY_CONFIG": str(folder / "gateway.toml"), "NODE_SECRETS": str(folder)}
    authority = Authority.create("Trial", SystemClock().now())
    (folder / "root.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    request_facts = json.loads(
        well(
            *(program, "init", "--data-dir", folder / "state", "--code", "Z91.01", "--name", "Office One"),
            *("--ca", folder / "root.pem", "--yes", "-o", "json"),
            alone=True,
            **settings,
        )
    )
    request = Path(request_facts["request"]).read_bytes()
    issued = authority.issue_for_request(request, SystemClock().now())
    (folder / "issued.pem").write_bytes(issued.public_bytes(Encoding.PEM))
    well(program, "keys", "import", folder / "issued.pem", "--yes", alone=True, **settings)
    return settings


def test_a_node_of_the_installed_program_is_well_without_a_network(
    installed: Path, node: dict[str, str]
) -> None:
    report = well(installed / "current" / "bin" / "gateway-node", "doctor", "-o", "json", alone=True, **node)

    assert json.loads(report)["level"] != "red"


def test_the_client_comes_with_the_node_and_in_the_bundle_by_itself(release: Path, installed: Path) -> None:
    code = "import gateway_client; print(gateway_client.__file__)"
    (bundle,) = [path for path in release.iterdir() if path.is_dir()]

    with_node = well(installed / "current" / "bin" / "python", "-I", "-c", code)
    alone = f"import sys; sys.path.insert(0, {str(bundle / 'clients' / 'python')!r}); {code}"
    by_itself = well(sys.executable, "-I", "-S", "-B", "-c", alone)

    assert with_node.strip().startswith(str(installed))
    assert by_itself.strip().startswith(str(bundle))


def test_an_upgrade_switches_a_node_that_is_well_and_a_rollback_switches_back(
    release: Path, installed: Path, node: dict[str, str], tmp_path: Path
) -> None:
    first = os.readlink(installed / "current")
    bundle = unpacked(release, tmp_path)
    resign(bundle, release, "9.9.9")
    anchors = installed.parent / "state" / "trust" / "ca.pem"

    # Checks that were red before are reported and do not stop the upgrade; new ones do: test_upgrade_script.
    anchors.rename(anchors.with_suffix(".away"))
    report = well(bundle / "upgrade.sh", release / "release.pub", installed, alone=True, **node)
    anchors.with_suffix(".away").rename(anchors)
    assert "red before too: trust" in report
    assert os.readlink(installed / "current") == "9.9.9"
    repeat = tool(bundle / "upgrade.sh", release / "release.pub", installed, alone=True, **node)
    assert (repeat.returncode, "in use already" in repeat.stderr) == (1, True)

    well(bundle / "rollback.sh", installed, alone=True, **node)
    assert os.readlink(installed / "current") == first
    assert os.readlink(installed / "previous") == "9.9.9"


@pytest.mark.parametrize(
    "pattern", ["wheels/cryptography-*.whl", "wheels/lienthong_gateway-*.whl", "requirements.txt"]
)
def test_a_changed_byte_stops_the_install(release: Path, tmp_path: Path, pattern: str) -> None:
    bundle = unpacked(release, tmp_path)
    (file,) = bundle.glob(pattern)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)

    run = tool(bundle / "install.sh", release / "release.pub", tmp_path / "prefix")

    assert run.returncode == 1
    assert file.name in run.stdout
    assert not (tmp_path / "prefix").exists()


def test_a_python_that_the_nodes_user_cannot_run_stops_the_install(release: Path, tmp_path: Path) -> None:
    """Below a folder of root's own every file of the new environment is out of reach for other users."""
    if os.geteuid() != 0:
        missing("only root installs for another user")
    bundle = unpacked(release, tmp_path)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    run = tool(bundle / "install.sh", release / "release.pub", closed / "prefix", NODE_USER="nobody")

    assert (run.returncode, "cannot be run by nobody" in run.stderr) == (1, True)
    assert [*(closed / "prefix").iterdir()] == []


def test_changed_sums_or_another_key_stop_the_install(release: Path, tmp_path: Path) -> None:
    """R108 (software on servers)."""
    bundle = unpacked(release, tmp_path)
    well(sys.executable, TOOLS / "sign.py", bundle / "SHA256SUMS", "--key", tmp_path / "other.key")

    run = tool(bundle / "install.sh", release / "release.pub", tmp_path / "prefix")

    assert (run.returncode, "not signed by" in run.stderr) == (1, True)
    assert not (tmp_path / "prefix").exists()


def test_the_list_of_parts_names_every_wheel_with_its_digest(release: Path) -> None:
    (bundle,) = [p for p in release.iterdir() if p.is_dir()]
    listed = json.loads((bundle / "sbom.cdx.json").read_text())
    sums = dict(line.split("  ")[::-1] for line in (bundle / "SHA256SUMS").read_text().splitlines())

    parts = [listed["metadata"]["component"], *listed["components"]]
    assert (listed["bomFormat"], listed["metadata"]["component"]["name"]) == (
        "CycloneDX",
        "lienthong-gateway",
    )
    assert {p["hashes"][0]["content"] for p in parts} == {
        digest for name, digest in sums.items() if name.endswith(".whl")
    }
    assert [p["name"] for p in parts if p["licenses"][0]["license"]["name"] == "not stated"] == []
    refs = {p["bom-ref"] for p in parts}
    assert all({p["ref"], *p["dependsOn"]} <= refs for p in listed["dependencies"])
