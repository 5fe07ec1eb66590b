"""The calls of a provincial service (dialect R2) as our port needs them: send, list, get, update status, agencies. In: the
credentials of an agency, and of the application that signs in for it. Out: what the service says, in our words. Its list
is asked by days: of the last days at each look, and far back at each sweep, so that what appears late is seen too. It
has no list of what was sent, and takes the recipients from the file alone.

A call carries a token: one for each application, fetched when it is needed, held for as long as the service says, and
fetched anew when the service has forgotten it. However many ask at the same moment, the service is asked once: nobody is
locked out by repetition."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from gateway.domain.wall_clock import local
from gateway.errors import Misconfigured
from gateway.log import action
from gateway.ports.axis import Parcel
from gateway.ports.services import Clock, Pool
from gateway.transport.rest.answers import Answer, BadAnswer, TextOrBase64
from gateway.transport.rest.dialect import ID, InSentList, Listed, ListedAgency, Out, shown, streamed, text
from gateway.transport.rest.line import Line, NoRights, NotSent, Odd, Question, Turned
from gateway.transport.rest.systems import Login, System

_log = logging.getLogger(__name__)
_SLOW_S = 60.0
_MOST_SHUT_OUT = 3
_OVER = frozenset({"done", "fail"})
_ODD_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
# What a packet is never sent again after: the guide's own table, less its 20, a failure of the service.
FINAL = frozenset({"10", "18", "19", "21", "22", "23"})
STOPS = frozenset({"15", "401", "403"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """How far back its list is asked: at each look, and once a day."""

    look: int = 3
    sweep: int = 90


class LgspDialect:
    """Keeps the promise of `rest.dialect.Dialect`."""

    name = "lgsp"
    lists_sent = names_recipients = False

    def __init__(
        self,
        line: Line,
        clock: Clock,
        pool: Pool,
        *,
        days: Days | None = None,
        final: Collection[str] = FINAL,
        stops: Collection[str] = STOPS,
    ) -> None:
        """`final`: codes whose no stays a no; `stops`: codes that mean that it does not know the credentials."""
        self._line, self._clock, self._pool = line, clock, pool
        self._days, self._final, self._stops = days or Days(), frozenset(final), frozenset(stops)
        self._sessions = Sessions(line, clock)
        self._shut_out: dict[str, int] = {}

    async def close(self) -> None:
        await self._sessions.close()
        await self._line.close()

    def seats(self, system: System, hosted: Sequence[str]) -> Sequence[str]:
        return ("",) if hosted else ()

    def final(self, word: str) -> bool:
        return word in self._final

    def digest(self, opener: Callable[[], BinaryIO]) -> str:
        return ""  # it wants none

    async def send(
        self, system: System, parcel: Parcel, kind: str, only: Sequence[str], file_digest: str
    ) -> str:
        boundary = secrets.token_hex(16)
        name = _ODD_IN_NAMES.sub("_", system.id)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="edocFile"; filename="{name}.edxml"\r\n'
            "Content-Type: application/xml\r\n\r\n"
        ).encode()
        tail = (
            f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="messageType"\r\n\r\n{kind}'
            f"\r\n--{boundary}--\r\n"
        ).encode()
        question = Question(
            operation="sendEdoc",
            path="v1/sendEdoc",
            headers={
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                # Without it the service does not find the end.
                "Content-Length": str(len(head) + parcel.size + len(tail)),
            },
            body=streamed(parcel, self._pool, head, tail),
            has_effect=True,
            seconds=_SLOW_S,
        )
        answer = await self._asked(system, question, Answer, self._judge("sendEdoc"))
        doc_id = (answer.text("docId") or answer.text("data.docId")).strip()
        if ID.fullmatch(doc_id):
            return doc_id
        raise Odd("sendEdoc: the service took the file and gave it no docId")

    async def waiting(
        self, system: System, kind: str, agency: str, *, sweep: bool, item: Callable[[Listed], None]
    ) -> None:
        def note(row: Mapping[str, Any]) -> None:
            doc_id = text(row, "docid")
            if text(row, "status").lower() in _OVER:
                return
            if not ID.fullmatch(doc_id):
                action(_log, "axis.odd_id", "no call can name it: it stays with the axis", packet=doc_id[:50])
                return
            item(Listed(doc_id=doc_id, sender=text(row, "from"), to=text(row, "to")))

        today = local(self._clock.now()).date()
        since = today - timedelta(days=self._days.sweep if sweep else self._days.look)
        # Its clock may be ahead of ours.
        asked = {"messageType": kind, "fromDate": f"{since:%Y/%m/%d}"}
        asked["toDate"] = f"{today + timedelta(days=1):%Y/%m/%d}"
        await self._list(system, "syncReceivedEdocList", asked, note)

    async def fetch(self, system: System, doc_id: str, agency: str, begin: Callable[[], Out]) -> None:
        files: list[TextOrBase64] = []

        def make() -> Answer:
            files.append(TextOrBase64(begin()))
            # Files beside the envelope are those that are in it.
            passed = frozenset({"attachments"})
            return Answer(file=frozenset({"edxml", "data"}), out=files[-1].feed, passed=passed)

        def judge(status: int, answer: Answer) -> None:
            self._judge("getEdoc")(status, answer)
            files[-1].close()
            if not files[-1].size:
                raise BadAnswer("there is no file in it")

        question = Question(
            operation="getEdoc", method="GET", path="v1/getEdoc", params={"docId": doc_id}, seconds=_SLOW_S
        )
        await self._asked(system, question, make, judge)

    async def settle(self, system: System, doc_id: str, agency: str, word: str) -> None:
        raw = json.dumps({"docId": doc_id, "status": word}).encode()
        question = Question(
            operation="updateStatus",
            path="v1/updateStatus",
            headers={"Content-Type": "application/json"},
            body=lambda: raw,
        )
        await self._asked(system, question, Answer, self._judge("updateStatus"))

    async def sent_list(self, system: System, kind: str, item: Callable[[InSentList], None]) -> None:
        raise Odd("this service has no list of what was sent")

    async def agencies(self, system: System, item: Callable[[ListedAgency], None]) -> None:
        def note(row: Mapping[str, Any]) -> None:
            item(
                ListedAgency(
                    code=text(row, "orgcode"),
                    name=text(row, "orgname"),
                    parent=text(row, "parentcode"),
                    mail=text(row, "email"),
                )
            )

        await self._list(system, "getAgenciesList", {}, note)

    async def _list(
        self,
        system: System,
        operation: str,
        asked: Mapping[str, str],
        note: Callable[[Mapping[str, Any]], None],
    ) -> None:
        question = Question(operation=operation, method="GET", path=f"v1/{operation}", params=asked)

        def judge(status: int, answer: Answer) -> None:
            self._judge(operation)(status, answer)
            if not answer.has_list and "data" not in answer.values:
                raise BadAnswer("there is no list in it")

        await self._asked(system, question, lambda: Answer(item=note), judge)

    async def _asked(
        self,
        system: System,
        question: Question,
        make: Callable[[], Answer],
        judge: Callable[[int, Answer], None],
    ) -> Answer:
        """With a token. One that the service does not know any more is fetched anew, once: a call that it did not let in
        had no effect."""
        if system.login is None:
            raise Misconfigured(f"{system.id} has no login; name username, password and application of it")
        token = await self._sessions.token(system.login)
        try:
            answer = await self._line.ask(_let_in(question, system, token), make, judge)
            self._shut_out.pop(system.id, None)
            return answer
        except NoRights as why:
            if why.word != "401":
                raise
        return await self._again(system, system.login, token, question, make, judge)

    async def _again(
        self,
        system: System,
        login: Login,
        token: str,
        question: Question,
        make: Callable[[], Answer],
        judge: Callable[[int, Answer], None],
    ) -> Answer:
        """A new token that is not known either is one of a service that was started anew meanwhile; if it goes on so, it is
        the key that is not known."""
        self._sessions.forget(login, token)
        token = await self._sessions.token(login)
        try:
            answer = await self._line.ask(_let_in(question, system, token), make, judge)
        except NoRights as why:
            self._shut_out[system.id] = self._shut_out.get(system.id, 0) + 1
            if why.word != "401" or self._shut_out[system.id] >= _MOST_SHUT_OUT:
                raise
            self._sessions.forget(login, token)
            raise NotSent(f"{why}, with a new token") from why
        self._shut_out.pop(system.id, None)
        return answer

    def _judge(self, operation: str) -> Callable[[int, Answer], None]:
        def judge(status: int, answer: Answer) -> None:
            said, code = answer.text("success").strip().lower(), shown(answer.text("code"))[:40]
            inner = shown(answer.text("data.errorCode") or answer.text("errorCode"))[:40]
            fine = said == "true" or (not said and (code in ("0", "200") or answer.has_list))
            if status == 401 or (fine and status >= 400):
                fine = False
            if fine and inner in ("", "0"):
                return
            if str(status) in self._stops and not inner:
                raise NoRights(
                    f"{operation}: HTTP {status}: {shown(answer.text('message'))}", word=str(status)
                )
            if not said and not code and not inner:
                raise BadAnswer("neither success nor code is in it")
            word = inner or code or "none"
            why = shown(answer.text("data.errorDesc") or answer.text("errorDesc") or answer.text("message"))
            detail = f"{operation}: errorCode {word}: {why}"
            if word in self._stops:
                raise NoRights(detail, word=word)
            raise Turned(detail, word=word)

        return judge


def _let_in(question: Question, system: System, token: str) -> Question:
    own = {
        "Authorization": f"Bearer {token}",
        "X-SystemId": system.id,
        "X-SecretKey": system.secret,
        "Accept": "application/json",
    }
    return replace(question, headers={**own, **question.headers}, secrets=(token, system.secret))


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
            answer = await self._line.ask(question, Answer, _judge_login)
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


def _judge_login(status: int, answer: Answer) -> None:
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
