"""A client that shares no code with us makes every call of the national axis against the simulator, which is started
from the command line. After a kill the simulator still has its documents."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.foreign.interop.vxp_client import SdkClient
from tests.support.town.vxp import NORTH, SOUTH, start

SAMPLES = Path(__file__).parents[2] / "interop" / "samples"


def sample_file(name: str) -> bytes:
    return (SAMPLES / f"{name}.edxml").read_bytes()


@contextmanager
def client(url: str, system: str) -> Iterator[SdkClient]:
    sdk = SdkClient(url, system, f"secret of {system}")
    try:
        yield sdk
    finally:
        sdk.close()


def codes_in(file: bytes, element: str) -> list[str]:
    codes = re.findall(rb"<(?:edXML:)?%s>.*?<(?:edXML:)?OrganId>(.*?)<" % element.encode(), file, re.S)
    return [code.decode().strip() for code in codes]


@pytest.fixture
def systems(tmp_path: Path) -> dict[str, list[str]]:
    file = sample_file("a-new")
    return {NORTH: codes_in(file, "From"), SOUTH: [*codes_in(file, "To"), "Z92.EXTRA"]}


def test_every_call_of_the_sdk(tmp_path: Path, systems: dict[str, list[str]]) -> None:
    file, (sender,) = sample_file("a-new"), systems[NORTH]
    with start(tmp_path, systems) as url, client(url, NORTH) as north, client(url, SOUTH) as south:
        sent = north.send(file, sender)
        assert (sent["status"], sent["ErrorCode"]) == ("OK", "0")
        repeat = north.send(file, sender)
        assert repeat["DocId"] == sent["DocId"]  # the same file is the same message

        traced = re.sub(rb"(<edXML:Timestamp>)[^<]*", rb"\g<1>2026/11/20 10:20:30", file)
        assert traced != file
        assert north.send(traced, sender)["DocId"] == sent["DocId"]
        other = north.send(re.sub(rb"(<edXML:Subject>)", "\\g<1>Khác: ".encode(), file), sender)
        assert (other["ErrorCode"], other["DocId"]) == ("22", "")
        assert sent["DocId"] in other["ErrorDesc"]

        (line, *_) = south.listed()
        assert (line["docId"], line["from"], line["status"]) == (sent["DocId"], sender, "initial")
        got = south.ask("getEdoc", {"docId": line["docId"], "filePath": "/home/clerk"}, body=b"{}")
        received = base64.b64decode(got["data"], validate=True)
        assert received != file
        assert codes_in(received, "To") == codes_in(file, "To")
        status, raw = south.call("downloadEdoc", {"docId": line["docId"]}, verb="GET")
        assert (status, raw) == (200, received)

        assert south.ask("countReceiveEdoc", verb="GET")["count"] >= 1
        processing = {"docId": line["docId"], "status": "processing"}
        assert south.ask("updateStatus", processing, body=b"{}")["status"] == "OK"
        assert south.listed()[0]["status"] == "processing"  # docId, status, filePath stick and are ignored
        assert south.ask("updateStatus", {"status": "done"}, body=b"{}")["ErrorCode"] == "0"
        assert south.listed() == []
        (row, *_) = north.ask("getSentEdocList", {"servicetype": "eDoc", "messagetype": "edoc"})["data"]
        assert (row["senderDocId"], row["receiveStatus"]) == (sent["DocId"], "done")

        agencies = north.ask("getAgenciesList")["data"]
        assert {sender, *systems[SOUTH]} <= {agency["code"] for agency in agencies}
        assert north.ask("getAgenciesListQD20", {"level": "1"})["data"]
        assert "version" in north.ask("getSynchronizeUnit")["data"][0]
        new = dict.fromkeys(("id", "pcode", "mobile", "fax"), "")
        new |= {"code": "Z91.MOI", "name": "Sở Mới", "mail": "a@b.example"}
        assert north.ask("registerAgency", body=json.dumps(new).encode())["status"] == "OK"
        assert north.ask("deleteAgency", {"AgencyCode": "Z91.MOI"}, body=b"{}")["status"] == "OK"
        assert north.ask("deleteAgency", {"AgencyCode": "Z91.MOI"}, body=b"{}")["status"] == "FAIL"


def test_what_is_refused_is_refused_in_words_that_the_sdk_can_read(
    tmp_path: Path, systems: dict[str, list[str]]
) -> None:
    file, (sender,) = sample_file("a-new"), systems[NORTH]
    with start(tmp_path, systems) as url, client(url, NORTH) as north, client(url, SOUTH) as south:
        thief = SdkClient(url, NORTH, "not the secret")
        assert thief.ask("getAgenciesList")["ErrorCode"] == "401"
        assert thief.send(file, sender)["DocId"] == ""
        thief.close()
        assert south.send(file, sender)["ErrorCode"] == "19"  # not its agency
        assert north.send(b"<html/>", sender)["DocId"] == ""
        assert north.ask("getEdoc", {"docId": "nobody's"}, body=b"{}")["status"] == "FAIL"
        spoiled = north.ask(
            "sendEdoc", {"from": sender, "messagetype": "edoc", "hash-file": "00"}, body=file + b"\r\n"
        )
        assert (spoiled["ErrorCode"], spoiled["DocId"]) == ("10", "")
        assert north.send(file, sender, to=["Z99"])["ErrorCode"] == "18"
        assert north.listed() == south.listed() == []


def test_what_was_answered_survives_a_kill(tmp_path: Path, systems: dict[str, list[str]]) -> None:
    file, (sender,) = sample_file("a-new"), systems[NORTH]
    with start(tmp_path, systems) as url, client(url, NORTH) as north:
        sent = north.send(file, sender)["DocId"]
    with start(tmp_path, systems) as url, client(url, SOUTH) as south:
        assert sent in {line["docId"] for line in south.listed()}
