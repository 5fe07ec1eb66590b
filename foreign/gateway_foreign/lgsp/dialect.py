"""Calls a provincial service (LGSP): send, list, get, update status, agencies. In: the credentials of an agency, and of
the application that signs in for it. Out: the service's answers as our values. Its list takes a range of days: the last
few at each look, and far back at each sweep, so that late packets are seen too. It cannot list what was sent, and takes
recipients from the file alone.

Each call carries a token: one per application, fetched when needed, kept as long as the service says, and fetched again
when the service has forgotten it. Concurrent callers share one login, because repeated logins may lock accounts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from gateway import random_source
from gateway.domain.wall_clock import local
from gateway.errors import Misconfigured
from gateway.ports.axis import Parcel
from gateway.ports.services import Clock, Pool
from gateway_foreign.rest.answers import Answer, BadAnswer, TextOrBase64
from gateway_foreign.rest.dialect import (
    ID,
    InSentList,
    Listed,
    ListedAgency,
    Out,
    printable,
    read_rows,
    read_waiting,
    streamed,
    with_list,
)
from gateway_foreign.rest.line import Line, NoRights, NotSent, OddAnswerError, Question, Refused
from gateway_foreign.rest.systems import Login, System

_log = logging.getLogger(__name__)
_SLOW_S = 60.0
_MOST_SHUT_OUT = 3
_ODD_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
# Permanent refusals: the guide's own table without its 20, which is a failure of the service.
FINAL = frozenset({"10", "18", "19", "21", "22", "23"})
STOPS = frozenset({"15", "401", "403"})
TOKEN_S = 29 * 60.0
"""How long a token is used; the service's tokens last 30 minutes."""
_PATH = "v1/auth/login"


class LgspDialect:
    """Dialect of the provincial service (the `rest.dialect.Dialect` protocol)."""

    name = "lgsp"
    lists_sent = names_recipients = False

    def __init__(
        self,
        line: Line,
        clock: Clock,
        pool: Pool,
        *,
        look_days: int = 3,
        sweep_days: int = 90,
        final: Collection[str] = FINAL,
        stops: Collection[str] = STOPS,
    ) -> None:
        """Take the days back that the list is asked for, at each look and once a day; `final`, codes that refuse a packet
        for good, and `stops`, codes that reject the credentials."""
        self._line, self._clock, self._pool = line, clock, pool
        self._look_days, self._sweep_days = look_days, sweep_days
        self._final, self._stops = frozenset(final), frozenset(stops)
        self._sessions = Sessions(line, clock)
        self._shut_out: dict[str, int] = {}

    async def close(self) -> None:
        await self._sessions.close()
        await self._line.close()

    def final(self, word: str) -> bool:
        return word in self._final

    def digest(self, opener: Callable[[], BinaryIO]) -> str:
        return ""  # the service needs none

    async def send(
        self, system: System, parcel: Parcel, kind: str, only: Sequence[str], file_digest: str
    ) -> str:
        boundary = random_source.token_hex(16)
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
                # Without the length the service does not find the end of the body.
                "Content-Length": str(len(head) + parcel.size + len(tail)),
            },
            body=streamed(parcel, self._pool, head, tail),
            has_effect=True,
            seconds=_SLOW_S,
        )
        answer = await self._ask_with_token(system, question, Answer, self._judge("sendEdoc"))
        doc_id = (answer.text("docId") or answer.text("data.docId")).strip()
        if ID.fullmatch(doc_id):
            return doc_id
        raise OddAnswerError("sendEdoc: the service took the file and gave it no docId")

    async def list_waiting(
        self, system: System, kind: str, *, sweep: bool, item: Callable[[Listed], None]
    ) -> None:
        today = local(self._clock.now()).date()
        since = today - timedelta(days=self._sweep_days if sweep else self._look_days)
        # The service's clock may be ahead of ours.
        params = {"messageType": kind, "fromDate": f"{since:%Y/%m/%d}"}
        params["toDate"] = f"{today + timedelta(days=1):%Y/%m/%d}"
        await self._list(system, "syncReceivedEdocList", params, read_waiting(item))

    async def fetch(self, system: System, doc_id: str, begin: Callable[[], Out]) -> None:
        files: list[TextOrBase64] = []

        def make() -> Answer:
            files.append(TextOrBase64(begin()))
            # The attachments repeat files that the envelope contains.
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
        await self._ask_with_token(system, question, make, judge)

    async def settle(self, system: System, doc_id: str, word: str) -> None:
        raw = json.dumps({"docId": doc_id, "status": word}).encode()
        question = Question(
            operation="updateStatus",
            path="v1/updateStatus",
            headers={"Content-Type": "application/json"},
            body=lambda: raw,
        )
        await self._ask_with_token(system, question, Answer, self._judge("updateStatus"))

    async def sent_list(self, system: System, kind: str, item: Callable[[InSentList], None]) -> None:
        raise OddAnswerError("this service has no list of what was sent")

    async def agencies(self, system: System, item: Callable[[ListedAgency], None]) -> None:
        columns = {"code": "orgcode", "name": "orgname", "parent": "parentcode", "mail": "email"}
        await self._list(system, "getAgenciesList", {}, read_rows(ListedAgency, item, columns))

    async def _list(
        self,
        system: System,
        operation: str,
        params: Mapping[str, str],
        note: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Call an operation that answers with a list, and pass each row to `note`."""
        question = Question(operation=operation, method="GET", path=f"v1/{operation}", params=params)

        await self._ask_with_token(
            system, question, lambda: Answer(item=note), with_list(self._judge(operation))
        )

    async def _ask_with_token(
        self,
        system: System,
        question: Question,
        make: Callable[[], Answer],
        judge: Callable[[int, Answer], None],
    ) -> Answer:
        """Ask with the application's token; after a 401 once more with a new one, because a refused call had no effect."""
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
        return await self._ask_with_new_token(system, system.login, token, question, make, judge)

    async def _ask_with_new_token(
        self,
        system: System,
        login: Login,
        token: str,
        question: Question,
        make: Callable[[], Answer],
        judge: Callable[[int, Answer], None],
    ) -> Answer:
        """Ask with a new token. A 401 here too is taken for a restart of the service, and the call for not sent; after
        several in a row NoRights is raised."""
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
        """Return the check of an answer. It raises Refused or NoRights for an error code, BadAnswer for a missing one."""

        def judge(status: int, answer: Answer) -> None:
            success, code = answer.text("success").strip().lower(), printable(answer.text("code"))[:40]
            inner = printable(answer.text("data.errorCode") or answer.text("errorCode"))[:40]
            fine = success == "true" or (not success and (code in ("0", "200") or answer.has_list))
            if status == 401 or (fine and status >= 400):
                fine = False
            if fine and inner in ("", "0"):
                return
            if str(status) in self._stops and not inner:
                raise NoRights(
                    f"{operation}: HTTP {status}: {printable(answer.text('message'))}", word=str(status)
                )
            if not success and not code and not inner:
                raise BadAnswer("neither success nor code is in it")
            word = inner or code or "none"
            why = printable(
                answer.text("data.errorDesc") or answer.text("errorDesc") or answer.text("message")
            )
            detail = f"{operation}: errorCode {word}: {why}"
            if word in self._stops:
                raise NoRights(detail, word=word)
            raise Refused(detail, word=word)

        return judge


def _let_in(question: Question, system: System, token: str) -> Question:
    """Add the credentials to a question's headers."""
    own = {
        "Authorization": f"Bearer {token}",
        "X-SystemId": system.id,
        "X-SecretKey": system.secret,
        "Accept": "application/json",
    }
    return replace(question, headers={**own, **question.headers}, secrets=(token, system.secret))


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    good_until: datetime


class Sessions:
    """Tokens of the service, one for each login. Its creator calls `close`."""

    def __init__(self, line: Line, clock: Clock) -> None:
        self._line, self._clock = line, clock
        self._tokens: dict[Login, _Token] = {}
        self._asking: dict[Login, asyncio.Task[str]] = {}

    async def close(self) -> None:
        for task in list(self._asking.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # its caller gets the error
                await task

    async def token(self, login: Login) -> str:
        """Return a valid token of the login; concurrent callers share one request."""
        cached = self._tokens.get(login)
        if cached is not None and self._clock.now() < cached.good_until:
            return cached.text
        if login not in self._asking:
            task = asyncio.create_task(self._fetched(login), name="axis-login")
            self._asking[login] = task
            task.add_done_callback(lambda t: self._note_end(login, t))
        return await asyncio.shield(self._asking[login])

    def forget(self, login: Login, token: str) -> None:
        """Drop a token that the service no longer accepts."""
        cached = self._tokens.get(login)
        if cached is not None and cached.text == token:
            del self._tokens[login]

    def _note_end(self, login: Login, task: asyncio.Task[str]) -> None:
        self._asking.pop(login, None)
        if not task.cancelled():
            task.exception()  # marks the exception as retrieved, even where no caller waits any more

    async def _fetched(self, login: Login) -> str:
        """Log in, and cache the token."""
        form = {"username": login.username, "password": login.password, "applicationCode": login.application}
        raw = json.dumps(form | {"otp": None, "twoFactorProvider": None, "typeObjs": [0, 1]}).encode()
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
        # Expired tokens go, also those of a password that was changed.
        self._tokens = {key: t for key, t in self._tokens.items() if began < t.good_until}
        return token


def _token(text: Callable[[str], str]) -> str:
    """Return the token of an answer; older services have it at the root."""
    return text("data.token").strip() or text("token").strip()


def _judge_login(status: int, answer: Answer) -> None:
    """Raise for a refused login: NoRights whatever its code, unless the service itself has failed."""
    code, success = printable(answer.text("code"))[:40], answer.text("success").strip().lower()
    token = _token(answer.text)
    if status < 300 and token and success != "false":
        if not token.isascii() or not token.isprintable() or " " in token:
            raise BadAnswer("the token is no word that a header can carry")
        return
    if status < 300 and (success == "true" or code in ("", "0", "200")):
        raise BadAnswer("there is no token in it")
    detail = f"login: HTTP {status}, code {code or 'none'}: {printable(answer.text('message'))}"
    if status >= 500 or code.startswith("5"):
        raise Refused(detail, word=code or str(status))
    raise NoRights(detail, word=code or str(status))
