"""A document system that never gives up: calls the API of a node that may be dead, slow or ill, and asks again. In: a call.
Out: the answer; `Unanswered` when there was none, so that its outcome is unknown."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, FormData

from bench.soak.stage import Site

_TIMEOUT = ClientTimeout(total=60, connect=5)


class Unanswered(Exception):
    """There was no answer, or one that says: later."""


class Client:
    """The callers of all agencies."""

    def __init__(self, session: ClientSession, sites: dict[str, Site]) -> None:
        self._session = session
        self._sites = {code: site for site in sites.values() for code in site.agencies}

    async def call(
        self,
        code: str,
        method: str,
        path: str,
        *,
        form: FormData | None = None,
        body: object = None,
        key: str | None = None,
    ) -> tuple[int, Any]:
        """Make a call for the agency with that code. A busy, ill or still working node counts as no answer."""
        site = self._sites[code]
        headers = {"Authorization": f"Bearer {site.keys[code]}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            async with self._session.request(
                method, f"{site.url}/api/v1{path}", data=form, json=body, headers=headers, timeout=_TIMEOUT
            ) as answer:
                answer_body = json.loads(await answer.read())
        except (ClientError, OSError, TimeoutError, ValueError) as none:
            raise Unanswered(f"{method} {path}: {type(none).__name__}") from none
        if answer.status >= 500 or answer.status == 429 or _is_running(answer.status, answer_body):
            raise Unanswered(f"{method} {path}: {answer.status} {answer_body.get('code')}")
        return answer.status, answer_body


def _is_running(status: int, answer_body: Any) -> bool:
    return status == 409 and answer_body.get("code") == "GW-IDEM-RUNNING"
