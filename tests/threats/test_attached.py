"""Threats that come as a file: the same file as an attachment over the axis, where a clerk has to look at it, and handed in
by a document system, where it is refused and nothing of it is kept."""

from __future__ import annotations

import itertools
from functools import cache

import pytest

from tests.support import api, envelopes
from tests.support.cases import Cases
from tests.support.packets import PDF
from tests.threats.doors import AxisDoor, Routing, Word
from tests.threats.ground import ELLIPTIC, RECEIVER, SENDER, letter
from tests.threats.table import Record, tried
from tests.unit.trust import test_inspector as made

pytestmark = pytest.mark.asyncio(loop_scope="session")
_NUMBERS = itertools.count(20_000)


@cache
def bad_files() -> dict[str, tuple[str, bytes]]:
    encrypted = made.patched(made.patched(made.TWO, made.CENTRAL, 8, "<H", 1), made.LOCAL, 6, "<H", 1)
    return {
        "057-bomb": ("kem.zip", made.zipped(("0.txt", b"0" * 64 * 1024 * 1024))),
        "057-bomb-in-an-archive": (
            "kem.zip",
            made.zipped(("a.zip", made.zipped(("0.txt", b"0" * 32 * 1024 * 1024)))),
        ),
        "057-many-members": ("kem.zip", made.zipped(*((f"{n}.txt", b"x") for n in range(501)))),
        "058-too-deep": (
            "kem.zip",
            made.zipped(("2.zip", made.zipped(("1.zip", made.zipped(("a.txt", b"x")))))),
        ),
        "059-slip": ("kem.zip", made.zipped(("../../ra.txt", b"x"))),
        "059-absolute": ("kem.zip", made.zipped(("/tuyet.txt", b"x"))),
        "059-drive": ("kem.zip", made.zipped(("C:\\ra.txt", b"x"))),
        "060-names-that-differ-by-case": ("kem.zip", made.zipped(("A.txt", b"x"), ("a.TXT", b"y"))),
        "060-directory-that-lies": ("kem.zip", made.patched(made.TWO, made.CENTRAL, 24, "<I", 5)),
        "060-encrypted": ("kem.zip", encrypted),
        "061-program-named-pdf": ("cong-van.pdf", b"MZ\x90\0" + bytes(200)),
        "062-two-extensions": ("cv.pdf.exe", b"MZ\x90\0" + bytes(200)),
        "063-pdf-and-zip": ("cong-van.pdf", made.pdf() + made.zipped(("a.exe", b"MZ"))),
        "063-picture-and-zip": ("anh.gif", b"GIF89a" + bytes(20) + made.zipped(("a.exe", b"MZ"))),
        "063-markup-and-pdf": ("cong-van.pdf", b"<b>x</b>\n" + made.pdf()),
        "064-macro": ("a.docx", made.office("word", ("word/vbaProject.bin", b"x"))),
        "064-script-in-a-pdf": ("cong-van.pdf", made.pdf(change=made.javascript)),
        "064-launch-in-a-pdf": ("cong-van.pdf", made.pdf(change=made.launch)),
        "064-script-in-markup": ("a.html", b"<html><script>alert(1)</script></html>"),
        "064-script-in-a-drawing": (
            "a.svg",
            b'<svg xmlns="http://www.w3.org/2000/svg"><script>x</script></svg>',
        ),
        "066-empty": ("cong-van.pdf", b""),
    }


async def test_each_threat_in_an_attached_file_waits_for_the_clerk(
    embedded: AxisDoor, cases: Cases, record_property: Record
) -> None:
    for id, (name, raw) in bad_files().items():
        with tried(cases, record_property, id, embedded.name) as say:
            files: envelopes.Files = (("to-trinh.pdf", PDF), (name, raw))
            packet_id = f"attached-{next(_NUMBERS)}"
            model = letter(next(_NUMBERS), files)
            native = envelopes.native(model, files, signer=ELLIPTIC, packet_id=packet_id)

            outcome = await embedded.deliver(native, Routing(packet_id=packet_id))

            say(outcome.word.value)
            assert (outcome.word, outcome.answered) == (Word.HELD, ("01",)), outcome


async def test_each_threat_in_a_file_handed_in_is_refused(
    embedded: AxisDoor, services: api.Door, cases: Cases, record_property: Record
) -> None:
    count = await embedded.ground.town.count("outgoing_document")
    for sent, (id, (name, raw)) in enumerate(bad_files().items()):
        with tried(cases, record_property, id, "api") as say:
            number = str(next(_NUMBERS))
            meta = api.meta(number=number, date="2031-03-04", recipients=[{"code": SENDER, "role": "to_act"}])
            files = (("lead", "to-trinh.pdf", PDF), ("appendix", name, raw))

            answer = await services.send(meta, files=files, agency=RECEIVER, once=number)

            say(Word.REJ_FMT.value)
            assert answer.status == 422, answer
            assert {error["pointer"] for error in answer.json["errors"]} >= {"/files/1"}, answer
            assert await embedded.ground.town.count("outgoing_document") == count + sent
            assert embedded.ground.stray_files() == []
            good = await services.send(meta, files=files[:1], agency=RECEIVER, once=f"{number}-good")
            assert good.status == 202, good
            await embedded.ground.town.carry()
