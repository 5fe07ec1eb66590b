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
# By which axis each of the story's ten deliveries goes.
CARRIED = {"broker": 3, "lgsp": 3, "vxp": 4}


def told(folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    command = [sys.executable, "-m", "gateway", "--lang", "en", "demo", "--axes", "--once", "-o", "json"]
    done = subprocess.run(
        [*command, "--keep", str(folder / "kept"), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def judged(found: dict[str, Any]) -> None:
    assert (found["lost"], found["doubled"]) == (0, 0)
    assert {name: each["documents"] for name, each in found["axes"].items()} == CARRIED
    assert (found["documents"], found["deliveries"]) == (7, 10)
    assert found["by_state"] == {"accepted": 9, "rejected": 1}


def test_the_story_of_three_axes_needs_no_broker_and_says_what_stands_for_it(tmp_path: Path) -> None:
    found, said = told(tmp_path)

    judged(found)
    assert {name: each["kind"] for name, each in found["axes"].items()} == {
        "broker": "embedded",
        "lgsp": "lgsp",
        "vxp": "vxp",
    }
    assert "the embedded axis takes the place of the message broker" in said
    assert "gwk_" not in said


def test_on_a_real_broker_it_leaves_nothing_behind(tmp_path: Path) -> None:
    api = urlsplit(address(RABBIT_API))
    password = tmp_path / "password"
    password.write_text(f"{api.password}\n", encoding="utf-8")
    amqp = urlsplit(address(AMQP))

    found, said = told(
        tmp_path,
        *("--broker", f"amqp://{amqp.hostname}:{amqp.port}"),
        *("--broker-api", f"http://{api.hostname}:{api.port}"),
        *("--broker-user", str(api.username), "--broker-password-file", str(password)),
    )

    judged(found)
    assert found["axes"]["broker"]["kind"] == "amqp"
    assert str(api.password) not in said
    for what, ours in (("vhosts", "lienthong-thu-"), ("users", "nut-")):
        names = [each["name"] for each in rabbit.call(address(RABBIT_API), "GET", f"/api/{what}")]
        assert not [each for each in names if each.startswith(ours)]
