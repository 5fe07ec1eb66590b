"""Commands show an administrator how a foreign axis is: that it lets the node in, that it refuses a password or one
agency's key, that it is away, and that the line to it can be read on the way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.ops import checks_of_lines
from gateway.settings import load
from tests.support.town import lgsp
from tests.support.waiting import block_until
from tests.unit.cli.conftest import Terminal

CODES = ["Z91.02", "Z91.03"]
NODE = ("init", "--data-dir", "state", "--code", CODES[0], "--name", "Office", "--port", "0", "--yes")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Run a provincial service beside the commands; each command has its own event loop."""
    urls: list[str] = []
    ready, ended = threading.Event(), threading.Event()

    async def serve() -> None:
        async with lgsp.of_agencies(tmp_path / "hub", CODES) as axis:
            urls.append(axis.url)
            ready.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    block_until(ready.is_set, "the service")
    yield urls[0]
    ended.set()
    thread.join()


@pytest.fixture
def shell(terminal: Terminal, tmp_path: Path, url: str) -> Terminal:
    assert terminal.type(*NODE).code == 0
    set_up(tmp_path, url)
    return terminal


def set_up(folder: Path, url: str) -> None:
    """Write settings as the guide does, with a password and keys in files of their own."""
    (folder / "lgsp.password").write_text(lgsp.LOGIN.password, encoding="utf-8")
    rows = []
    for code in CODES:
        (folder / f"{code}.key").write_text(lgsp.key_of(code), encoding="utf-8")
        rows.append(f'{{code = "{code}", system = "{lgsp.id_of(code)}", secret_file = "{code}.key"}}')
    (folder / "lgsp.toml").write_text(
        f'[[system]]\nusername = "{lgsp.LOGIN.username}"\npassword_file = "lgsp.password"\n'
        f'application = "{lgsp.LOGIN.application}"\nagencies = [{", ".join(rows)}]\n',
        encoding="utf-8",
    )
    for file in (*folder.glob("*.key"), folder / "lgsp.toml", folder / "lgsp.password"):
        file.chmod(0o600)
    settings = folder / "gateway.toml"
    text = settings.read_text(encoding="utf-8").partition("[axis]")[0]
    settings.write_text(
        f'{text}[axis]\nkind = "lgsp"\n[lgsp]\nendpoint = "{url}"\ncredentials = "lgsp.toml"\n',
        encoding="utf-8",
    )


def of_axis(terminal: Terminal) -> list[tuple[str, str]]:
    checks = terminal.type("doctor", "-o", "json").json["checks"]
    return [(check["level"], check["check"]) for check in checks if check["check"].startswith("axis")]


def test_an_axis_that_lets_the_node_in_is_well_for_every_command(shell: Terminal, tmp_path: Path) -> None:
    checked = shell.type("axis", "check", "-o", "json")
    listed = shell.type("axis", "agencies", "--out", "axis.csv")

    assert checked.code == 0
    assert [row["state"] for row in checked.json["data"]] == ["fine", "fine"]
    assert shell.type("axis", "status").code == 0
    assert shell.type("axis", "route", CODES[1]).code == 0
    assert of_axis(shell) == [("green", "axis")]
    assert listed.code == 0
    assert set(CODES) <= {line.split(",")[0] for line in (tmp_path / "axis.csv").read_text().splitlines()}


def test_the_way_to_a_partner_of_such_an_axis_is_open_and_who_receives_it_does_not_say(
    shell: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "agencies.csv").write_text(
        f"code,name\n{CODES[0]},Office\n{CODES[1]},Other\n", encoding="utf-8"
    )
    assert shell.type("registry", "import", "agencies.csv", "--apply", "--yes").code == 0

    ping = shell.type("ping", CODES[1], "-o", "json")
    steps = {row["step"]: (row["state"], row["cause"]) for row in ping.json["data"]}

    assert ping.code == 0
    assert steps == {
        "registry": ("fine", "registry.fine"),
        "way": ("fine", "way.send"),
        "led": ("skipped", "led.unsaid"),
        "certificate": ("warned", "certificate.none"),
        "heard": ("skipped", "heard.never"),
        "mail": ("fine", "mail.fine"),
    }


def test_a_wrong_password_is_told_once_for_each_agency_with_the_file_to_mend(
    shell: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "lgsp.password").write_text("của người khác", encoding="utf-8")

    checked = shell.type("axis", "check", "-o", "json")
    run = shell.type("axis", "check")
    status = shell.type("axis", "status")
    pinged = shell.type("ping", CODES[1], "-o", "json")
    way_row = {row["step"]: row for row in pinged.json["data"]}["way"]

    assert checked.code == status.code == pinged.code == 6
    assert (way_row["state"], way_row["cause"]) == ("wrong", "way.wait")
    assert "gateway axis check" in way_row["cure"]
    assert [(row["state"], row["cause"]) for row in checked.json["data"]] == [
        ("wrong", "session.refused"),
        ("wrong", "session.refused"),
    ]
    assert str(tmp_path / "lgsp.toml") in checked.json["data"][0]["cure"]
    assert status.out.count("HTTP 401") == 1
    assert of_axis(shell) == [("red", "axis")]
    assert shell.type("axis", "route", CODES[1]).code == 6
    assert "của người khác" not in run.out + run.err + checked.out + checked.err + status.out + status.err


def test_a_wrong_key_of_one_agency_is_yellow_and_a_service_that_is_away_is_red(
    shell: Terminal, tmp_path: Path
) -> None:
    (tmp_path / f"{CODES[1]}.key").write_text("of another", encoding="utf-8")
    checked = shell.type("axis", "check", "-o", "json")
    assert checked.code == 6
    assert {row["cause"] for row in checked.json["data"]} == {"session.fine", "session.refused"}
    assert shell.type("axis", "route", CODES[1]).code == 0
    assert of_axis(shell) == [("green", "axis")]  # it asks one alone, the first

    set_up(tmp_path, "http://127.0.0.1:9")
    checked = shell.type("axis", "check", "-o", "json")
    listed = shell.type("axis", "agencies", "--out", "axis.csv")
    assert checked.code == listed.code == 6
    assert {row["cause"] for row in checked.json["data"]} == {"session.failed"}
    assert all("cannot be reached" in row["says"] for row in checked.json["data"])
    assert shell.type("axis", "status").code == 6
    assert shell.type("axis", "route", CODES[1]).code == 6
    assert of_axis(shell) == [("red", "axis")]
    assert not list(tmp_path.glob("*axis.csv*")) + list(tmp_path.glob(".axis.csv*"))


async def test_a_line_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    for kind in ("vxp", "lgsp"):
        for endpoint, is_told in (
            ("http://lgsp.example.invalid/", True),
            ("http://127.0.0.1:9", False),
            ("http://localhost:9", False),
            ("http://[::1]:9", False),
            ("https://lgsp.example.invalid", False),
        ):
            fields = {"axis_kind": kind, f"{kind}_endpoint": endpoint, "node_data_dir": str(tmp_path)}
            settings = load(None, {f"GATEWAY_{name.upper()}": word for name, word in fields.items()})
            findings = [*checks_of_lines.line_findings(settings)]
            steps = [step async for _, step in checks_of_lines.examine_axes(settings, ["Z91.02"])]

            assert [(f.level, f.cause) for f in findings] == [("yellow", "axis.clear")] * is_told
            assert [step.level for step in steps if step.check == "tls"] == ["yellow"] * is_told


def test_the_form_of_a_route_is_told_of_each_code(shell: Terminal, tmp_path: Path) -> None:
    settings = tmp_path / "gateway.toml"
    head, _, own = settings.read_text(encoding="utf-8").partition("[axis]")
    own = own.partition("[lgsp]\n")[2]
    routes = (
        '[[routes]]\nto = "G02"\naxes = ["province"]\nform = "dotnet"\n'
        '[[routes]]\nto = "*"\naxes = ["province"]\n'
    )
    settings.write_text(f'{head}[[axes]]\nname = "province"\nkind = "lgsp"\n{own}{routes}', encoding="utf-8")

    for words in (("registry", "show"), ("axis", "route")):
        forms = {code: shell.type(*words, code, "-o", "json").json["form"] for code in ("G02", "G01")}
        assert forms == {"G02": "dotnet", "G01": "standard"}
    out = shell.type("axis", "route", "G02", "--lang", "en").out
    assert "in the .NET form (A-net), without the envelope's signature" in out
    assert "A-net" not in shell.type("axis", "route", "G01", "--lang", "en").out
