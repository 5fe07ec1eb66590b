"""The tokens of a provincial service: one for each application, fetched when it is needed, held for as long as the service
says, and fetched anew when the service has forgotten it. In: a login. Out: its token, or `NoRights` for all who sign in
alike. However many ask at the same moment, the service is asked once: nobody is locked out by repetition."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.ports import Clock
from gateway.transport.rest.answers import Answer, BadAnswer
from gateway.transport.rest.line import Line, NoRights, Question, Turned
from gateway.transport.rest.systems import Login
from gateway.transport.rest.words import shown

TOKEN_S = 29 * 60.0
"""The service gives each 30 minutes."""
_PATH = "v1/auth/login"


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    until: datetime


class Sessions:
    """Whoever made it calls `close`."""

    def __init__(self, line: Line, clock: Clock) -> None:
        self._line, self._clock = line, clock
        self._tokens: dict[Login, _Token] = {}
        self._asking: dict[Login, asyncio.Task[str]] = {}

    async def close(self) -> None:
        for task in list(self._asking.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # whoever asked has heard of it
                await task

    async def token(self, login: Login) -> str:
        known = self._tokens.get(login)
        if known is not None and self._clock.now() < known.until:
            return known.text
        if login not in self._asking:
            task = asyncio.create_task(self._fetched(login), name="axis-login")
            self._asking[login] = task
            task.add_done_callback(lambda done: self._over(login, done))
        return await asyncio.shield(self._asking[login])

    def forget(self, login: Login, token: str) -> None:
        """The service knows it no more."""
        known = self._tokens.get(login)
        if known is not None and known.text == token:
            del self._tokens[login]

    def _over(self, login: Login, done: asyncio.Task[str]) -> None:
        self._asking.pop(login, None)
        if not done.cancelled():
            done.exception()  # seen, also where nobody waits any more

    async def _fetched(self, login: Login) -> str:
        said = {"username": login.username, "password": login.password, "applicationCode": login.application}
        raw = json.dumps(said | {"otp": None, "twoFactorProvider": None, "typeObjs": [0, 1]}).encode()
        question = Question(
            operation="login",
            path=_PATH,
            params={"allow_anonymous": "true"},
            headers={"Accept": "application/json", "Content-Type": "application/json"},
            body=lambda: raw,
            secrets=(login.password,),
            brings_secret=True,
        )
        began = self._clock.now()
        try:
            answer = await self._line.ask(question, Answer, _judge)
        except NoRights as why:
            raise NoRights(str(why), word=why.word, of_login=True) from why
        token = _token(answer.text)
        self._tokens[login] = _Token(token, began + timedelta(seconds=TOKEN_S))
        # Of an application whose password has changed.
        self._tokens = {key: each for key, each in self._tokens.items() if began < each.until}
        return token


def _token(text: Callable[[str], str]) -> str:
    """Older services have it at the root."""
    return text("data.token").strip() or text("token").strip()


def _judge(status: int, answer: Answer) -> None:
    """A no of whatever code means the credentials, unless it is the service that has failed."""
    code, said = shown(answer.text("code"))[:40], answer.text("success").strip().lower()
    token = _token(answer.text)
    if status < 300 and token and said != "false":
        if not token.isascii() or not token.isprintable() or " " in token:
            raise BadAnswer("the token is no word that a header can carry")
        return
    if status < 300 and (said == "true" or code in ("", "0", "200")):
        raise BadAnswer("there is no token in it")
    detail = f"login: HTTP {status}, code {code or 'none'}: {shown(answer.text('message'))}"
    if status >= 500 or code.startswith("5"):
        raise Turned(detail, word=code or str(status))
    raise NoRights(detail, word=code or str(status))
