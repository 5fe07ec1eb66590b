"""The calls that a sandbox has beside those of every node: an act for a robot, packets that came to robots, the clock, a
new beginning. In: a call of the API. Out: JSON; the node's own routes and description have them too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call
from gateway.api.routes import Routes
from gateway.api.shapes import BASE, Line, Moment, RequestModel, ResponseModel
from gateway.domain.account import ApiScope
from gateway.domain.request_fault import BadCall, RequestFault
from gateway.domain.states import CODES
from gateway.errors import NotFound
from gateway_labs.sandbox import cast as casts
from gateway_labs.sandbox import fixtures
from gateway_labs.sandbox.cast import Cast
from gateway_labs.sandbox.clock import SandboxClock
from gateway_labs.sandbox.hall import Hall
from gateway_labs.sandbox.memory import ReceivedPacket
from gateway_labs.sandbox.packets import FLAWS, LARGE

_MOST = 200
# Every key of the sandbox may make these calls.
ROUTES = Routes("sandbox", ApiScope.MESSAGES_READ)
_ACTS = (ApiScope.MESSAGES_SEND,)
FlawWord = Literal[
    "twice",
    "other-content",
    "unbound-certificate",
    "wrong-recipient",
    "bad-signature",
    "changed-after-signing",
    "not-xml",
    "entity",
    "too-large",
    "broken-file",
    "large",
]


class ScenarioIn(RequestModel):
    """One act of a robot, done at once."""

    robot: Line = Field(description="Its code, or the other one: T00.OK, TEST.OK")
    act: Literal["document", "status", "update", "replacement", "recall"]
    code: Line = Field("", description="Of a status: 01 to 06, 13, 15, 16")
    to: Line = Field("", description="To whom, where it is not the agency of the key")
    about: Line = Field(
        "",
        description="The DocumentId that it is about: of yours that it answers, or of its own that it changes or recalls; "
        "where absent its last one",
    )
    number: Line = ""
    subject: Line = ""
    note: Line = ""
    register_no: Line = Field("", description="With 03")
    urgency: int = Field(0, ge=0, le=3)
    due: date | None = Field(None, description="Until when a document wants to be answered")
    packet_id: Line = ""
    flaws: list[FlawWord] = Field(default_factory=list, max_length=4, description="What is wrong with it")


class MoveIn(RequestModel):
    move: Line = Field(description="How far ahead: +90s, +30m, +4h, +3d")


class SentOut(ResponseModel):
    """A packet that the robot sent. `times` is how often it lies on the axis."""

    robot: str
    to: str
    kind: str
    packet_id: str
    document_id: str
    digest: str
    lane: str
    times: int
    number: str
    subject: str
    code: str
    flaws: list[str]
    at: Moment
    files: list[dict[str, Any]]  # Any: name, size, sha256


class CameOut(ResponseModel):
    """A packet that came to a robot. `said` is what stands in it and what the robot found: `signature` is `valid` or
    the code of the step that refused it."""

    n: int
    robot: str
    times: int
    at: Moment
    said: dict[str, Any]  # Any: what a packet says differs by its kind


class CamePage(ResponseModel):
    data: list[CameOut]
    next_after: int


class CameQuery(RequestModel):
    after: int = Field(0, ge=0, description="`n` of the last packet seen")
    limit: int = Field(50, ge=1, le=_MOST)
    wait: int = Field(0, ge=0, le=30, description="Seconds to wait for the next one")
    document: Line = Field("", description="Only about this DocumentId")
    robot: Line = ""


class ClockOut(ResponseModel):
    now: Moment
    ahead_seconds: int


class RobotOut(ResponseModel):
    code: str
    alias: str
    name: str
    does: str = Field(description="With a document, and when")
    words: list[str] = Field(description="In square brackets in a subject they have any robot do so")


class SandboxOut(ResponseModel):
    sandbox: Literal["test"]
    agency: str
    alias: str
    clock: ClockOut
    robots: list[RobotOut]
    flaws: list[str]
    limit_bytes: int = Field(description="The largest file that the rules let through")


class ResetOut(ResponseModel):
    state: Literal["resetting"]


def _sample(_: date) -> Mapping[str, Any]:
    return {"robot": "TEST.OK", "act": "document", "subject": "Test document", "flaws": ["twice"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxDoor:
    """Calls of one sandbox. `reset` begins anew, once the answer has left."""

    cast: Cast
    hall: Hall
    clock: SandboxClock
    reset: Callable[[], None]
    packet_files: Callable[[], Awaitable[bytes]]

    @ROUTES("GET /sandbox", "The robots, what they do, and the clock")
    async def read_sandbox(self, call: Call) -> SandboxOut:
        return SandboxOut(
            sandbox="test",
            agency=self.cast.code,
            alias=self.cast.alias,
            clock=self._clock(),
            robots=[
                RobotOut(
                    code=robot.code,
                    alias=robot.alias,
                    name=robot.agency.name,
                    does=robot.script.describe(),
                    words=list(robot.script.words),
                )
                for robot in self.cast.robots.values()
            ],
            flaws=[*FLAWS, LARGE],
            limit_bytes=self.hall.limit,
        )

    @ROUTES(
        "POST /sandbox/scenarios",
        "Have a robot send something now, right or wrong",
        scopes=_ACTS,
        status=201,
        fails=(400, 404),
        sample=_sample,
    )
    async def play_scenario(self, call: Call, body: ScenarioIn) -> SentOut:
        robot = self.cast.robot(body.robot)
        if robot is None:
            raise NotFound(f"there is no robot {body.robot[:40]!r}; GET {BASE}/sandbox lists them")
        if (body.act == "status") != (body.code in CODES):
            raise BadCall(
                "bad-request",
                RequestFault(
                    code="bad-value", pointer="/code", params={"field": "code", "expected": ", ".join(CODES)}
                ),
            )
        work: dict[str, Any] = {
            "what": body.code if body.act == "status" else body.act,
            "to": body.to or (call.caller.agency.code if call.caller.agency else self.cast.code),
            "about": body.about,
            "number": body.number,
            "subject": body.subject,
            "note": body.note,
            "register_no": body.register_no,
            "urgency": body.urgency,
            "packet_id": body.packet_id,
            "flaws": list(body.flaws),
            "due": body.due.isoformat() if body.due else None,
        }
        sent = await self.hall.act(robot, work)
        at = datetime.fromisoformat(sent["at"])
        return SentOut.model_validate({**sent, "at": at})

    @ROUTES(
        "GET /sandbox/packets",
        "What came to the robots, oldest first, and what they found of it",
        fails=(400,),
    )
    async def list_sandbox_packets(self, call: Call, query: CameQuery) -> CamePage:
        came_packets = await self._query_packets(call, query)
        if not came_packets and query.wait:
            await self.hall.wait_for_packet(query.wait)
            came_packets = await self._query_packets(call, query)
        rows = [
            CameOut(n=row.seq, robot=row.robot, times=row.times, at=row.at, said=dict(row.content))
            for row in came_packets
        ]
        return CamePage(data=rows, next_after=rows[-1].n if rows else query.after)

    @ROUTES("GET /sandbox/packets/{n}", "The bytes of one of them", media="application/xml", fails=(404,))
    async def read_sandbox_packet(self, call: Call) -> web.Response:
        n = call.number("n")
        raw = await call.deps.pool.run(partial(self.hall.memory.raw, n))
        if raw is None:
            raise NotFound(f"the bytes of packet {n} are not kept")
        return web.Response(body=raw, content_type="application/xml")

    @ROUTES(
        "POST /sandbox/clock",
        "Move the clock of the node and the robots ahead",
        scopes=_ACTS,
        fails=(400, 409),
        sample=lambda _: {"move": "+3d"},
    )
    async def move_clock(self, call: Call, body: MoveIn) -> ClockOut:
        try:
            by = casts.read_span(body.move)
        except ValueError as why:
            fault = RequestFault(
                code="bad-value",
                pointer="/move",
                params={"field": "move", "expected": "+90s, +30m, +4h, +3d"},
            )
            raise BadCall("bad-request", fault) from why
        self.clock.move(by)
        return self._clock()

    @ROUTES("GET /sandbox/paper", "A signed PDF to send", media="application/pdf")
    async def download_paper(self, call: Call) -> web.Response:
        return web.Response(body=self.hall.lead, content_type="application/pdf")

    @ROUTES(
        "GET /sandbox/fixtures",
        "Packets of every kind, good and bad, with the answer that each must get, as one archive",
        media="application/zip",
    )
    async def download_fixtures(self, call: Call) -> web.Response:
        archive = await self.packet_files()
        return web.Response(
            body=archive,
            content_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="{fixtures.ARCHIVE}"'},
        )

    @ROUTES(
        "DELETE /sandbox", "Forget everything and begin anew, with the same key", scopes=_ACTS, status=202
    )
    async def reset_sandbox(self, call: Call) -> ResetOut:
        self.reset()
        return ResetOut(state="resetting")

    def _clock(self) -> ClockOut:
        return ClockOut(now=self.clock.now(), ahead_seconds=int(self.clock.ahead.total_seconds()))

    async def _query_packets(self, call: Call, query: CameQuery) -> list[ReceivedPacket]:
        robot = self.cast.robot(query.robot)
        name = robot.code if robot else query.robot
        query_packets = partial(self.hall.memory.packets, query.after, query.limit, query.document, name)
        return await call.deps.pool.run(query_packets)
