"""Statuses of incoming documents given as files: `in/<id>.status.json`, with the words of the API. In: complete files.
Out: the status recorded and its answer on the way; the file with its result in `sent/`, or with a reason in `error/`. A
file that is read twice after a crash sets the same status twice, which is harmless."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gateway import time_source
from gateway.api.parsing import parse_json
from gateway.api.resources.inbox import StatusIn
from gateway.domain.account import AgencyScope
from gateway.domain.request_fault import BadCall, RequestFault
from gateway.folder.layout import IN
from gateway.folder.places import Mark, NotAFile, Place
from gateway.folder.texts import no_file
from gateway.incoming import act
from gateway.incoming.services import IncomingServices
from gateway.policy.folder_names import STATUS

_MOST_BYTES = 256 * 1024
_MOST_NAMES = 20_000
_READY = ".status.ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFile:
    """File that is no longer being written, with the `.ready` file that closed it, if any."""

    name: str
    incoming_id: str
    parts: Mapping[str, Mark | None]


@dataclass(slots=True, kw_only=True)
class StatusFiles:
    """Status files of one agency, tracked from look to look."""

    settle_s: float
    now_s: Callable[[], float] = time_source.monotonic
    _since: dict[str, tuple[Mark | None, float]] = field(default_factory=dict)

    def list(self, base: Place) -> Sequence[StatusFile]:
        """List complete status files. Blocks: use it in the pool."""
        now, previous, self._since = self.now_s(), self._since, {}
        complete_files = []
        with base.within(IN, make=True) as inn:
            names = {entry.name for entry in inn.listing(_MOST_NAMES)[0]}
            for name in sorted(names):
                if not name.endswith(STATUS) or name.startswith("."):
                    continue
                mark, id = inn.mark(name), name.removesuffix(STATUS)
                previous_mark, since = previous.get(name, (None, now))
                self._since[name] = (mark, since if previous_mark == mark else now)
                ready = id + _READY
                if ready in names or now - self._since[name][1] >= self.settle_s:
                    parts = {name: mark} | ({ready: inn.mark(ready)} if ready in names else {})
                    complete_files.append(StatusFile(name=name, incoming_id=id, parts=parts))
        return complete_files


def read(base: Place, file: StatusFile) -> bytes:
    """Read a status file; raise BadCall where the name is no file, or the file is too large. Blocks."""
    with base.within(IN) as inn:
        try:
            raw = inn.read(file.name, _MOST_BYTES)
        except NotAFile as error:
            raise no_file(file.name, error) from error
    if len(raw) > _MOST_BYTES:
        raise BadCall("too-large", RequestFault(code="too-large", params={"limit_bytes": str(_MOST_BYTES)}))
    return raw


async def say(
    services: IncomingServices, scope: AgencyScope, file: StatusFile, raw: bytes
) -> Mapping[str, Any]:
    """Record the status, and return its result as a JSON document. Raises BadCall or GatewayError as the API would."""
    call = parse_json(raw, StatusIn).value.to_call()
    recorded = await act.set_status(services, scope, file.incoming_id, call)
    receipt_json: dict[str, Any] = {
        "id": file.incoming_id,
        "code": call.code,
        "state": recorded.document.state,
        "register_no": recorded.register_no,
        "repeated": recorded.repeated,
    }
    with suppress(ValueError):
        receipt_json["said"] = json.loads(raw.decode("utf-8-sig"))
    return receipt_json
