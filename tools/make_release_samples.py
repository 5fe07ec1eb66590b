"""Makes the samples of a release, by which every later version is judged: what it stored (a database, a backup, an evidence
pack with what it trusts), what it answered from that, and the contract that programs rely on. In: the checkout that is
released. Out: `tests/samples/releases/VERSION/`. Run it once, when the version is decided (CONTRIBUTING.md has the line); a
later run would make other samples of a version that people have."""

from __future__ import annotations

import contextlib
import io
import json
import lzma
import shutil
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import program
from gateway.clock import SystemClock
from tests.office.support.frozen import contract

TARGET = Path(__file__).resolve().parents[1] / "tests" / "samples" / "releases"
PASSPHRASE = "kho lưu thử nghiệm 2026\n"  # noqa: S105 - everybody may open the samples
NODE_COMMANDS = (
    *("host list", "registry imports", "registry change list", "registry change legacy"),
    *("registry feed refusals", "registry feed proposals", "registry feed status", "people list"),
    *("proposals list --all", "tokens list", "compat list", "calendar list", "trust show"),
    "registry show Z91",
)
AGENCY_COMMANDS = (
    *("outbox list", "inbox list", "inbox list --quarantine", "hold list", "evidence list"),
    *("webhooks list", "compat stuck", "todo list --all", "book show incoming", "book show outgoing"),
    "book paper",
)


def main() -> None:
    """Make the samples of the version that is named."""
    (version,) = sys.argv[1:]
    folder = TARGET / version
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        node = Path(name) / "node"
        type_line("demo", "--once", "--keep", str(node), "-o", "json")
        now = datetime.now(UTC).replace(microsecond=0)
        SystemClock.now = staticmethod(lambda: now)  # type: ignore[method-assign]  # all answers are of one moment
        settings = node / "gateway.toml"
        (node / "passphrase").write_text(PASSPHRASE, "utf-8")
        write(folder / "contract.json.xz", contract())
        write(folder / "answers.json.xz", record_answers(settings))
        type_line(
            *("--config", str(settings), "backup", "--to", str(node / "node.backup")),
            *("--passphrase-file", str(node / "passphrase"), "-o", "json"),
        )
        shutil.copy(node / "node.backup", folder)
        (folder / "marks").mkdir()
        for mark in node.glob("*/.store"):  # without them a node takes its folders for strangers
            shutil.copy(mark, folder / "marks" / mark.parent.name)
        shutil.copy(node / ".database", folder / "identity.txt")  # without it the database counts as a copy
        with contextlib.closing(sqlite3.connect(node / "gateway.db")) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        write_bytes(folder / "gateway.db.xz", (node / "gateway.db").read_bytes())
        # Evidence is an event of its own, which the answers do not know.
        keep_evidence(settings, folder, now)
        shutil.copytree(node / "trust", folder / "trust")
        (folder / "then.txt").write_text(f"{now.isoformat()}\n", "utf-8")


def type_line(*words: str) -> str:
    """Type a command; return its output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = program.run(list(words))
    if code:
        raise SystemExit(f"{' '.join(words)}: exit {code}\n{out.getvalue()}")
    return out.getvalue()


def record_answers(settings: Path) -> dict[str, Any]:
    """Return the answers of reading commands by what was typed: of the node, of each agency, and of each document."""
    answers: dict[str, Any] = {}

    def record(line: str) -> Any:
        answers[line] = json.loads(type_line("--config", str(settings), *line.split(), "-o", "json"))
        return answers[line]

    for line in NODE_COMMANDS:
        record(line)
    for agency in [row["code"] for row in answers["host list"]["data"]]:
        for line in AGENCY_COMMANDS:
            record(f"{line} --agency {agency}")
        for line in ("outbox show", "outbox events", "inbox show"):
            for row in answers[f"{line.split()[0]} list --agency {agency}"]["data"]:
                record(f"{line} {row['id']} --agency {agency}")
    return answers


def keep_evidence(settings: Path, folder: Path, now: datetime) -> None:
    """Make the pack of the oldest document that was sent, and its verdict."""
    options = ("--config", str(settings))
    sent = json.loads(type_line(*options, "outbox", "list", "--agency", "Z91", "-o", "json"))["data"]
    pack = folder / "evidence.zip"
    type_line(
        *options, "evidence", "make", sent[-1]["id"], "--agency", "Z91", "--to", str(pack), "-o", "json"
    )
    trust = ("--trust", str(settings.parent / "trust"), "--at", now.isoformat(), "-o", "json")
    (folder / "verdict.json").write_text(
        type_line(*options, "evidence", "verify", str(pack), *trust), encoding="utf-8"
    )


def write(path: Path, answer: Any) -> None:
    write_bytes(path, json.dumps(answer, ensure_ascii=False, sort_keys=True).encode())


def write_bytes(path: Path, raw: bytes) -> None:
    path.write_bytes(lzma.compress(raw, preset=9))


if __name__ == "__main__":
    main()
