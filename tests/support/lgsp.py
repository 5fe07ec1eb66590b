"""A simulated provincial service for tests: in this process, on a clock that the test owns, or as a process of its own. In:
who is on it. Out: its address, its hub to look into, its faults to change."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from gateway.bootstrap.axis import open_axis
from gateway.ports import Clock
from gateway.settings import Settings, load
from gateway.simulators import server
from gateway.simulators.faults import Faults
from gateway.simulators.hub import Hub
from gateway.simulators.lgsp import Lgsp
from gateway.simulators.settings import (
    FaultOptions,
    HubAgency,
    HubLogin,
    HubOptions,
    HubSystem,
    SimulatorSettings,
)
from gateway.transport.rest.axis import RestAxis
from gateway.transport.rest.systems import Login
from tests.support.vxp import started

LOGIN = Login(username="quantri", password="mat khau", application="PM-QLVB")


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A simulator at work."""

    url: str
    hub: Hub
    faults: Faults
    settings: SimulatorSettings

    def of(self, credentials: Path, **lgsp: object) -> Callable[[Settings], Settings]:
        """Settings of a node whose axis is this one."""
        return on(self.url, credentials, **lgsp)


def on(url: str, credentials: Path, **lgsp: object) -> Callable[[Settings], Settings]:
    told = {"endpoint": url, "credentials": credentials, "poll_s": 3600.0, "rate_per_s": 1000.0}

    def change(settings: Settings) -> Settings:
        return replace(
            settings,
            axis=replace(settings.axis, kind="lgsp", vouches="all"),
            lgsp=replace(settings.lgsp, **{**told, **lgsp}),  # type: ignore[arg-type]  # a test's own
        )

    return change


def credentials(file: Path, codes: Sequence[str], password: str = LOGIN.password) -> Path:
    """As an operator writes them; the simulator reads the same file."""
    file.write_text(written(codes, password), encoding="utf-8")
    file.chmod(0o600)
    return file


def written(codes: Sequence[str], password: str = LOGIN.password) -> str:
    rows = ", ".join(
        f"{{code = {json.dumps(code)}, system = {json.dumps(id_of(code))}, secret = {json.dumps(key_of(code))}}}"
        for code in codes
    )
    return (
        f"[[system]]\nusername = {json.dumps(LOGIN.username)}\npassword = {json.dumps(password)}\n"
        f"application = {json.dumps(LOGIN.application)}\nagencies = [{rows}]\n"
    )


def id_of(code: str) -> str:
    return f"{code}.DN.001"


def key_of(code: str) -> str:
    return f"key of {code}"


@asynccontextmanager
async def simulator(
    folder: Path,
    systems: Mapping[str, Sequence[str]],
    *,
    hub: HubOptions | None = None,
    faults: FaultOptions | None = None,
    now: Callable[[], datetime] | None = None,
) -> AsyncIterator[Axis]:
    """The same folder again has what was there. Each id may stand for several codes here."""
    login = HubLogin(username=LOGIN.username, password=LOGIN.password, application=LOGIN.application)
    settings = SimulatorSettings(
        systems=tuple(
            HubSystem(
                id=id,
                secret=f"secret of {id}",
                agencies=tuple(HubAgency(code=code, name=f"Cơ quan {code}") for code in codes),
                login=login,
            )
            for id, codes in systems.items()
        ),
        hub=hub or HubOptions(code="TRUC.W00"),
        faults=faults or FaultOptions(),
    )
    async with _at_work(folder, settings, now) as made:
        yield made


@asynccontextmanager
async def of_agencies(
    folder: Path,
    codes: Sequence[str],
    *,
    hub: HubOptions | None = None,
    now: Callable[[], datetime] | None = None,
) -> AsyncIterator[Axis]:
    """Each agency with an id and a key of its own, as such a service has them."""
    login = HubLogin(username=LOGIN.username, password=LOGIN.password, application=LOGIN.application)
    systems = tuple(
        HubSystem(
            id=id_of(code),
            secret=key_of(code),
            agencies=(HubAgency(code=code, name=f"Cơ quan {code}"),),
            login=login,
        )
        for code in codes
    )
    settings = SimulatorSettings(systems=systems, hub=hub or HubOptions(code="TRUC.W00"))
    async with _at_work(folder, settings, now) as made:
        yield made


@asynccontextmanager
async def _at_work(
    folder: Path, settings: SimulatorSettings, now: Callable[[], datetime] | None
) -> AsyncIterator[Axis]:
    folder.mkdir(parents=True, exist_ok=True)
    found = Hub(folder, settings, now)
    wrong = Faults(settings.faults)
    try:
        async with server.running(Lgsp(found, settings, wrong).application(), "127.0.0.1", 0) as url:
            yield Axis(url=url, hub=found, faults=wrong, settings=settings)
    finally:
        found.close()


@asynccontextmanager
async def client(
    folder: Path, url: str, code: str, clock: Clock | None = None, **more: str
) -> AsyncIterator[RestAxis]:
    """The axis of a node alone with one agency, as its settings open it; `more` as the environment says it."""
    told = {
        "node_data_dir": str(folder),
        "axis_kind": "lgsp",
        "lgsp_endpoint": url,
        "lgsp_username": LOGIN.username,
        "lgsp_password": LOGIN.password,
        "lgsp_application": LOGIN.application,
        "lgsp_system": id_of(code),
        "lgsp_secret": key_of(code),
        "lgsp_poll_s": "3600",
        "lgsp_rate_per_s": "1000",
    }
    settings = load(None, {f"GATEWAY_{name.upper()}": word for name, word in (told | more).items()})
    async with open_axis(settings, clock) if clock else open_axis(settings) as axis:
        assert isinstance(axis, RestAxis)
        yield axis


@contextmanager
def start(folder: Path, codes: Sequence[str], more: str = "", port: int = 0) -> Iterator[str]:
    """`gateway simulate lgsp` in a process of its own, which is killed in the end; its address."""
    with started("lgsp", folder, written(codes) + more, port) as url:
        yield url
