"""One call as a handler sees it: who calls, in which language, with what checked question; and how it answers. In: made
by `app` for each request. Out: aiohttp responses with ETag, language and paging headers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import urlencode

from aiohttp import web
from multidict import CIMultiDict
from pydantic import BaseModel

from gateway.api.asking import Asked
from gateway.api.auth import Caller
from gateway.api.deps import ApiDeps
from gateway.api.failing import BadCall, Fault
from gateway.api.shapes import Told
from gateway.api.words import Lang
from gateway.domain.account import AgencyScope
from gateway.errors import Denied, NotFound, StaleVersion

M = TypeVar("M", bound=BaseModel)

LONGEST_KEY = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, checked as far as its route can tell."""

    request: web.Request
    deps: ApiDeps
    lang: Lang
    id: str
    who: Caller | None = None
    asked: BaseModel | None = None
    query: BaseModel | None = None
    canonical: str = "{}"
    normalized: bool = False
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)

    @property
    def caller(self) -> Caller:
        if self.who is None:
            raise Denied("this call needs a key")
        return self.who

    def scope(self) -> AgencyScope:
        return self.caller.scope()

    def path(self, name: str) -> str:
        """A variable of the path."""
        return self.request.match_info[name]

    def number(self, name: str) -> int:
        """A variable of the path that counts files. NotFound for anything else."""
        given = self.path(name)
        if not (given.isascii() and given.isdigit() and len(given) < 6):
            raise NotFound(f"files have numbers; there is no file {given[:20]!r}")
        return int(given)

    def body_of(self, model: type[M]) -> M:
        """The checked body, as the model that the route names."""
        if not isinstance(self.asked, model):
            raise TypeError(f"the route of this handler does not ask for {model.__name__}")
        return self.asked

    def query_of(self, model: type[M]) -> M:
        """The checked query, as the model that the route names."""
        if not isinstance(self.query, model):
            raise TypeError(f"the route of this handler does not take {model.__name__}")
        return self.query

    def with_body(self, asked: Asked[BaseModel]) -> Call:
        """The same call, its body checked."""
        return replace(
            self,
            asked=asked.value,
            canonical=asked.canonical,
            normalized=asked.normalized,
        )

    def idempotency_key(self) -> str:
        """The key that makes a repeat harmless; every call that creates needs one."""
        key = self.request.headers.get("Idempotency-Key", "").strip()
        if not key or len(key) > LONGEST_KEY or not key.isprintable():
            fault = Fault(code="key-missing", pointer="/headers/Idempotency-Key")
            raise BadCall("key-missing", fault)
        return key

    def expected_version(self) -> int | None:
        """The version that If-Match names; None when there is no such condition."""
        # A cache on the way may have made it weak; the version is the same.
        given = self.request.headers.get("If-Match", "*").strip().removeprefix("W/")
        if given == "*":
            return None
        bare = given.removeprefix('"').removesuffix('"')
        if not (bare.isascii() and bare.isdigit()) or len(bare) > 12 or given != f'"{bare}"':
            fault = Fault(
                code="bad-value", pointer="/headers/If-Match", params={"expected": '"3"', "field": "If-Match"}
            )
            raise BadCall("bad-request", fault)
        return int(bare)

    def check_version(self, present: int) -> int:
        """The present version, when the caller's condition holds; else StaleVersion (412)."""
        expected = self.expected_version()
        if expected is not None and expected != present:
            raise StaleVersion(f"If-Match names version {expected}, the present version is {present}")
        return present

    def tell(self, told: Told, *, status: int = 200, version: int | None = None) -> web.Response:
        """The answer, with its version as ETag where it has one."""
        return self.tell_text(told.model_dump_json(by_alias=True), status=status, version=version)

    def tell_text(self, text: str, *, status: int = 200, version: int | None = None) -> web.Response:
        """The answer from JSON text that is already made."""
        headers = CIMultiDict(self.headers)
        headers["Content-Language"] = self.lang
        if version is not None:
            headers["ETag"] = f'"{version}"'
        if self.normalized:
            headers["X-Normalized"] = "NFC"
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)

    def link_next(self, cursor: str | None) -> None:
        """The Link header to the next page, with the same filters."""
        if cursor is None:
            return
        asked = [(name, text) for name, text in self.request.query.items() if name != "cursor"]
        target = f"{self.request.path}?{urlencode([*asked, ('cursor', cursor)])}"
        self.headers["Link"] = f'<{target}>; rel="next"'
