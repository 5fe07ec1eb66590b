"""The systemd units are ones that systemd takes without a word, and give the node no more than it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.settings.options import WorkerSettings
from tests.support.services import missing

UNITS = Path(__file__).parents[3] / "config" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
# Of 10; an ordinary service without any of the limits has 9.6. What is left is the network and the file system's reading.
MOST_EXPOSURE = 2.0


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not here; it comes with the package systemd")
    return subprocess.run(
        ["systemd-analyze", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Copy the units, with an existing program in the place of ours: systemd looks for it and never runs it."""
    copies = []
    for path in sorted(UNITS.iterdir()):
        copy = tmp_path / path.name
        copy.write_text(path.read_text().replace("/opt/gateway/current/bin/gateway-node", "/bin/true"))
        copies.append(copy)
    return copies


def test_systemd_takes_every_unit_without_a_word(units: list[Path]) -> None:
    run = analyze("verify", "--man=no", "--generators=no", "--recursive-errors=yes", *units)

    assert (run.returncode, run.stdout + run.stderr) == (0, "")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: str(path.name))
def test_a_service_has_little_to_lose(unit: Path) -> None:
    report = analyze("security", "--offline=true", unit).stdout

    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", report)
    assert exposure is not None, report
    assert float(exposure[1]) <= MOST_EXPOSURE


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: str(path.name))
def test_secrets_are_credentials_and_never_stand_in_a_unit(unit: Path) -> None:
    text = unit.read_text()

    assert "LoadCredential=keys:" in text
    assert (
        re.findall(
            r"^Environment=(?!GATEWAY_CONFIG=|NODE_SECRETS=%d$|GATEWAY_METRICS_PORT=|MALLOC_ARENA_MAX=|GATEWAY_\w+_FILE=%d/).*$",
            text,
            re.MULTILINE,
        )
        == []
    )


@pytest.mark.parametrize("name", ["gateway-web.service", "gateway-worker@.service"])
def test_a_service_may_take_longer_to_stop_than_the_node_takes_to_finish(name: str) -> None:
    text = (UNITS / name).read_text()

    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(stop) >= WorkerSettings().drain_s + 5
