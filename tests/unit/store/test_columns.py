"""Column types: moments keep their instant, JSON keeps its types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.sqlite import dialect

from gateway.domain.document import DocumentChange, Kind, Lane
from gateway.domain.identity import Digest, DocumentId
from gateway.domain.queues import OutboxItem, OutboxTarget
from gateway.domain.states import Track
from gateway.domain.status import Fact
from gateway.store.row import Moment, Row, from_json, to_json, value_of
from gateway.store.tables import BlobRow, FactRow, OutboxRow

_ZONES = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))


@settings(max_examples=100)
@given(st.datetimes(datetime(1971, 1, 1), datetime(2900, 1, 1), timezones=_ZONES))
def test_a_moment_comes_back_as_the_same_instant_in_utc(moment: datetime) -> None:
    stored = Moment().process_bind_param(moment, dialect())
    assert stored is not None

    moment_read = Moment().process_result_value(stored.replace(tzinfo=None), dialect())

    assert moment_read == moment
    assert moment_read is not None
    assert moment_read.tzinfo is UTC


@settings(max_examples=100)
@given(st.datetimes(datetime(1971, 1, 1), datetime(2900, 1, 1), timezones=_ZONES))
def test_a_moment_is_written_for_sqlite_in_utc_with_all_its_digits(moment: datetime) -> None:
    write, read = Moment().bind_processor(dialect()), Moment().result_processor(dialect(), None)
    assert write is not None
    assert read is not None

    stored = [write(moment), write(moment.astimezone(UTC))]

    assert stored == [moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")] * 2
    moment_read = read(stored[0])
    assert moment_read == moment
    assert moment_read is not None
    assert moment_read.tzinfo is UTC
    assert (write(None), read(None)) == (None, None)


def test_a_field_whose_type_no_column_has_is_refused() -> None:
    with pytest.raises(KeyError, match="complex"):

        class OddRow(Row):
            share: complex | None = None


def test_a_row_is_made_of_a_value_and_what_is_said_beside_it_and_of_nothing_else() -> None:
    fact = Fact(track=Track.TRANSPORT, code="sent", at=datetime(2026, 11, 20, tzinfo=UTC))
    columns = {"agency_id": "agy", "subject_id": "dlv", "key": "k", "track": "transport", "body": "{}"}

    row = FactRow.from_value(fact, **columns)

    assert row.values() == columns | {"code": "sent", "at": fact.at}
    with pytest.raises(TypeError, match="look at colour"):
        FactRow.from_value(fact, **columns, colour="red")
    new_row: Any = BlobRow
    with pytest.raises(TypeError, match="stored_at"):
        new_row(digest="d", size=1)
    with pytest.raises(TypeError, match="colour"):
        new_row(digest="d", size=1, stored_at=datetime.now(UTC), colour="red")


def test_a_time_without_zone_is_refused_and_a_moment_may_be_absent() -> None:
    with pytest.raises(TypeError, match="no zone"):
        Moment().process_bind_param(datetime(2026, 11, 20), dialect())
    assert Moment().process_bind_param(None, dialect()) is None
    assert Moment().process_result_value(None, dialect()) is None


def test_json_keeps_the_small_types_and_forgives_fields_of_a_newer_version() -> None:
    change = DocumentChange(reason="r", target=DocumentId("d"), replaces=((DocumentId("x"), ("Z91",)),))

    change_read = from_json(DocumentChange, to_json(DocumentChange, change)[:-1] + ', "added_later": 1}')

    assert change_read == change
    assert isinstance(change_read.target, DocumentId)


def test_json_of_tuples_and_enums_comes_back_typed() -> None:
    targets = (OutboxTarget(code="Z91.02"), OutboxTarget(code="Z91.03", delivery_id="d"))

    assert from_json(tuple[OutboxTarget, ...], to_json(tuple[OutboxTarget, ...], targets)) == targets
    assert from_json(Kind, to_json(Kind, Kind.RECALL)) is Kind.RECALL


def test_a_digest_has_thirty_two_bytes() -> None:
    assert Digest.of_bytes(bytes(range(32))) == Digest(bytes(range(32)).hex())
    with pytest.raises(ValueError, match="SHA-256"):
        Digest.of_bytes(bytes(31))
    with pytest.raises(ValueError, match="SHA-256"):
        from_json(Digest, '"abc"')


def test_a_row_is_read_as_the_value_that_it_was_made_of() -> None:
    item = OutboxItem(
        id="out",
        agency_id="agy",
        packet_id="pkt",
        kind=Kind.DOCUMENT,
        sender_code="Z91",
        lane=Lane.URGENT,
        envelope_digest=Digest("ab" * 32),
        envelope_size=7,
        targets=(OutboxTarget(code="Z91.02"), OutboxTarget(code="Z91.03", delivery_id="d")),
        created_at=datetime(2026, 11, 20, tzinfo=UTC),
        subject_id="doc",
    )

    row = OutboxRow.from_value(item, settled_at=None, lease_token=None, lease_until=None)
    item_read = value_of(OutboxItem, row)

    assert (row.kind, row.lane, row.not_before) == ("edoc", "urgent", None)
    assert from_json(tuple[OutboxTarget, ...], row.targets) == item.targets
    assert item_read == item
    assert (type(item_read.envelope_digest), type(item_read.lane)) == (Digest, Lane)
    assert value_of(OutboxItem, row, attempts=3).attempts == 3
    with pytest.raises(AttributeError, match="code"):
        value_of(OutboxTarget, row)
