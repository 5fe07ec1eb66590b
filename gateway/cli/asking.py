"""Asks the running node of this folder to carry out a command: it has loaded everything, and this program nothing. In: the
typed words. Out: an exit code, with the command's output printed; None where no node runs, or where the command belongs in
the caller's own process. The node answers `answering` in lines of JSON; tables are drawn here, where the terminal is."""

from __future__ import annotations

import getpass
import hashlib
import io
import json
import os
import socket
import sys
import tomllib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from gateway import __version__

_Line: TypeAlias = "io.BufferedRWPair[Any, Any]"
SOCKET = "commands.sock"
# Variables that stand for options of the command line; the others are settings of a node.
AS_OPTIONS = {"GATEWAY_AGENCY": "--agency", "GATEWAY_LANG": "--lang"}
_ABORTED, _TRY_LATER = 130, 75
_PATIENCE_S = 5.0
_LOCAL_WORDS = frozenset({"-h", "--help", "-v", "--verbose", "--version"})


def ask(args: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """Return the exit code of the command at the running node, or None: carry it out here."""
    if not args or _LOCAL_WORDS & set(args) or "_GATEWAY_COMPLETE" in environ:
        return None
    folder = _data_dir(_config(args, environ), environ)
    if folder is None or (connection := _connect(folder)) is None:
        return None
    try:
        request = {
            "args": [*_options_of(args, environ), *args],
            "version": __version__,
            "settings": digests(environ),
            "user": getpass.getuser(),
            "has_terminal": sys.stdin.isatty(),
        }
        with connection, connection.makefile("rwb") as line:
            return _follow(line) if _takes(connection, line, request) else None
    except KeyError:  # this user has no name, which the command itself reports
        return None
    except KeyboardInterrupt:
        return _ABORTED
    except ConnectionError:
        pass
    except OSError as error:
        print(f"✗ {error.strerror}", file=sys.stderr)
        return _TRY_LATER
    print("✗ the node ended before it answered; look at what it did before you do it again", file=sys.stderr)
    return _TRY_LATER


def digests(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of each setting in the environment: a node answers only callers whose settings it has too."""
    return {
        name: hashlib.sha256(text.encode()).hexdigest()
        for name, text in environ.items()
        if name.startswith("GATEWAY_") and name != "GATEWAY_CONFIG" and name not in AS_OPTIONS
    }


def _options_of(args: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Write as options what the caller's environment says, where it is not typed."""
    return [
        f"{option}={environ[name]}"
        for name, option in AS_OPTIONS.items()
        if environ.get(name) and not any(word.partition("=")[0] == option for word in args)
    ]


def _config(args: Sequence[str], environ: Mapping[str, str]) -> Path | None:
    """Return the settings file as `reading.locate` finds it."""
    names = [value for word, value in pairwise(args) if word == "--config"]
    names += [word.partition("=")[2] for word in args if word.startswith("--config=")]
    name = names[-1] if names else environ.get("GATEWAY_CONFIG")
    if name:
        return Path(name)
    nearby = Path("gateway.toml")
    return nearby if nearby.is_file() else None


def _data_dir(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the node's folder as the settings say; None where they cannot be read, which the command itself reports."""
    try:
        node = tomllib.loads(config.read_text("utf-8")).get("node", {}) if config else {}
        data_dir = (
            config.resolve().parent / node["data_dir"] if config and "data_dir" in node else Path("data")
        )
    except (OSError, ValueError, TypeError):
        return None
    return Path(environ.get("GATEWAY_NODE_DATA_DIR") or data_dir)


def _connect(folder: Path) -> socket.socket | None:
    """Connect to the node of the folder. The name is short, whatever the folder's is: a socket has 107 bytes for it."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            connection.connect(f"/proc/self/fd/{handle}/{SOCKET}")
        finally:
            os.close(handle)
    except OSError:
        connection.close()
        return None
    return connection


def _takes(connection: socket.socket, line: _Line, request: Mapping[str, Any]) -> bool:
    """Tell whether the node takes the command. One that does not say so soon hangs, and does nothing for a caller who has
    left."""
    connection.settimeout(_PATIENCE_S)
    try:
        _send(line, request)
        reply = json.loads(line.readline() or b"{}")
    except (TimeoutError, ConnectionError):
        return False
    connection.settimeout(None)
    return "taken" in reply


def _follow(line: _Line) -> int | None:
    """Do what the node says, until it has said the exit code."""
    is_gone = False
    for piece in map(json.loads, line):
        match piece:
            case {"code": int(code)}:
                return code
            case {"elsewhere": True}:
                return None
            case {"ask": str(question)}:
                if (agrees := _confirm(question)) is None:
                    return _ABORTED
                _send(line, {"agrees": agrees})
            case _ if not is_gone:
                is_gone = not _print(piece)
    raise ConnectionError


def _print(piece: Mapping[str, Any]) -> bool:
    """Print a piece of output. Tell whether its reader is still there (`| head`). Any: it is JSON."""
    stream = sys.stderr if piece.get("to") == "stderr" else sys.stdout
    try:
        if "table" in piece:
            from gateway.cli import tables

            left_out = tables.draw(tables.Table(**piece["table"]))
            if left_out and piece["left_out"]:
                print(piece["left_out"].replace("{names}", left_out), file=sys.stderr)
        else:
            stream.write(piece["text"])
        stream.flush()
    except BrokenPipeError:  # nothing more of the stream may fail, at the end of the program either
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True


def _confirm(question: str) -> bool | None:
    """Ask the person; None where there is no answer."""
    while True:
        print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer:
            return None
        if (word := answer.strip().casefold()) in ("y", "yes", "n", "no", ""):
            return word.startswith("y")


def _send(line: _Line, content: object) -> None:
    line.write(json.dumps(content).encode() + b"\n")
    line.flush()
