"""This caller without a browser sends what an attacker or a script would, header by header. It keeps what a test gives it,
no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from gateway_office.domain.roles import PostRole
from gateway_office.domain.session import form_token
from gateway_office.web.page_handling import COOKIE
from tests.office.pages.site import Site
from tests.office.support.accounts import Someone


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`token` is the session that the answer gives; empty when it takes one away, None when it says nothing of it."""

    status: int
    leads: str
    text: str
    headers: Mapping[str, str] = field(repr=False)
    token: str | None = None


@dataclass(kw_only=True)
class Guest:
    """`token` is the session in its cookie."""

    url: str
    http: aiohttp.ClientSession
    token: str = ""

    async def get(self, path: str, **headers: str) -> Answer:
        return await self._call("GET", path, None, headers)

    async def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        """Post a form with the token of its session; from this site unless a header says otherwise."""
        origin = {"Origin": self.url} if not {"Origin", "Sec_Fetch_Site", "No_Origin"} & set(headers) else {}
        headers.pop("No_Origin", None)
        fields = {"form_token": form_token(self.token), **form} if self.token else form
        return await self._call("POST", path, fields, {**origin, **headers})

    async def _call(
        self, method: str, path: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Answer:
        all_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            all_headers["Cookie"] = f"{COOKIE}={self.token}"
        async with self.http.request(
            method, URL(self.url + path, encoded=True), data=form, headers=all_headers, allow_redirects=False
        ) as answer:
            cookie = answer.cookies.get(COOKIE)
            return Answer(
                status=answer.status,
                leads=answer.headers.get("Location", ""),
                text=await answer.text(errors="replace"),
                headers=answer.headers,
                token=cookie.value if cookie is not None else None,
            )


@asynccontextmanager
async def calling(url: str) -> AsyncIterator[Guest]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Guest(url=url, http=http)


async def at_work(site: Site, guest: Guest, person: Someone, actor: str = "") -> None:
    """Sign the person in, and give the session to the guest. `actor` chooses among several agencies."""
    guest.token = await site.new_session(person, actor)


@asynccontextmanager
async def calling_as(
    site: Site, role: PostRole = PostRole.CLERK, actor: str = "department"
) -> AsyncIterator[Guest]:
    """Open a guest who is signed in as that person of the site."""
    async with calling(site.url) as guest:
        await at_work(site, guest, site.person(role, actor))
        yield guest
