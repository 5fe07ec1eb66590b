"""Routes that are made when one of them is first asked for, so that an idle node has neither pages nor calls in memory.
In: a pattern of their paths, and the function that makes them. Out: one entry of the server's table for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from re import Pattern
from typing import Any, NoReturn

from aiohttp import web
from aiohttp.web_urldispatcher import UrlMappingMatchInfo

RouterFactory = Callable[[], Awaitable[web.UrlDispatcher]]


class LateRoutes(web.AbstractResource):
    """Routes made on first use. Once made they stay; if making them fails, the next call tries again."""

    def __init__(self, paths: Pattern[str], make: RouterFactory) -> None:
        super().__init__()
        self._paths, self._make = paths, make
        self._routes: web.UrlDispatcher | None = None
        self._making = asyncio.Lock()

    @property
    def canonical(self) -> str:
        return "/"

    async def resolve(self, request: web.Request) -> tuple[UrlMappingMatchInfo | None, set[str]]:
        if not self.raw_match(request.rel_url.path):
            return None, set()
        if self._routes is None:
            async with self._making:
                self._routes = self._routes or await self._make()
        # The routes themselves answer unknown paths and methods.
        return await self._routes.resolve(request), set()

    def raw_match(self, path: str) -> bool:
        return self._paths.fullmatch(path) is not None

    def get_info(self) -> Any:  # the library's own form
        return {"pattern": self._paths}

    def url_for(self, **kwargs: str) -> NoReturn:
        raise NotImplementedError("its routes know their addresses")

    def add_prefix(self, prefix: str) -> NoReturn:
        raise NotImplementedError("it stands at the root")

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        """Iterate over the routes that are made."""
        return iter(self._routes.routes() if self._routes is not None else ())

    def __len__(self) -> int:
        return len([*self])
