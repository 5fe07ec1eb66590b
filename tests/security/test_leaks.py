"""No secret reaches a log: the tests check what the run's own watch hears, and what the log's lines are made of."""

from __future__ import annotations

import json
import logging
import secrets

import pytest

from gateway.log import JsonLines
from gateway.settings.options import Secret
from tests.support.leaks import WATCH, Watch


@pytest.fixture
def watch() -> Watch:
    """Return a watch of its own, so that what these tests write fails no run."""
    return Watch()


def record(say: str, **extra: object) -> logging.LogRecord:
    log_record = logging.makeLogRecord({"name": "gateway.test", "levelno": logging.INFO, "msg": say})
    log_record.__dict__.update(extra)
    return log_record


def test_a_secret_in_the_log_is_a_leak_that_the_report_does_not_repeat(watch: Watch) -> None:
    """Words that are masked, or are no secret, pass."""
    watch.remember("correct horse")
    for line in (
        "the password is correct horse",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "gwk_" + "a" * 43,
        "cannot connect to amqp://node:hunter22@broker.example.invalid/",
    ):
        watch.emit(record(line))
        (leak,) = watch.leaks()
        assert "<the secret>" in leak
        assert "correct horse" not in leak
        assert watch.leaks() == []
    for line in ("postgresql://node:********@db.example.invalid/x", "gwk_…", "PUBLIC KEY"):
        watch.emit(record(line))
        assert watch.leaks() == []


def test_a_secret_in_a_trace_an_extra_field_or_a_childs_output_is_a_leak(watch: Watch) -> None:
    watch.remember("correct horse")
    try:
        raise ValueError("correct horse")
    except ValueError as why:
        trace = (ValueError, why, why.__traceback__)

    watch.emit(record("it failed", exc_info=trace))
    assert len(watch.leaks()) == 1
    watch.emit(record("it failed", user="correct horse"))
    assert len(watch.leaks()) == 1
    watch.take_output("stderr of a child: correct horse\n")
    assert len(watch.leaks()) == 1


def test_the_watch_of_this_run_knows_what_the_settings_make_and_hears_every_logger() -> None:
    logging.getLogger("gateway.security").info("nothing of it stands here")
    texts = [Secret("a pass phrase of the settings").reveal(), secrets.token_urlsafe(32)]

    watch = Watch()
    watch._secrets = WATCH._secrets
    for text in texts:
        watch.take_output(text)
        assert len(watch.leaks()) == 1

    assert WATCH in logging.getLogger().handlers
    assert logging.getLogger("gateway.api.app").isEnabledFor(logging.INFO)


def test_a_secret_of_the_settings_writes_itself_as_stars_whatever_is_done_with_it() -> None:
    secret = Secret("a pass phrase of the settings")

    line = JsonLines().format(record(f"{secret} {secret!r}", password=secret, several=[secret]))

    assert "pass phrase" not in line
    assert json.loads(line)["password"] == "********"
