"""The text of a driver's error never has the values of the statement, which are content."""

from __future__ import annotations

import pytest

from gateway.store.transaction import driver_message


@pytest.mark.parametrize(
    ("words", "shown_text"),
    [
        (
            "invalid input for query argument $2: 'Nguyen (A)' (expected str, got int)",
            "invalid input for query argument $2 (expected str, got int)",
        ),
        ("invalid input for query argument $2: 'a secret", "invalid input for query argument $2"),
        ("no such table\nSELECT 'a secret'", "no such table"),
    ],
)
def test_a_message_of_the_driver_never_has_a_value(words: str, shown_text: str) -> None:
    assert driver_message(OverflowError(words)) == shown_text
