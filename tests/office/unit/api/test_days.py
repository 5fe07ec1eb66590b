"""Days and moments that no calendar of an office has are the caller's: 400 with the field at every call, never a failure of
the node."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic.fields import FieldInfo

from gateway.api.models import MessageIn
from gateway.domain.wall_clock import FIRST_DAY, LAST_DAY
from gateway.errors import BadForm
from gateway.store import transaction
from gateway_office.web.dates import typed_day
from tests.office.support.api import OfficeDoor
from tests.office.support.doors import WITH_OFFICE
from tests.support.cases import Cases

EDGES = ("0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1899-12-31")
NAMES = {"from", "to", "on", "date", "since", "until", "handed_from", "handed_to"}
REPORTS = ("incoming", "outgoing", "deadlines", "paper", "readings")


def list_day_parameters(described: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each reading call with each of its parameters that is a day or a moment."""
    for path, methods in described["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            name = parameter.get("name", "")
            if parameter.get("in") == "query" and (name in NAMES or name.endswith(("[gte]", "[lt]"))):
                for report in REPORTS if "/reports/" in path else ("incoming",):
                    yield path.replace("{name}", report).replace("{id}", "x").replace("{code}", "Z91"), name


async def test_no_day_of_another_calendar_is_a_failure_of_the_node(door: OfficeDoor, cases: Cases) -> None:
    pairs = sorted({*list_day_parameters(WITH_OFFICE.document)})
    assert len(pairs) > 20
    for path, name in pairs:
        for edge in EDGES:
            with cases.case(f"{path} {name}={edge}"):
                answer = await door.ask("GET", path.removeprefix("/api/v1"), params={name: edge})
                assert 400 <= answer.status < 500, str(answer)


async def test_a_period_of_all_days_is_a_report_or_a_fault_of_the_caller(
    door: OfficeDoor, cases: Cases
) -> None:
    spans = (("0001-01-01", "0001-01-31"), ("9999-12-01", "9999-12-31"), ("1900-01-01", "2200-12-31"))
    for first_day, last_day in spans:
        for by in ("day", "month", "quarter", "partner", "unit"):
            for file in ("", "/file"):
                with cases.case(f"{first_day} {last_day} {by}{file}"):
                    more = {"from": first_day, "to": last_day, "by": by}
                    answer = await door.ask("GET", f"/reports/incoming{file}", params=more)
                    assert answer.status in (200, 400, 422), str(answer)


def test_each_day_of_a_request_has_the_span() -> None:
    """Those of a document are judged with its other fields."""
    free = []
    for route in WITH_OFFICE.routes:
        for model in (route.asks, route.query):
            if model is not None and not issubclass(model, MessageIn):
                free += [
                    f"{route.name}: {name}" for name, field in model.model_fields.items() if is_free(field)
                ]
    assert free == []


def is_free(field: FieldInfo) -> bool:
    days = {dt.date, dt.datetime} & {field.annotation, *get_args(field.annotation)}
    return bool(days) and not field.metadata


def test_a_typed_day_outside_of_the_span_is_no_day() -> None:
    today = dt.date(2026, 11, 20)
    for text in ("01/01/0001", "31/12/9999", "31/12/1899", "01/01/2201"):
        assert typed_day(text, today) is None
    assert typed_day("01/01/1900", today) == FIRST_DAY
    assert typed_day("31/12/2200", today) == LAST_DAY


def test_a_value_that_no_database_holds_is_the_callers() -> None:
    error = transaction._gateway_error(OverflowError("date value out of range"))

    assert isinstance(error, BadForm)
    assert error.permanent
