"""Calls of the API that need the office: one module for each subject. In: the open office. Out: the routes of all."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.api.routes import Route
from gateway_office.bootstrap.office import Office
from gateway_office.calls import accounts, books, letters, reports


def routes(office: Office) -> Sequence[Route]:
    return tuple(
        route for subject in (books, reports, accounts, letters) for route in subject.ROUTES.bind(office)
    )
