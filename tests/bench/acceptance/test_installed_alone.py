"""A node in production has no laboratory, one over a broker or a folder needs no foreign axes, and one that only exchanges
no office either: everything of it can be loaded, two nodes carry a document by their public doors alone, and nothing of
the others is there. The program runs in a Python of its own, in which they are not installed."""

from __future__ import annotations

import json
import subprocess
import sysconfig
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench import stage
from gateway.settings import Settings
from tests.support.printed import FOLDER
from tests.support.waiting import block_until

LETTER = FOLDER / "bao-cao.pdf"
META = {
    "number": "88",
    "symbol": "VP",
    "date": "2026-01-15",
    "type": "cong_van",
    "subject": "Về việc báo cáo",
    "signer": {"name": "Người Ký Mẫu"},
    "reply_required": False,
}
LOADS_EVERYTHING = """
import importlib, pkgutil, sys, gateway
for found in pkgutil.walk_packages(gateway.__path__, "gateway."):
    if not found.name.endswith(("__main__", ".env")) and ".versions" not in found.name:
        importlib.import_module(found.name)
print(*sorted({name.partition(".")[0] for name in sys.modules if name.startswith("gateway_")}))
"""
TYPES_WORDS = """
import sys
from gateway import program
for word in sys.argv[1:]:
    print(program.run([word]), file=sys.stderr)
"""
OPEN_WISHED_NODES = """
import asyncio, json, re, sys
from gateway.bootstrap.extensions import open_with_storeys
from gateway.errors import Misconfigured
from gateway.settings import load

async def opened(words):
    node = {"GATEWAY_NODE_NAME": sys.argv[1], "GATEWAY_NODE_DATA_DIR": sys.argv[2], "GATEWAY_NODE_OFFICE": "off"}
    settings = load(None, node | words)
    try:
        async with open_with_storeys(settings):
            print("opened")
    except Misconfigured as error:
        print(error.code, *re.findall(r"lienthong[a-z-]+", str(error)))

for wish in json.loads(sys.argv[3]):
    asyncio.run(opened({f"GATEWAY_{name}": value for name, value in wish.items()}))
"""
WITHOUT = {
    "on": ("gateway_labs", "gateway_foreign"),
    "off": ("gateway_labs", "gateway_foreign", "gateway_office"),
}
"""What is not installed where a node's office is on or off."""
# Where least is installed, all that the exchange needs of itself is tried.
ALONE = pytest.mark.parametrize("office", ["off"], indirect=True)


@pytest.fixture(scope="module", params=WITHOUT)
def office(request: pytest.FixtureRequest) -> str:
    """Return `on` where the nodes have an office, for which its package is needed, or `off`."""
    return str(request.param)


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that builds the environment of a node whose office is on or off, with all packages that are
    installed here but the others, once, and returns its interpreter."""

    @cache
    def build(office: str) -> Path:
        folder = tmp_path_factory.mktemp("product") / "venv"
        venv.create(folder, symlinks=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            if not any(name in path.name for name in WITHOUT[office]):
                (packages / path.name).symlink_to(path)
        return folder / "bin" / "python"

    return build


@pytest.fixture
def python(office: str, interpreter: Callable[[str], Path]) -> Path:
    return interpreter(office)


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node, by the commands that its people type."""

    python: Path
    office: str
    folder: Path
    settings: Settings

    def type(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._call(*words), env=self._env, capture_output=True, text=True, check=False)

    def well(self, *words: str | Path) -> Any:
        process = self.type(*words, "-o", "json")
        assert process.returncode == 0, process.stderr + process.stdout
        return json.loads(process.stdout)

    def serve(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._call("serve"), env=self._env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )

    def _call(self, *words: str | Path) -> list[str]:
        return [str(self.python), "-m", "gateway", "--lang", "en", *map(str, words)]

    @property
    def _env(self) -> dict[str, str]:
        return {
            "GATEWAY_NODE_NAME": self.settings.node.name,
            "GATEWAY_NODE_DATA_DIR": str(self.settings.node.data_dir),
            "GATEWAY_AXIS_FOLDER": str(self.settings.axis.folder),
            "GATEWAY_NODE_OFFICE": self.office,
            "GATEWAY_API_PORT": "0",
        }


@pytest.fixture(params=[("off", "off")])
async def nodes(
    request: pytest.FixtureRequest, interpreter: Callable[[str], Path], tmp_path: Path
) -> tuple[Node, Node]:
    await stage.prepare(tmp_path, {"one": [stage.SENDER], "two": [stage.RECEIVER]})
    north, south = (
        Node(
            python=interpreter(office),
            office=office,
            folder=tmp_path,
            settings=stage.settings_of(tmp_path, name),
        )
        for name, office in zip(("one", "two"), request.param, strict=True)
    )
    return north, south


@pytest.fixture
def at_work(nodes: tuple[Node, Node]) -> Iterator[str]:
    """Let both nodes serve, and yield the address of the first."""
    running = [node.serve() for node in nodes]
    try:
        yield next(iter([address(process) for process in running]))
    finally:
        for process in running:
            process.terminate()
        for process in running:
            assert process.wait(timeout=60) == 0
            assert process.stderr is not None
            process.stderr.close()


def address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if "http://127.0.0.1:" in line:
            return "http://" + line.partition("http://")[2].split()[0].rstrip("/.")
    raise AssertionError("the node ended before it said its address")


@ALONE
def test_every_module_loads_and_none_brings_what_is_not_installed(python: Path, office: str) -> None:
    process = subprocess.run([python, "-c", LOADS_EVERYTHING], capture_output=True, text=True, check=False)

    assert (process.stdout.strip(), process.stderr) == ("", "")


def test_commands_of_absent_packages_are_unknown_and_its_own_run(
    python: Path, office: str, tmp_path: Path
) -> None:
    def type_words(*words: str) -> subprocess.CompletedProcess[str]:
        call = [str(python), *words]
        return subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)

    words = ["demo", "sandbox", "conformance", "simulate", "compat"]
    words += ["book", "report"] if office == "off" else []
    lines = type_words("-c", TYPES_WORDS, *words).stderr.splitlines()
    assert [line for line in lines if line.isdigit()] == ["2"] * len(words)
    assert [word for word in words if not any(f"'{word}'" in line for line in lines)] == []
    help_text = type_words("-m", "gateway", "--lang", "en", "--help").stdout
    assert "\n  serve " in help_text
    assert "\n  demo " not in help_text
    assert ("\n  book " in help_text) == (office == "on")


def test_a_node_that_wants_what_is_not_installed_says_what_to_install(nodes: tuple[Node, Node]) -> None:
    wishes = ({"NODE_OFFICE": "on"}, {"AXIS_KIND": "vxp"}, {"AXIS_KIND": "lgsp"}, {"COMPAT_VXP": "true"})
    node = nodes[0].settings.node
    words = [str(nodes[0].python), "-c", OPEN_WISHED_NODES, node.name, str(node.data_dir), json.dumps(wishes)]
    process = subprocess.run(words, capture_output=True, text=True, check=False)

    foreign = "GW-C-006 lienthong-gateway-foreign"
    assert process.stdout.splitlines() == ["GW-C-005 lienthong-gateway-office", *[foreign] * 3]


@pytest.mark.parametrize(
    "nodes", [("on", "off"), pytest.param(("off", "on"), marks=pytest.mark.long)], ids="-".join, indirect=True
)
def test_two_nodes_carry_a_document_by_their_public_doors(nodes: tuple[Node, Node], at_work: str) -> None:
    north, south = nodes
    meta = north.folder / "meta.json"
    meta.write_text(json.dumps(META), encoding="utf-8")
    to = ("--to", stage.RECEIVER, "--meta", meta, "--confirm", "first-page-other")

    sent = north.well("send", LETTER, *to, "--wait", "delivered", "--timeout", "60s")
    accepted = south.well("inbox", "accept", "88/VP", "--register-no", "17", "--staff", "A Clerk", "--yes")

    assert sent["state"] == "delivered"
    assert (accepted["state"], accepted["register_no"]) == ("accepted", "17")
    block_until(
        lambda: "1 accepted" in north.type("outbox", "show", "88/VP").stdout, "its sender hears of it"
    )
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{at_work}/api/v1/sandbox")  # noqa: S310 - a node of this test
