"""Calls the national axis: send, list, get, update status, sent list, agencies. In: a system's credentials. Out: the
axis's answers as our values. Its list is asked without dates, and has all packets that are not settled, however late
they appeared."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, BinaryIO

from gateway.ports.axis import Parcel
from gateway.ports.services import Clock, Pool
from gateway_foreign.rest.answers import Answer, BadAnswer, Base64File
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
from gateway_foreign.rest.line import Line, NoRights, OddAnswerError, Question, Refused
from gateway_foreign.rest.systems import System
from gateway_foreign.vxp import signing

_log = logging.getLogger(__name__)
_END = b"\r\n"  # the axis's own library writes it behind the file
_LONGEST_TO = 2048  # characters of the recipients in a header, where they stand twice
_SLOW_S = 60.0
TOO_MANY = "too-many-recipients"
STOPS = frozenset({"401", "403"})


class VxpDialect:
    """Dialect of the national axis (the `rest.dialect.Dialect` protocol)."""

    name = "vxp"
    lists_sent = names_recipients = True

    def __init__(
        self,
        line: Line,
        clock: Clock,
        pool: Pool,
        *,
        from_system: bool = False,
        final: Collection[str] = (),
        stops: Collection[str] = STOPS,
    ) -> None:
        """`from_system` names the system as sender, where the axis wants that; `final` are codes of permanent refusals;
        `stops` codes that reject the credentials. The axis's own codes are not documented."""
        self._line, self._clock, self._pool = line, clock, pool
        self._from_system, self._final, self._stops = from_system, frozenset(final), frozenset(stops)

    async def close(self) -> None:
        await self._line.close()

    def final(self, word: str) -> bool:
        return word in self._final or word == TOO_MANY

    def digest(self, opener: Callable[[], BinaryIO]) -> str:
        with opener() as file:
            return signing.file_digest(file)

    async def send(
        self, system: System, parcel: Parcel, kind: str, only: Sequence[str], file_digest: str
    ) -> str:
        parameters = {
            "from": system.id if self._from_system else parcel.sender,
            "servicetype": "eDoc",
            "messagetype": kind,
            "hash-file": file_digest,
        }
        to = json.dumps(list(only), ensure_ascii=False)
        if len(to) > _LONGEST_TO:
            # Without the header the axis would send it to all recipients named in the file.
            detail = f"only {len(only)} of its recipients go over this axis, more than one call can name; send it to fewer"
            raise Refused(detail, word=TOO_MANY)
        if only:
            parameters["to"] = to

        headers = self._signed(system, "application/octet-stream", parameters)
        headers["Content-Length"] = str(parcel.size + len(_END))
        question = Question(
            operation="sendEdoc",
            path="sendEdoc",
            headers=headers,
            body=streamed(parcel, self._pool, tail=_END),
            has_effect=True,
            seconds=_SLOW_S,
        )
        answer = await self._line.ask(question, Answer, self._judge("sendEdoc"))
        doc_id = answer.text("DocId").strip()
        if ID.fullmatch(doc_id):
            return doc_id
        raise OddAnswerError("sendEdoc: the axis took the file and gave it no DocId")

    async def list_waiting(
        self, system: System, kind: str, *, sweep: bool, item: Callable[[Listed], None]
    ) -> None:
        parameters = {"servicetype": "eDoc", "messagetype": kind}
        await self._listed(system, "getReceivedEdocList", parameters, read_waiting(item))

    async def fetch(self, system: System, doc_id: str, begin: Callable[[], Out]) -> None:
        files: list[Base64File] = []

        def make() -> Answer:
            files.append(Base64File(begin()))
            return Answer(file=frozenset({"data"}), out=files[-1].feed)

        def judge(status: int, answer: Answer) -> None:
            self._judge("getEdoc")(status, answer)
            files[-1].close()
            if not answer.has_file or not files[-1].size:
                raise BadAnswer("there is no file in it")

        # The axis's library sends its local folder here; ours is private.
        headers = self._signed(system, "application/json", {"docId": doc_id, "filePath": "."})
        question = Question(
            operation="getEdoc", path="getEdoc", headers=headers, body=lambda: b"{}", seconds=_SLOW_S
        )
        await self._line.ask(question, make, judge)

    async def settle(self, system: System, doc_id: str, word: str) -> None:
        headers = self._signed(system, "application/json", {"docId": doc_id, "status": word})
        question = Question(
            operation="updateStatus", path="updateStatus", headers=headers, body=lambda: b"{}"
        )
        await self._line.ask(question, Answer, self._judge("updateStatus"))

    async def sent_list(self, system: System, kind: str, item: Callable[[InSentList], None]) -> None:
        columns = {"doc_id": "senderdocid", "to": "tocode", "notation": "notation", "title": "title"}
        parameters = {"servicetype": "eDoc", "messagetype": kind}
        await self._listed(system, "getSentEdocList", parameters, read_rows(InSentList, item, columns))

    async def agencies(self, system: System, item: Callable[[ListedAgency], None]) -> None:
        columns = {"code": "code", "name": "name", "parent": "pid", "old": "oldcode code102", "mail": "mail"}
        await self._listed(system, "getAgenciesList", {}, read_rows(ListedAgency, item, columns))

    async def _listed(
        self,
        system: System,
        operation: str,
        parameters: Mapping[str, str],
        note: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Call an operation that answers with a list, and pass each row to `note`."""
        headers = self._signed(system, "application/json", parameters)
        question = Question(operation=operation, path=operation, headers=headers)

        await self._line.ask(question, lambda: Answer(item=note), with_list(self._judge(operation)))

    def _signed(self, system: System, content_type: str, parameters: Mapping[str, str]) -> dict[str, str]:
        return signing.headers(system.id, system.secret, self._clock.now(), content_type, parameters)

    def _judge(self, operation: str) -> Callable[[int, Answer], None]:
        """Return the check of an answer. It judges by the body, because the axis's own library ignores the HTTP status."""

        def judge(status: int, answer: Answer) -> None:
            word, verdict = printable(answer.text("ErrorCode"))[:40], answer.text("status").strip().upper()
            if word == "0" and verdict != "FAIL":
                return
            if not word and not verdict:
                if str(status) in self._stops:
                    raise NoRights(f"{operation}: HTTP {status}", word=str(status))
                raise BadAnswer("neither status nor ErrorCode is in it")
            detail = f"{operation}: ErrorCode {word or 'none'}: {printable(answer.text('ErrorDesc'))}"
            if word in self._stops:
                raise NoRights(detail, word=word)
            raise Refused(detail, word=word or "none")

        return judge
