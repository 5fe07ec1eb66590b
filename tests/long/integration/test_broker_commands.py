"""The commands of the axis's administrator and of a node, typed one after the other against a real broker."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.provisioned import Province
from tests.unit.cli.conftest import CommandRun, Terminal
from tests.unit.cli.conftest import terminal as terminal


class Desk:
    """An administrator's node: a registry, and the way to the broker."""

    def __init__(self, terminal: Terminal, nodes: Province, folder: Path) -> None:
        self.terminal, self.nodes, self.folder = terminal, nodes, folder
        boss = folder / "boss.txt"
        boss.write_text(f"{nodes.broker.password}\n")
        self.way = ("--api", nodes.api, "--user", nodes.broker.user, "--password-file", str(boss))

    def apply(self, *words: str) -> CommandRun:
        passwords = ("--passwords", str(self.folder / "passwords"), "--make-passwords")
        vhost = ("--vhost", self.nodes.broker.vhost)
        return self.terminal.type("axis", "apply", *self.way, *passwords, *vhost, "--lang", "en", *words)

    def hosts(self, **nodes: str) -> None:
        """Codes, with underscores for dots, by the short name of their node."""
        rows = [f"{code.replace('_', '.')},Name,{self.nodes.node(short)}" for code, short in nodes.items()]
        file = self.folder / "agencies.csv"
        file.write_text("\n".join(["code,name,host", *rows]) + "\n")
        output = self.terminal.type("registry", "import", file, "--apply", "--yes")
        assert output.code == 0, output.err


@pytest.fixture
def desk(nodes: Province, terminal: Terminal, tmp_path: Path) -> Desk:
    output = terminal.type("init", "--code", "Z91", "--name", "Trial", "--yes")
    assert output.code == 0, output.err
    return Desk(terminal, nodes, tmp_path)


def test_a_preview_shows_the_plan_and_does_nothing(desk: Desk) -> None:
    desk.hosts(Z91="north")
    north = desk.nodes.node("north")

    output = desk.apply("--preview")

    assert output.code == 0
    assert f"+ queue lienthong.{north}.normal" in output.out.splitlines()
    assert f"+ z91 → lienthong.{north}.urgent (lienthong.urgent)" in output.out.splitlines()
    assert "nothing was changed" in output.err
    assert not (desk.folder / "passwords").exists()
    assert desk.nodes.broker.ask("GET", "/api/queues/{vhost}") == []


def test_an_apply_is_shown_asked_for_done_and_then_has_nothing_to_do(desk: Desk) -> None:
    desk.hosts(Z91="north", Z92="south")

    unconfirmed = desk.apply()
    first = desk.apply("--yes", "-o", "json").json
    second = desk.apply("--yes")

    assert unconfirmed.code == 2
    assert "add --yes" in unconfirmed.err
    assert first["done"] == first["added"] == len(first["steps"]) > 20
    assert (first["changed"], first["removed"], first["remarks"]) == (0, 0, [])
    assert (second.code, second.out) == (0, "")
    assert "as the registry says" in second.err


def test_a_move_is_one_command_for_the_registry_and_one_for_the_axis(desk: Desk) -> None:
    desk.hosts(Z91="north", Z92="south")
    desk.apply("--yes")
    north, south = desk.nodes.node("north"), desk.nodes.node("south")

    moved = desk.terminal.type("registry", "set-host", "Z91", south, "--yes", "-o", "json").json
    output = desk.apply("--yes")

    assert (moved["code"], moved["from"], moved["to"]) == ("Z91", north, south)
    lines = output.out.splitlines()
    assert lines.index(f"+ z91 → lienthong.{south}.normal (lienthong.normal)") < lines.index(
        f"- z91 → lienthong.{north}.normal (lienthong.normal)"
    )
    assert (
        f"! {north} is no longer in the registry and holds nothing; add --remove-nodes to remove it" in lines
    )
    removal = desk.apply("--yes", "--remove-nodes")
    assert removal.code == 0
    assert not [q for q in desk.nodes.broker.ask("GET", "/api/queues/{vhost}") if north in q["name"]]


def test_what_no_step_mends_is_told_and_makes_the_command_fail(desk: Desk) -> None:
    desk.hosts(Z91="north")
    queue = f"lienthong.{desk.nodes.node('north')}.normal"
    desk.nodes.broker.ask("PUT", f"/api/queues/{{vhost}}/{queue}", {"durable": True})

    output = desk.apply("--yes")

    assert output.code == 1
    assert (
        f"! {queue} is of kind classic and must be quorum: empty it, then delete it by hand"
        in output.out.splitlines()
    )


def test_an_axis_is_never_emptied_because_the_registry_names_no_node_and_an_embedded_one_has_nothing_to_check(
    desk: Desk,
) -> None:
    output = desk.apply("--yes")

    assert output.code == 1
    assert "names no node for any agency" in output.err

    output = desk.terminal.type("axis", "check")

    assert output.code == 1
    assert "axis.kind is embedded" in output.err


def test_definitions_go_to_stdout_or_to_a_file_that_its_owner_alone_reads(desk: Desk) -> None:
    desk.hosts(Z91="north")
    out, passwords = desk.folder / "axis.json", desk.folder / "passwords"

    printed = desk.terminal.type("axis", "definitions", "--vhost", "v")
    output = desk.terminal.type(
        "axis", "definitions", "--vhost", "v", "--out", out, "--passwords", passwords, "--make-passwords"
    )

    in_file = json.loads(out.read_text())
    assert printed.json | {"users": []} == in_file | {"users": []}
    assert "mật khẩu" in printed.err
    assert output.out == ""
    assert out.stat().st_mode & 0o777 == 0o600
    assert [bool(user["password_hash"]) for user in (*printed.json["users"], *in_file["users"])] == [
        False,
        True,
    ]
    assert os.listdir(passwords) == [desk.nodes.node("north")]


@pytest.fixture
def node(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The same machine as a node on the axis, with its own user."""
    desk.hosts(Z91="north", Z92="south")
    assert desk.apply("--yes").code == 0
    north, broker = desk.nodes.node("north"), desk.nodes.broker
    settings = desk.folder / "gateway.toml"
    text = settings.read_text().replace('name = "Z91"', f'name = "{north}"', 1)
    settings.write_text(
        text + f'\n[axis]\nkind = "amqp"\n\n[amqp]\nservers = "amqp://{broker.host}:{broker.port}"\n'
        f'vhost = "{broker.vhost}"\n'
    )
    monkeypatch.setenv("GATEWAY_AMQP_PASSWORD_FILE", str(desk.folder / "passwords" / north))
    return desk


def test_a_node_checks_its_axis_and_hears_that_it_is_right(node: Desk) -> None:
    output = node.terminal.type("axis", "check", "-o", "json")
    read = node.terminal.type("axis", "check", "--lang", "en")

    assert output.code == read.code == 0
    states = {step["step"]: step["state"] for step in output.json["data"]}
    assert states.pop("tls") == "skipped"
    assert set(states.values()) == {"fine"}
    assert "✓ login" in read.out
    assert "the 1 codes of this node all lead to it" in read.out


def test_a_fault_is_told_with_its_cure_in_both_languages_and_exit_6(node: Desk) -> None:
    assert node.terminal.type("host", "add", "Z92", "--yes").code == 0
    assert node.terminal.type("registry", "set-host", "Z92", "--none", "--yes").code == 0
    assert node.apply("--yes").code == 0

    vi = node.terminal.type("axis", "check")
    en = node.terminal.type("axis", "check", "--lang", "en")
    lines = node.terminal.type("axis", "check", "-o", "ndjson").out.splitlines()

    assert vi.code == en.code == 6
    assert "không có đường đến: Z92" in vi.out
    assert "lead nowhere: Z92" in en.out
    assert "→ the axis's administrator runs gateway axis apply" in en.out
    assert [json.loads(line)["state"] for line in lines][-1] == "wrong"
