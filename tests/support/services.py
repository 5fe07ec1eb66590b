"""Tests find the services that they need in the environment. Where one is missing, the test fails in CI; elsewhere it is
skipped and says why."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

AMQP = "LIENTHONG_TEST_AMQP"
RABBIT_API = "LIENTHONG_TEST_RABBIT_API"
POSTGRES = "LIENTHONG_TEST_POSTGRES"


def address(name: str) -> str:
    """Return the address of a service, or end the test that needs it."""
    return os.environ.get(name) or missing(f"{name} is not set; `make test` brings the service up")


def missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
