"""An unsendable document lies in `error/` with a reason in two languages, and nothing the API would refuse is sent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.folder.places import Place
from tests.support import first_pages
from tests.support.cases import Cases
from tests.support.folder import WAIT_S, Desk, packed, sidecar
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town
from tests.support.packets import document, recall_of

Lay = Callable[[Desk], object]


def lay_file(name: str, raw: bytes | str) -> Lay:
    return lambda desk: desk.drop(name, raw)


def laid_folder(*steps: str) -> Lay:
    return lambda desk: desk.place(*steps, "inside").parent.mkdir(exist_ok=True)


def bomb(head: bytes) -> Lay:
    def lay(desk: Desk) -> None:
        content = head + bytes(60 << 20)
        desk.drop("x.zip", packed({"meta.json": sidecar("15", "a.pdf"), "a.pdf": content}))

    return lay


def letter(**fields: object) -> Lay:
    return lambda desk: desk.letter("x", **fields)  # type: ignore[arg-type]  # fields of the meta


BAD: dict[str, tuple[Lay, str]] = {
    "not JSON": (lay_file("x.json", "{"), "GW-400-BAD-JSON"),
    "a list": (lay_file("x.json", "[]"), "GW-400-BAD-JSON"),
    "an unknown field": (letter(numbr="5"), "GW-400-BAD-REQUEST"),
    "no number": (letter(number=""), "GW-R-000"),
    "declared secret": (letter(secrecy="mat"), "GW-R-000"),
    "an unknown recipient": (letter(recipients=[{"code": "Z99", "role": "to_act"}]), "GW-R-000"),
    "no role": (letter(recipients=[{"code": PROVINCE}]), "GW-422-MISSING-FIELD"),
    "a wrong digest": (
        letter(files=[{"name": "x.pdf", "role": "lead", "sha256": "0" * 64}]),
        "GW-400-BAD-MULTIPART",
    ),
    "a name that leads out": (
        lay_file("x.json", sidecar("15", "../x.pdf")),
        "GW-400-BAD-FOLDER",
    ),
    "an archive that is none": (lay_file("x.zip", b"PK\x03\x04"), "GW-R-000"),
    "an archive with folders": (
        lay_file("x.zip", packed({"meta.json": sidecar("15", "a/b.pdf"), "a/b.pdf": PDF})),
        "GW-400-BAD-FOLDER",
    ),
    "a file that is not named": (
        lay_file("x.zip", packed({"meta.json": sidecar("15", "a.pdf"), "a.pdf": PDF, "b.pdf": PDF})),
        "GW-400-BAD-FOLDER",
    ),
    "a bomb": (bomb(b"%PDF-1.7\n"), "GW-413"),
    "an envelope that is none": (lay_file("x.edxml", "<a/>"), "ENV-DIALECT"),
    "an envelope with an entity": (
        lay_file("x.edxml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        "ENV-FORBIDDEN",
    ),
}


async def test_what_the_api_would_refuse_lies_in_error_with_its_reason(desk: Desk, cases: Cases) -> None:

    for name, (lay, code) in BAD.items():
        with cases.case(name):
            lay(desk)

            await desk.settle()

            text = desk.reason("x")
            assert code in text
            assert "Việc cần làm" in text
            assert "What to do" in text
            assert desk.names("out") == []
        for path in (desk.root / DEPARTMENT / "error").iterdir():
            path.unlink()
    assert await desk.town.count("outgoing_document") == 0


async def test_threat_129_a_bomb_is_stopped_where_it_passes_its_limit(desk: Desk) -> None:
    bomb(b"")(desk)

    await desk.settle()

    assert "GW-413" in desk.reason("x")


async def test_what_no_sidecar_names_waits_and_is_then_told_of(desk: Desk) -> None:
    """And a file that never comes is named."""
    with pytest.raises(Exception, match="hot folder"), Place.open_root(desk.root / "none"):
        pass
    desk.place("out", "y", "a.pdf").write_bytes(PDF)
    desk.drop("la.pdf", PDF)
    desk.drop("x.zip", packed({"a.pdf": PDF}))
    desk.drop("z.json", sidecar("15", "thieu.pdf"))
    await desk.settle()
    assert desk.names("error") == []

    await desk.settle(WAIT_S)

    for stem in ("la.pdf", "x", "y"):
        reason_text = desk.reason(stem)
        assert "folder-alone" not in reason_text  # words, and no keys
        assert ".json" in reason_text
    assert "thieu.pdf" in desk.reason("z")


async def test_corrected_and_moved_back_it_is_sent(desk: Desk) -> None:
    desk.letter("x", "15", reply_required=None)
    await desk.settle()
    error = desk.root / DEPARTMENT / "error"
    (error / "x.pdf").rename(desk.place("out", "x.pdf"))
    (error / "x.json").unlink()
    desk.drop("x.json", sidecar("15", "x.pdf"))

    await desk.settle()

    assert desk.receipt("x")["number"] == "15"


@pytest.mark.parametrize("kind", ["link", "pipe", "device", "folder"])
async def test_threat_127_what_is_no_file_is_never_opened(desk: Desk, kind: str) -> None:
    """A link to a key of the node must never be sent."""
    out = desk.place("out", "x.pdf")
    if kind == "link":
        out.symlink_to("/etc/hostname")
    elif kind == "pipe":
        os.mkfifo(out)
    elif kind == "device":
        out.symlink_to("/dev/zero")
    else:
        out.mkdir()
    desk.drop("x.json", sidecar("15", "x.pdf"))

    await desk.settle()

    assert "x.pdf" in desk.reason("x")
    assert await desk.town.count("outgoing_document") == 0


async def test_threat_128_a_link_in_the_place_of_a_folder_of_the_node_leads_nowhere(desk: Desk) -> None:
    elsewhere = desk.root.parent / "elsewhere"
    elsewhere.mkdir()
    await desk.settle()
    error = desk.root / DEPARTMENT / "error"
    error.rmdir()
    error.symlink_to(elsewhere)
    desk.drop("x.json", "{")

    await desk.settle(40)

    assert os.listdir(elsewhere) == []


async def test_one_bad_entry_holds_up_no_other(desk: Desk) -> None:
    for n in range(5):
        desk.drop(f"bad{n}.json", "{")
        desk.letter(str(30 + n), str(30 + n))

    await desk.settle()

    assert await desk.town.count("outgoing_document") == 5
    assert len([name for name in desk.names("error") if name.endswith(".error.txt")]) == 5


async def test_a_foreign_sender_a_request_and_a_changed_envelope_are_refused(desk: Desk, town: Town) -> None:
    foreign = town.forge(document("18", sender=PROVINCE), (("a.pdf", PDF),))
    recall = town.forge(recall_of("18", target="x"))
    good = town.forge(document("19"), (("a.pdf", PDF),))
    changed = good.raw.replace(b">19<", b">20<", 1)
    for name, raw in {"foreign": foreign.raw, "recall": recall.raw, "changed": changed}.items():
        desk.drop(f"{name}.edxml", raw)

    await desk.settle()

    assert await town.count("outgoing_document") == 0
    assert "SIG-" in desk.reason("foreign") or "OrganId" in desk.reason("foreign")
    assert "SIG-DIGEST" in desk.reason("changed")
    assert desk.reason("recall")


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
async def test_whatever_it_is_called_it_is_put_away_and_the_node_goes_on(desk: Desk, name: str) -> None:
    name = name.encode()[:200].decode(errors="ignore") or "x"
    if name in (".", ".."):
        return
    desk.drop(f"{name}.json", "{")

    await desk.settle()

    assert [name for name in desk.names("out") if not name.startswith((".", "~$"))] == []


async def test_threat_130_a_name_that_is_no_text_is_put_away(desk: Desk) -> None:
    await desk.settle()
    raw = os.fsencode(desk.root / DEPARTMENT / "out") + b"/\xff\xfe\x07.json"
    with open(raw, "wb") as file:
        file.write(b"{")

    await desk.settle()

    assert os.listdir(desk.root / DEPARTMENT / "out") == []
    assert len(desk.names("error")) == 2


CAUSES: dict[str, tuple[Lay, tuple[str, ...]]] = {
    "a folder in a name of the meta": (
        lambda desk: (desk.drop("x.json", sidecar("15", "a/x.pdf")), desk.drop("x.pdf", PDF)),
        ("a/x.pdf có kèm thư mục", "a/x.pdf has a folder in it"),
    ),
    "a folder in a name of an archive": (
        lay_file("x.zip", packed({"meta.json": sidecar("15", "a/b.pdf"), "a/b.pdf": PDF})),
        ("a/b.pdf có kèm thư mục", "a/b.pdf has a folder in it"),
    ),
    "another root": (
        lay_file("x.edxml", '<a xmlns="urn:b"/>'),
        ("Phần tử gốc là a (không gian tên urn:b); phải là edXML (", "the root is 'a' of namespace 'urn:b'"),
    ),
    "a folder under a file's name": (
        laid_folder("out", "x.edxml"),
        ("Thư mục x.edxml không có meta.json", "The folder x.edxml has no meta.json"),
    ),
    "a folder in the place of a file that is named": (
        lambda desk: (desk.drop("x.json", sidecar("15", "x.pdf")), laid_folder("out", "x.pdf")(desk)),
        ("Thư mục x.pdf nằm ở chỗ chỉ nhận tệp", "The folder x.pdf lies where only a file is taken"),
    ),
    "a folder in the folder of a document": (
        laid_folder("out", "x", "a"),
        ("Thư mục x/a nằm", "The folder x/a lies"),
    ),
    "a folder in the place of a status": (
        laid_folder("in", "x.status.json"),
        ("Thư mục x.status.json nằm", "The folder x.status.json lies"),
    ),
    "a folder in the place of the events": (
        laid_folder("events.ndjson"),
        ("Thư mục events.ndjson nằm", "The folder events.ndjson lies"),
    ),
    "nothing but a word that it is whole": (
        lay_file("x.ready", ""),
        ("Tệp báo xong x.ready đứng một mình", "The mark x.ready closes a document that is not there"),
    ),
    "a file that nobody names": (
        lay_file("x.pdf", PDF),
        ("Không có tệp .json nào nêu tên x.pdf", "No .json file names x.pdf"),
    ),
}


async def test_the_reason_says_what_is_wrong_in_both_languages(
    desk: Desk, cases: Cases, caplog: pytest.LogCaptureFixture
) -> None:
    for name, (lay, words) in CAUSES.items():
        with cases.case(name):
            lay(desk)
            await desk.settle(WAIT_S + 1)
            text = "".join(path.read_text("utf-8") for path in desk.place("error").glob("*.error.txt"))
            for sentence in words:
                assert sentence in text
            assert desk.names("out") == []
            assert all(record.levelname != "ERROR" for record in caplog.records)
            shutil.rmtree(desk.place("error"))


async def test_a_lead_file_of_another_document_is_sent_once_its_sidecar_confirms_it(desk: Desk) -> None:
    other = first_pages.printed("16", subject=first_pages.OTHER)
    desk.drop("x.pdf", other)
    desk.drop("x.json", sidecar("15", "x.pdf"))
    await desk.settle()
    assert "first-page-other" in desk.reason("x")

    desk.drop("y.pdf", other)
    desk.drop("y.json", sidecar("15", "y.pdf", confirm=["first-page-other"]))
    await desk.settle()

    assert desk.receipt("y")["number"] == "15"
