"""Static files of the pages are packed once, for callers that take gzip."""

from __future__ import annotations

from gateway_office.web import answers, app
from tests.office.support.api import OfficeDoor
from tests.unit.api.test_going import GZIP, PLAIN


async def test_static_files_are_packed_once_and_kept_apart_by_encoding(door: OfficeDoor) -> None:
    for name in answers.STATIC:
        packed = await door.ask("GET", f"/static/{name}", key=None, headers=GZIP)
        plain = await door.ask("GET", f"/static/{name}", key=None, headers=PLAIN)
        assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert ("Content-Encoding" in plain.headers, plain.headers["Vary"]) == (False, "Accept-Encoding")
        assert packed.raw == plain.raw
        refused = await door.ask("GET", f"/static/{name}", key=None, headers={"Accept-Encoding": "gzip;q=0"})
        assert "Content-Encoding" not in refused.headers
    cache = app._packed.cache_info()
    assert cache.misses == len(answers.STATIC) <= cache.currsize
