"""A simulated provincial service: this module says which agencies are on it with which id and key, and makes the settings
of a node on it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway_foreign.rest.axis import RestAxis
from gateway_foreign.rest.systems import Login
from gateway_labs.simulators.lgsp import Lgsp
from gateway_labs.simulators.settings import HubLogin, HubSystem
from tests.support.town.hubs import Simulated, at_work, axis_alone, started, system

LOGIN = Login(username="quantri", password="mat khau", application="PM-QLVB")
_LOGIN = HubLogin(username=LOGIN.username, password=LOGIN.password, application=LOGIN.application)


@dataclass(frozen=True, kw_only=True)
class Axis(Simulated):
    """A provincial service at work."""

    def connect(self, credentials: Path, **lgsp: object) -> Callable[[Settings], Settings]:
        """Return a change of settings that makes this the axis of a node."""
        return on(self.url, credentials, **lgsp)


def on(url: str, credentials: Path, **lgsp: object) -> Callable[[Settings], Settings]:
    own = {"endpoint": url, "credentials": credentials, "poll_s": 3600.0, "rate_per_s": 1000.0}
    words: dict[str, Any] = own | lgsp

    def change(settings: Settings) -> Settings:
        axis = replace(settings.axis, kind="lgsp", vouches="all")
        return replace(settings, axis=axis, lgsp=replace(settings.lgsp, **words))

    return change


def credentials(file: Path, codes: Sequence[str], password: str = LOGIN.password) -> Path:
    """Write the credentials file of an operator, which the simulator reads too."""
    file.write_text(systems_text(codes, password), encoding="utf-8")
    file.chmod(0o600)
    return file


def systems_text(codes: Sequence[str], password: str = LOGIN.password) -> str:
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


def simulator(
    folder: Path, systems: Mapping[str, Sequence[str]], **more: Any
) -> AbstractAsyncContextManager[Axis]:
    """Run a service on which each id may stand for several codes; `more` is what `hubs.at_work` takes."""
    return _at_work(folder, [system(id, codes, login=_LOGIN) for id, codes in systems.items()], **more)


def of_agencies(folder: Path, codes: Sequence[str], **more: Any) -> AbstractAsyncContextManager[Axis]:
    """Run a service that has each agency with an id and a key of its own, as such a service does."""
    return _at_work(folder, [system(id_of(code), [code], key_of(code), _LOGIN) for code in codes], **more)


@asynccontextmanager
async def _at_work(folder: Path, systems: Sequence[HubSystem], **more: Any) -> AsyncIterator[Axis]:
    async with at_work(Lgsp, folder, systems, **more) as hub:
        yield Axis(**vars(hub))


def client(
    folder: Path, url: str, code: str, clock: Clock | None = None, **more: str
) -> AbstractAsyncContextManager[RestAxis]:
    """Open the axis of a node alone with one agency; `more` as the environment says it."""
    words = {
        "lgsp_endpoint": url,
        "lgsp_username": LOGIN.username,
        "lgsp_password": LOGIN.password,
        "lgsp_application": LOGIN.application,
        "lgsp_system": id_of(code),
        "lgsp_secret": key_of(code),
        **more,
    }
    return axis_alone("lgsp", folder, words, clock)


def start(folder: Path, codes: Sequence[str], more: str = "", port: int = 0) -> AbstractContextManager[str]:
    """Run `gateway simulate lgsp` in a process of its own; yield its address."""
    return started("lgsp", folder, systems_text(codes) + more, port)
