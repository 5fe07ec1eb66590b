"""Wires the front door for programs: its limits, and the log of what each key calls. In: settings. Out: `ApiOptions`, the
log. Part of the wiring, imported only by a process that answers calls."""

from __future__ import annotations

from datetime import timedelta

from gateway.api.call_log import CallLog
from gateway.api.deps import ApiOptions
from gateway.ports import Clock
from gateway.ports.calls import ApiCalls
from gateway.settings import Settings


def options(settings: Settings) -> ApiOptions:
    """How much each caller may ask of this process."""
    api = settings.api
    return ApiOptions(
        rate_per_s=api.rate_per_s,
        burst=api.burst,
        connections=api.connections,
        hosts=_listed(api.names),
        proxies=_listed(api.proxies),
    )


def call_log(settings: Settings, calls: ApiCalls, clock: Clock) -> CallLog:
    """What notes the calls of each key; it runs with the application."""
    return CallLog(calls, clock, timedelta(days=settings.api.calls_days))


def _listed(words: str) -> frozenset[str]:
    """What stands between commas, in small letters."""
    return frozenset(word.strip().casefold() for word in words.split(",") if word.strip())
