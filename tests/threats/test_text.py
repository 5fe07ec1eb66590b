"""Threats that come as text: the same words in every field of a good packet. It is taken in as it was signed, and at every
exit (the API, the command line, its file names) the words are only words."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import escape

import pytest

from gateway.domain.fields import escape_turning
from gateway.edxml.envelope import StaffInfo
from tests.hostile import forge
from tests.support import api, envelopes
from tests.support.cases import Cases
from tests.support.packets import PDF
from tests.threats.doors import AxisDoor, Routing, Word, run_command
from tests.threats.ground import ELLIPTIC, RECEIVER, letter
from tests.threats.table import Record, tried

pytestmark = pytest.mark.asyncio(loop_scope="session")
_MARK = "MARKED"
_NUMBERS = itertools.count(9000)

TEXTS = {
    "076-turned": "van-ban\u202efdp.exe",
    "076-hidden": "cong\u200bvan\u2060.pdf",
    "076-look-alike": "cоng van.pdf",  # its second letter is Cyrillic
    "077-lines": "một\nX-Evil: 1\n\nhai",
    "123-terminal": "một\x9b2J\x9b31mhai",
    "077-other-line-ends": "một\x85hai\u2028ba\u2029bốn",
    "078-device": "CON",
    "078-path": "../../etc/passwd",
    "078-backslash": "..\\..\\boot.ini",
    "078-dash": "-rf",
    "078-long": "d" * 300 + ".pdf",
    "079-script": "<script>alert(1)</script>",
    "079-attribute": '" onmouseover="alert(1)" x="',
    "079-entity": "&lt;img src=x onerror=alert(1)&gt;",
    "080-formula": '=HYPERLINK("http://a.example","b")',
    "080-sum": "@SUM(1)",
    "080-tab": "\t=1+1",
    "081-tcvn3": "C\u00abng ho\u00b5 x\u00b7 h\u00e9i ch\u00f1 ngh\u00dca",
    "082-sql": "'; DROP TABLE inbox; --",
    "082-ldap": "*)(uid=*))(|(uid=*",
    "082-template": "{{7*7}} ${7*7} #{7*7} <%= 7*7 %> {0.__class__} %s%n",
    "082-shell": "$(id) `id` ; id | id",
    "083-flood-of-accents": "a" + "\u0301" * 500,
    "083-astral": "\U0001f469\u200d\U0001f469\u200d\U0001f467" * 50,
}


def packet(text: str, packet_id: str) -> bytes:
    """The text wherever a sender may write, signed by its owner. Our own writer would refuse some of them; a foreign one
    need not. A name of a file has an ending, because the type must be told."""
    files: envelopes.Files = ((f"{_MARK}.pdf", PDF),)
    model = letter(next(_NUMBERS), files)
    assert model.business is not None
    marked = replace(
        model,
        subject=_MARK,
        content=_MARK,
        place=_MARK,
        sender=replace(model.sender, organ_name=_MARK, organ_add=_MARK),
        to_places=(_MARK,),
        business=replace(model.business, reason=_MARK, staff=(StaffInfo(staff=_MARK, department=_MARK),)),
        attachments=tuple(replace(attachment, description=_MARK) for attachment in model.attachments),
        manifest=tuple(replace(attachment, description=_MARK) for attachment in model.manifest),
    )
    native = envelopes.native(marked, files, signer=ELLIPTIC, packet_id=packet_id)
    ending = b".pdf" if not text.endswith(".pdf") else b""
    octets = escape(text).encode()
    changed = native.replace(f"{_MARK}.pdf".encode(), octets + ending).replace(_MARK.encode(), octets)
    return forge.resign(changed, native, ELLIPTIC)


async def brought(door: AxisDoor, text: str) -> dict[str, Any]:
    """The document as the API shows it, after the packet was taken in."""
    name = f"text-{next(_NUMBERS)}"
    raw = packet(text, name)
    outcome = await door.deliver(raw, Routing(packet_id=name))
    assert outcome.word in (Word.ADMITTED, Word.HELD), outcome
    assert outcome.answered == ("01",)
    (document,) = [d for d in await door.ground.town.incoming(RECEIVER) if d.packet_id == name]
    return {"id": document.id, "word": outcome.word, "subject": document.subject, "files": document.files}


async def test_each_threat_in_a_text_is_only_words(
    embedded: AxisDoor, services: api.Door, cases: Cases, record_property: Record
) -> None:
    for id, text in TEXTS.items():
        with tried(cases, record_property, id, "embedded, api, command line") as say:
            arrived = await brought(embedded, text)
            say(arrived["word"].value)

            # Signed text is shown unchanged, and characters that would turn it round are written out: nothing is cut out.
            assert arrived["subject"] == escape_turning(text)
            await shown_by_the_api(services, arrived["id"], escape_turning(text))
            for line in (await on_the_terminal(embedded, arrived["id"])).splitlines():
                assert line.isprintable(), repr(line)


async def shown_by_the_api(services: api.Door, id: str, text: str) -> None:
    answer = await services.ask("GET", f"/inbox/{id}", agency=RECEIVER)
    file = await services.ask("GET", f"/inbox/{id}/files/1", agency=RECEIVER)

    assert answer.json["subject"] == text
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert file.raw == PDF
    disposition = file.headers["Content-Disposition"]
    assert disposition.startswith("attachment")
    assert disposition.isascii()
    assert disposition.isprintable()
    assert not {"/", "\\"} & set(disposition)
    assert "sandbox" in file.headers["Content-Security-Policy"]
    assert (await services.ask("GET", "/inbox?q=%25", agency=RECEIVER)).status == 200


async def on_the_terminal(door: AxisDoor, id: str) -> str:
    """What a person at a terminal is shown of the document; a table is words alone."""
    folder = door.ground.folder / "gateway.toml"
    folder.write_text(f'[node]\nname = "demo"\ndata_dir = {json.dumps(str(door.ground.folder))}\n')
    code, out = await asyncio.to_thread(run_command, ["--config", str(folder), "inbox", "show", id])
    assert code == 0
    return out
