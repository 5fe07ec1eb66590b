"""The answers of a provincial service are tried in all their known forms, and in forms that are none of them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from gateway.ports.axis import Fate
from gateway_foreign.rest.axis import RestAxis
from gateway_foreign.rest.dialect import ListedAgency
from tests.support.clock import ManualClock
from tests.support.odd_hub import OddHub, cut, fixed, odd_hub, parcel_of, unsigned
from tests.support.parcels import LEASE_S
from tests.support.town import lgsp

TOKEN = '{"code":"200","message":"OK","data":{"token":"abc.def-ghi","id":1}}'


@pytest.fixture
async def hub() -> AsyncIterator[OddHub]:
    async with odd_hub() as new_hub:
        new_hub.answers["login"] = fixed(TOKEN)
        new_hub.answers["syncReceivedEdocList"] = fixed('{"success":true,"message":"OK","count":0,"data":[]}')
        new_hub.answers["updateStatus"] = fixed('{"success":true,"message":"OK"}')
        yield new_hub


@pytest.fixture
async def axis(hub: OddHub, tmp_path: Path, clock: ManualClock) -> AsyncIterator[RestAxis]:
    async with lgsp.client(tmp_path, hub.url, "Z92", clock) as new_axis:
        await new_axis.host(["Z92"])
        yield new_axis


async def published(axis: RestAxis) -> tuple[Fate, str]:
    outcome = (await axis.publish(parcel_of(unsigned("1"), "Z92"), ["Z92"]))["Z92"]
    return outcome.fate, outcome.code


def no(code: object) -> str:
    error_data = {"docId": None, "status": "error", "errorCode": code, "errorDesc": "not this"}
    return json.dumps({"success": False, "message": "no", "data": error_data})


async def test_a_token_is_found_in_either_place(hub: OddHub, tmp_path: Path, clock: ManualClock) -> None:
    hub.answers["sendEdoc"] = fixed('{"success":true,"message":"OK","docId":"d1"}')
    forms = (TOKEN, '{"code":200,"token":"abc"}', '{"success":true,"data":{"token":"a"}}')
    for n, form in enumerate(forms):
        hub.answers["login"] = fixed(form)
        async with lgsp.client(tmp_path / str(n), hub.url, "Z92", clock) as axis:
            assert await published(axis) == (Fate.DELIVERED, "")
        headers = hub.request_headers[-1]
        assert headers["authorization"].startswith("Bearer a")
        assert (headers["x-systemid"], headers["x-secretkey"]) == (lgsp.id_of("Z92"), lgsp.key_of("Z92"))
        assert int(headers["content-length"]) > 0


async def test_threat_137_however_many_ask_the_service_is_signed_in_to_once(
    hub: OddHub, axis: RestAxis
) -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return web.json_response({"code": 401, "message": "wrong"}, status=401)

    hub.answers["login"] = slow
    sent = [parcel_of(unsigned(str(n)), "Z92") for n in range(5)]

    outcomes = await asyncio.gather(*(axis.publish(x, ["Z92"]) for x in sent))

    assert {x["Z92"].code for x in outcomes} == {"no-credentials"}
    assert hub.calls["login"] == 1


async def test_threat_137_what_is_no_token_goes_into_no_header(
    hub: OddHub, tmp_path: Path, clock: ManualClock
) -> None:
    for n, token in enumerate(("", "a b", "a\r\nX-Other: 1", "ệ")):
        hub.answers["login"] = fixed(json.dumps({"code": 200, "data": {"token": token}}))
        async with lgsp.client(tmp_path / str(n), hub.url, "Z92", clock) as axis:
            assert (await published(axis))[0] is Fate.RETRY
            assert axis.state().down_since is not None
        assert hub.calls["sendEdoc"] == 0


async def test_a_code_says_whether_it_is_retried(hub: OddHub, tmp_path: Path, clock: ManualClock) -> None:
    never: tuple[object, ...] = ("10", 18, "19", "21", 22, "23")
    for code in (*never, "20", "99"):
        hub.answers["sendEdoc"] = fixed(no(code))
        async with lgsp.client(tmp_path / f"{code}", hub.url, "Z92", clock) as axis:
            fate = Fate.NEVER if code in never else Fate.RETRY
            assert await published(axis) == (fate, f"axis-{code}")


@pytest.mark.parametrize(
    "answer", [fixed(no(15)), fixed('{"message":"licenseInfo: invalid"}', 401), fixed("no entry", 403)]
)
async def test_credentials_that_are_refused_are_not_retried(
    hub: OddHub, axis: RestAxis, answer: object
) -> None:
    hub.answers["sendEdoc"] = answer  # type: ignore[assignment]  # one of the above

    for _ in range(3):  # a token that is not known may be that of a service that was started anew
        outcome = await published(axis)
    assert outcome == (Fate.RETRY, "no-credentials")
    calls = hub.calls.total()
    assert await published(axis) == (Fate.RETRY, "no-credentials")
    assert hub.calls.total() == calls
    assert lgsp.id_of("Z92") in axis.state().reason


async def test_a_service_that_is_started_anew_at_a_bad_moment_stops_nobody(
    hub: OddHub, axis: RestAxis
) -> None:
    """It forgets the token, and the one that it gave in its place."""
    hub.answers["sendEdoc"] = fixed('{"message":"licenseInfo: invalid"}', 401)
    fate, code = await published(axis)
    assert (fate, code != "no-credentials") == (Fate.RETRY, True)

    hub.answers["sendEdoc"] = fixed('{"success":true,"docId":"d1"}')
    assert await published(axis) == (Fate.DELIVERED, "")


async def test_a_busy_service_has_not_accepted_the_packet(hub: OddHub, axis: RestAxis) -> None:
    for status in (429, 503):
        hub.answers["sendEdoc"] = fixed("<html>later</html>", status)
        await published(axis)
    hub.answers["sendEdoc"] = fixed('{"success":true,"docId":"d1"}')
    assert await published(axis) == (Fate.DELIVERED, "")


@pytest.mark.parametrize("form", ["text", "base64", "bare"])
async def test_a_file_is_taken_in_each_form(hub: OddHub, axis: RestAxis, form: str) -> None:
    raw = unsigned("1", to=("Z92",))
    coded = base64.b64encode(raw).decode()
    files = [{"fileName": "a.pdf", "fileContent": 'x"]}\\' * 40_000}]
    data: object = {"docId": "d1", "attachments": files, "edxml": coded if form == "base64" else raw.decode()}
    row = {"docId": "d1", "from": "Z91.07", "to": "Z92", "status": "initial"}
    rows = [row, row | {"docId": "d0", "status": "done"}]

    async def listed(request: web.Request) -> web.StreamResponse:
        hub.request_headers.append(dict(request.query))
        assert "%2F" in request.raw_path
        return web.json_response(
            {"success": True, "data": rows if request.query["messageType"] == "edoc" else []}
        )

    hub.answers["syncReceivedEdocList"] = listed
    hub.answers["getEdoc"] = fixed(json.dumps({"success": True, "data": coded if form == "bare" else data}))

    await axis.look()

    (arrival,) = await axis.take(10, LEASE_S)
    with arrival.open() as file:
        assert file.read() == raw
    assert hub.calls["getEdoc"] == 1


async def test_agencies_are_listed_in_each_form(hub: OddHub, axis: RestAxis) -> None:
    rows = '[{"orgCode":"Z91","orgName":"Sở Mẫu","parentCode":"Z","email":null}]'
    for shape in ('{"code":200,"data":%s}', '{"success":true,"data":%s}', "%s"):
        hub.answers["getAgenciesList"] = fixed(shape % rows)
        agencies_listed: list[ListedAgency] = []
        await axis.agencies(agencies_listed.append)
        assert [(a.code, a.name, a.parent, a.mail) for a in agencies_listed] == [("Z91", "Sở Mẫu", "Z", "")]


async def test_what_is_over_is_told_again_with_a_sweep_alone(
    hub: OddHub, axis: RestAxis, clock: ManualClock
) -> None:
    """This list never forgets: a call for each of its lines at each look would be many."""
    row = {"docId": "d1", "from": "Z91.07", "to": "Z92", "status": "initial"}

    async def listed(request: web.Request) -> web.StreamResponse:
        is_edoc = request.query["messageType"] == "edoc"
        return web.json_response({"success": True, "data": [row] if is_edoc else []})

    hub.answers["syncReceivedEdocList"] = listed
    answer = {"success": True, "data": {"edxml": unsigned("1").decode()}}
    hub.answers["getEdoc"] = fixed(json.dumps(answer))
    await axis.look()
    (arrival,) = await axis.take(10, LEASE_S)
    await axis.settle(arrival, is_done=True)
    for _ in range(4):
        await axis.look()
    count_before = hub.calls["updateStatus"]
    assert count_before <= 2  # two may tell at the same moment

    clock.advance(86_400)
    await axis.look()
    assert hub.calls["updateStatus"] > count_before


# --- what a service may make us lose ----------------------------------------------------------------------------------


def lists(hub: OddHub, most_days: int, *, statuses: bool = True) -> list[tuple[str, int]]:
    """Make the hub refuse lists of more than so many days, or lists of statuses; return the kind and days of each list
    asked for."""
    list_periods: list[tuple[str, int]] = []
    entry = {"docId": "d1", "from": "Z91.07", "to": "Z92", "status": "initial"}

    async def listed(request: web.Request) -> web.StreamResponse:
        kind = request.query["messageType"]
        since, until_moment = (
            datetime.strptime(request.query[name], "%Y/%m/%d").replace(tzinfo=UTC)
            for name in ("fromDate", "toDate")
        )
        list_periods.append((kind, (until_moment - since).days))
        if list_periods[-1][1] > most_days or (kind == "status" and not statuses):
            return web.Response(text=no(22), content_type="application/json")
        return web.json_response({"success": True, "data": [entry] if kind == "edoc" else []})

    hub.answers["syncReceivedEdocList"] = listed
    hub.answers["getEdoc"] = fixed(json.dumps({"success": True, "data": {"edxml": unsigned("1").decode()}}))
    return list_periods


async def test_a_service_that_refuses_the_long_list_is_asked_for_the_short_one(
    hub: OddHub, axis: RestAxis, clock: ManualClock
) -> None:
    """Waiting packets come in at the next look, and the long list is asked for once an hour."""
    list_periods = lists(hub, most_days=31)
    for _ in range(4):
        await axis.look()
        clock.advance(60)

    assert len(await axis.take(10, LEASE_S)) == 1
    assert sum(days > 31 for _, days in list_periods) == 2  # of each kind
    assert axis.state().down_since is None

    clock.advance(3600)
    await axis.look()
    assert sum(days > 31 for _, days in list_periods) == 4


async def test_a_long_list_that_breaks_does_not_keep_back_what_waits(
    hub: OddHub, axis: RestAxis, clock: ManualClock
) -> None:
    hub.answers["syncReceivedEdocList"] = cut
    await axis.look()
    lists(hub, most_days=31)
    clock.advance(60)
    await axis.look()

    assert len(await axis.take(10, LEASE_S)) == 1


async def test_a_service_without_a_list_of_statuses_is_not_away(
    hub: OddHub, axis: RestAxis, clock: ManualClock
) -> None:
    """Nor is it away for a caller who only asks for its state."""
    list_periods = lists(hub, most_days=400, statuses=False)
    await axis.counts()
    assert axis.state().connected_since is not None
    list_periods.clear()
    for _ in range(4):
        await axis.look()
        assert axis.state().connected_since is not None
        clock.advance(60)
    assert sum(days > 31 for _, days in list_periods) == 2


TOKEN_WORD = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJxdWFu-dHJpIiwiZXhwIjoxfQ.4_pCYkk-QmE9x7"


async def public_texts(axis: RestAxis, caplog: pytest.LogCaptureFixture) -> str:
    """Collect all texts that a person may see of one try to send."""
    outcome = (await axis.publish(parcel_of(unsigned("1"), "Z92"), ["Z92"]))["Z92"]
    odd_answers = b"".join(answer[5] for answer in await axis.odd_answers()).decode()
    return " ".join([outcome.detail, axis.state().reason, odd_answers, caplog.text])


async def test_threat_137_an_odd_answer_to_a_login_is_kept_without_its_token(
    hub: OddHub, tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for n, answer in enumerate(
        (
            json.dumps({"code": 200, "data": TOKEN_WORD}),
            json.dumps({"code": 200, "data": {"jwt": TOKEN_WORD}}),
            TOKEN_WORD,
            f"<html>{TOKEN_WORD} {lgsp.LOGIN.password}</html>",
        )
    ):
        hub.answers["login"] = fixed(answer)
        async with lgsp.client(tmp_path / str(n), hub.url, "Z92", clock) as axis:
            public_text = await public_texts(axis, caplog)
            assert await axis.odd_answers()
        for secret in (*TOKEN_WORD.split("."), TOKEN_WORD[:20], lgsp.LOGIN.password):
            assert secret not in public_text


async def test_threat_137_what_a_service_says_after_us_is_no_way_for_a_secret_to_get_out(
    hub: OddHub, tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    key, bearer = lgsp.key_of("Z92"), "Bearer abc.def-ghi"
    wrong = {"errorCode": "15", "errorDesc": f"wrong key: {key}"}
    other = {"errorCode": "20", "errorDesc": f"{bearer} is not good"}
    for n, answer in enumerate(
        (
            json.dumps({"success": False, "data": wrong}),
            json.dumps({"success": False, "data": other}),
            f"<html>X-SecretKey: {key} {bearer}</html>",
        )
    ):
        hub.answers["sendEdoc"] = fixed(answer)
        async with lgsp.client(tmp_path / str(n), hub.url, "Z92", clock) as axis:
            public_text = await public_texts(axis, caplog)
        assert key not in public_text
        assert "abc.def-ghi" not in public_text


async def test_threat_137_a_login_that_repeats_the_password_is_told_without_it(
    hub: OddHub, axis: RestAxis, caplog: pytest.LogCaptureFixture
) -> None:
    hub.answers["login"] = fixed(json.dumps({"code": 401, "message": f"no: {lgsp.LOGIN.password}"}), 401)

    await published(axis)

    assert "no: ****" in axis.state().reason
    assert lgsp.LOGIN.password not in axis.state().reason + caplog.text


class Slow(io.BytesIO):
    """A disk that hangs at the second piece."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.reached, self.goes_on = threading.Event(), threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            self.reached.set()
            self.goes_on.wait(60)
            return b""
        return super().read(min(size or 0, 100))


async def test_who_is_cancelled_in_the_middle_of_a_file_leaves_it_closed(hub: OddHub, axis: RestAxis) -> None:
    parcel = parcel_of(unsigned("1"), "Z92")
    with parcel.open() as file:
        slow = Slow(file.read())
    sends = replace(parcel, open=lambda: slow if hub.calls["login"] else parcel.open())

    sending = asyncio.create_task(axis.publish(sends, ["Z92"]))
    await asyncio.to_thread(slow.reached.wait, 60)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    slow.goes_on.set()

    assert slow.closed
    hub.answers["sendEdoc"] = fixed('{"success":true,"docId":"d1"}')
    assert (await axis.publish(parcel, ["Z92"]))["Z92"].code == "outcome-unknown"


async def test_a_service_that_cannot_be_reached_is_named(tmp_path: Path, clock: ManualClock) -> None:
    host = "trung-tam-lien-thong.tinh-mau.invalid"
    async with lgsp.client(tmp_path, f"https://{host}", "Z92", clock) as axis:
        _, _ = await published(axis)

        assert host in axis.state().reason
