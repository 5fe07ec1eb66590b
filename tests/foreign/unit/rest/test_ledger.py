"""The ledger of a foreign axis: its rows of files in other forms, also in a file that an earlier version began."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.domain.forms import Form, Handed
from gateway.domain.identity import Digest
from gateway.errors import Unreachable
from gateway_foreign.rest.ledger import SENT, TRYING, Ledger, SentFile

STANDARD = "a" * 64
HANDED = Handed(form=Form.DOTNET, digest=Digest("b" * 64), size=1234)
# As the version before had it.
OLDER = """CREATE TABLE sent (
    digest TEXT NOT NULL, route TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL, doc_id TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (digest, route)
) WITHOUT ROWID;
INSERT INTO sent VALUES ('%s', 'z91', 'sent', 1.0, 'd1');
"""


def test_a_file_that_an_earlier_version_began_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(OLDER % STANDARD)

    for _ in range(2):  # the second time nothing is left to do
        with closing(Ledger(path)) as ledger:
            ledger.mark(STANDARD, ["z92"], TRYING, 2.0, handed=HANDED)
            sent_before = ledger.sent(STANDARD, ["z91", "z92"])

    assert sent_before == {
        "z91": SentFile(state=SENT, at=1.0, doc_id="d1"),
        "z92": SentFile(state=TRYING, at=2.0, doc_id="", handed=HANDED),
    }


def test_it_knows_the_recipients_of_an_id(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.mark(STANDARD, ["z91", "z92"], SENT, 1.0, "d1")
        ledger.mark(STANDARD, ["z93"], TRYING, 1.0)

        assert sorted(ledger.has_it("d1")) == ["z91", "z92"]
        assert ledger.has_it("d2") == []


def test_a_damaged_file_is_a_failure_of_the_transport(tmp_path: Path) -> None:
    """It is reported and tried again like any other; no error of the database's own comes out."""
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    for n in range(200):
        ledger.mark(f"{n:064x}", ["h01"], TRYING, 1.0)
    ledger.close()
    with closing(sqlite3.connect(path)) as file:
        (page,) = file.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sent'").fetchone()
    raw = bytearray(path.read_bytes())
    size = int.from_bytes(raw[16:18], "big")
    raw[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(raw)

    with closing(Ledger(path)) as damaged:
        for ask in (
            lambda: damaged.sent(f"{1:064x}", ["h01"]),
            damaged.counts,
        ):
            with pytest.raises(Unreachable, match="cannot be read"):
                ask()
