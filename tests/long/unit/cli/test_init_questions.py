"""`gateway init` at a terminal: its questions, and what it says of what it was told."""

from __future__ import annotations

import socket
from pathlib import Path

from gateway.settings import load
from gateway.settings.options import Secret
from tools.bundle.dialogue import dialogue


def test_six_questions_at_a_terminal_make_a_node_whose_secrets_are_files(tmp_path: Path) -> None:
    """A broker that does not answer and a port that is taken are said; the node is made all the same."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with (
        listener,
        dialogue("--config", "node/gateway.toml", "--lang", "en", "init", folder=tmp_path) as answer,
    ):
        answer("Code of your agency", "Z91.02")
        answer("Name of your agency", "Office")
        answer("Arrival numbers", "")
        answer("1/6 Database", "")
        answer("2/6 Axis", "amqp://127.0.0.1:1")
        answer("Password of this node at the broker", "of the broker")
        answer("3/6 Name of the node", "")
        answer("4/6 Port", f"{port} 0")
        answer("5/6 Root certificates", "")
        answer("6/6 Data folder", "node/data")
        answer("Two persons", "An, Binh")
        screen = answer("The set-up is open", None)

    settings = load(tmp_path / "node" / "gateway.toml", {})
    assert (settings.axis.kind, settings.api.port, settings.node.name) == ("amqp", port, "Z91.02")
    assert settings.amqp.password == Secret("of the broker")
    assert settings.keys.password == Secret((tmp_path / "node/secrets/keys").read_text().strip())
    assert "another program has the port" in screen
    assert "amqp://127.0.0.1:1: " in screen
    assert "gateway join FOLDER" in screen
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "node/secrets").iterdir()} == {0o600}
