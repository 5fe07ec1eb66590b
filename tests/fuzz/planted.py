"""Provides a target with a fault in it, to see that the runner reports one. It is none of those that are run."""

from __future__ import annotations

from tests.fuzz.target import Target


def faulty(data: bytes) -> None:
    assert not data.startswith(b"!"), "the planted fault"


TARGETS = (Target(name="planted", run=faulty, seeds=lambda: (b"a", b"b")),)
