"""`gateway demo --axes --once`: four nodes and three axes in one process tell the whole story, and say how it went."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.services import rabbit
from tests.support.services import AMQP, RABBIT_API, address

pytestmark = [pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[3]
# How many of the story's ten deliveries each axis carries.
DOCUMENTS = {"broker": 3, "lgsp": 3, "vxp": 4}


def run_demo(folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    command = [sys.executable, "-m", "gateway", "--lang", "en", "demo", "--axes", "--once", "-o", "json"]
    run = subprocess.run(
        [*command, "--keep", str(folder / "kept"), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout), run.stderr


def judged(report: dict[str, Any]) -> None:
    assert (report["lost"], report["doubled"]) == (0, 0)
    assert {name: axis["documents"] for name, axis in report["axes"].items()} == DOCUMENTS
    assert (report["documents"], report["deliveries"]) == (7, 10)
    assert report["by_state"] == {"accepted": 9, "rejected": 1}


def test_the_story_of_three_axes_needs_no_broker_and_says_what_stands_for_it(tmp_path: Path) -> None:
    report, output = run_demo(tmp_path)

    judged(report)
    assert {name: axis["kind"] for name, axis in report["axes"].items()} == {
        "broker": "embedded",
        "lgsp": "lgsp",
        "vxp": "vxp",
    }
    assert "the embedded axis stands for the message broker" in output
    assert "gwk_" not in output


def test_on_a_real_broker_it_leaves_nothing_behind(tmp_path: Path) -> None:
    api = urlsplit(address(RABBIT_API))
    password = tmp_path / "password"
    password.write_text(f"{api.password}\n", encoding="utf-8")
    amqp = urlsplit(address(AMQP))

    report, output = run_demo(
        tmp_path,
        *("--broker", f"amqp://{amqp.hostname}:{amqp.port}"),
        *("--broker-api", f"http://{api.hostname}:{api.port}"),
        *("--broker-user", str(api.username), "--broker-password-file", str(password)),
    )

    judged(report)
    assert report["axes"]["broker"]["kind"] == "amqp"
    assert str(api.password) not in output
    for kind, ours in (("vhosts", "lienthong-thu-"), ("users", "nut-")):
        names = [name["name"] for name in rabbit.call(address(RABBIT_API), "GET", f"/api/{kind}")]
        assert not [name for name in names if name.startswith(ours)]
