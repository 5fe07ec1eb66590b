"""A client that shares no code with us makes every call of a provincial service against the simulator, which is started
from the command line. After a kill the simulator still has its documents, and its tokens are gone."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from gateway_labs.simulators.settings import HubOptions, fault_options, late_of
from tests.foreign.interop.lgsp_client import GuideClient
from tests.foreign.interop.test_vxp_client import codes_in, sample_file
from tests.support.clock import ManualClock
from tests.support.town import lgsp

LOGIN = (lgsp.LOGIN.username, lgsp.LOGIN.password, lgsp.LOGIN.application)


@contextmanager
def client(url: str, code: str, login: tuple[str, str, str] = LOGIN, key: str = "") -> Iterator[GuideClient]:
    guide = GuideClient(url, lgsp.id_of(code), key or lgsp.key_of(code), login)
    try:
        yield guide
    finally:
        guide.close()


def days() -> tuple[str, str]:
    now = datetime.now(timezone(timedelta(hours=7)))
    return (now - timedelta(days=7)).strftime("%Y/%m/%d"), (now + timedelta(days=1)).strftime("%Y/%m/%d")


def text_of(answer: dict[str, Any]) -> bytes:
    """Return the envelope inside an answer, which is plain text or base64: clients take both."""
    inside = str(answer["data"]["edxml"])
    return inside.encode() if inside.lstrip("\ufeff \n").startswith("<") else base64.b64decode(inside)


@pytest.fixture
def codes() -> tuple[str, list[str]]:
    file = sample_file("a-new")
    (sender,) = codes_in(file, "From")
    return sender, codes_in(file, "To")


@pytest.mark.parametrize("plain", ["true", "false"])
def test_every_call_of_the_guide(tmp_path: Path, codes: tuple[str, list[str]], plain: str) -> None:
    file, (sender, receivers) = sample_file("a-new"), codes
    more = f"[hub]\nplain = {plain}\n"
    with (
        lgsp.start(tmp_path, [sender, *receivers], more) as url,
        client(url, sender) as north,
        client(url, receivers[0]) as south,
    ):
        assert north.call("GET", "getAgenciesList")[0] == 401  # without a sign-in
        status, answer = north.sign_in()
        assert (status, str(answer["code"])) == (200, "200")
        assert 800 < len(north.token) < 1100
        south.sign_in()

        sent = north.send(file)
        assert (sent["success"], sent["message"]) == (True, "OK")
        listed = south.listed(*days())
        assert listed["count"] == len(listed["data"]) == 1
        (line,) = listed["data"]
        fields = tuple(line[name] for name in ("docId", "from", "to", "status"))
        assert fields == (sent["docId"], sender, receivers[0], "initial")
        received = text_of(south.get(line["docId"]))
        assert received != file
        assert codes_in(received, "To") == receivers

        assert south.update(line["docId"], "03")["success"] is True  # some clients tell codes here
        assert south.update(line["docId"], "done")["success"] is True
        assert south.listed(*days())["data"][0]["status"] == "done"  # it lists what is over, too
        assert south.update(line["docId"], "eaten")["data"]["errorCode"] == "22"
        assert north.listed("2020/01/01", "2020/01/02")["data"] == []

        agencies = north.call("GET", "getAgenciesList", bare=True)[1]["data"]
        assert {sender, *receivers} <= {agency["orgCode"] for agency in agencies}


def test_what_is_refused_has_the_code_of_the_guide(tmp_path: Path, codes: tuple[str, list[str]]) -> None:
    file, sender = sample_file("a-new"), codes[0]
    with lgsp.start(tmp_path, [sender, "Z99.EXTRA"]) as url:
        with client(url, sender, login=(LOGIN[0], "not the password", LOGIN[2])) as thief:
            assert thief.sign_in()[0] == 401
        with client(url, sender, key="not the key") as other:
            other.sign_in()
            assert other.listed(*days())["data"]["errorCode"] == "15"
        with client(url, sender) as north, client(url, "Z99.EXTRA") as extra:
            north.sign_in()
            extra.sign_in()
            refused = north.send(file)
            assert (refused["success"], refused["data"]["errorCode"]) == (False, "18")
            assert refused["data"]["docId"] is None
            assert extra.send(file)["data"]["errorCode"] == "19"  # it is another's
            assert north.send(b"<edXML><a></edXML>")["data"]["errorCode"] == "22"
            assert north.send(file, "letter")["data"]["errorCode"] == "22"
            assert north.send(file, chunked=True)["message"] == "Unexpected end of Stream"


def test_what_was_answered_survives_a_kill_and_the_token_does_not(
    tmp_path: Path, codes: tuple[str, list[str]]
) -> None:
    file, (sender, receivers) = sample_file("a-new"), codes
    with lgsp.start(tmp_path, [sender, *receivers]) as url, client(url, sender) as north:
        north.sign_in()
        sent, token = north.send(file)["docId"], north.token
    with lgsp.start(tmp_path, [sender, *receivers]) as url, client(url, receivers[0]) as south:
        south.token = token
        assert south.call("GET", "getAgenciesList") == (401, {"message": "licenseInfo: invalid"})
        south.sign_in()
        assert sent in {line["docId"] for line in south.listed(*days())["data"]}


def test_a_fault_that_there_is_none_of_is_named() -> None:
    for odd in ("late:x", "late:inf", "late:1e12", "late:", "eaten"):
        with pytest.raises(ValueError, match=f"{odd}|could not convert"):
            fault_options({"kinds": [odd]})


async def test_what_shows_late_is_in_no_list_before_its_day(
    tmp_path: Path, codes: tuple[str, list[str]]
) -> None:
    (sender, receivers), clock = codes, ManualClock()
    hub = HubOptions(dedupe=False)
    async with lgsp.of_agencies(tmp_path, [sender, *receivers], hub=hub, now=clock.now) as axis:
        north, south = axis.settings.systems[0], lgsp.id_of(receivers[0])
        for name, late in (("now", timedelta()), ("late", late_of("late:8"))):
            draft = axis.hub.draft()
            draft.write_bytes(sample_file("a-new").replace(b"</edXML>", f"<!--{name}--></edXML>".encode()))
            axis.hub.accept(draft, north, "edoc", "", late=late)

        clock.advance(timedelta(days=7))
        assert len(axis.hub.waiting(south, "edoc")) == 1
        clock.advance(timedelta(days=1))
        assert len(axis.hub.waiting(south, "edoc")) == 2
