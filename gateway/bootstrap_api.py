"""Wires the limits of the front door for programs. In: settings. Out: `ApiOptions`. Part of the wiring, imported only by a
process that answers calls."""

from __future__ import annotations

from gateway.api.deps import ApiOptions
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


def _listed(words: str) -> frozenset[str]:
    """What stands between commas, in small letters."""
    return frozenset(word.strip().casefold() for word in words.split(",") if word.strip())
