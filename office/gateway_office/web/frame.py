"""The frame of every page. In: the request. Out: the values of its template: the menu, the light of the axis, the
notifications, the confirmation of the last act. One query counts the tasks; everything else is in memory."""

from __future__ import annotations

from collections.abc import Mapping

from gateway_office.web import duty_table
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.menu import menu
from gateway_office.web.notification_menu import bell_of
from gateway_office.web.request_context import RequestContext

DENSITY = "gw_density"
COMPACT = "compact"
COMFORTABLE = "comfortable"


async def frame_values(request: RequestContext) -> Mapping[str, object]:
    """Make the values of the frame."""
    cookies = request.http.cookies
    id = request.agency.id if request.agency is not None else ""
    other = "en" if request.lang == "vi" else "vi"
    query = merged(dict(request.http.query), told=None, lang=None)
    duties = await duty_table.of_person(request)
    return {
        "menu": menu(request),
        "light": request.deps.light(),
        "told": request.confirmation,
        # This page's address in the other language.
        "other_lang": (other, url_for("/ngon-ngu", lang=other, next=url_for(request.http.path, **query))),
        "is_narrow": cookies.get("gw_menu") == "small",
        "is_compact": cookies.get(DENSITY) == COMPACT,
        "has_keys": cookies.get("gw_keys") != "off",
        # For the badges of the menu, and the bell.
        "frame_duties": duties,
        "bell": await bell_of(request),
        "notice": await request.deps.notices.current(request.deps.clock.now(), id)
        if request.acting
        else None,
    }
