"""Examines every axis of a node as the node's own user meets it, step by step, and changes nothing. In: settings, the codes
that this node hosts. Out: one finding per step with the name of its axis, time, cause and cure. Of a broker what
`transport.broker.check` finds; of a folder that it is there, may be written, and answers; of a foreign axis that it lets
each system in."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from gateway.bootstrap.axis import FOREIGN_AXES, broker_access, open_axis
from gateway.errors import GatewayError
from gateway.ops.doctor_checks import clear_host
from gateway.settings import Settings
from gateway.transport.broker.check import AxisFinding, StepMark, examine


async def examine_axes(settings: Settings, codes: Sequence[str]) -> AsyncIterator[tuple[str, AxisFinding]]:
    """One axis after the other, by the names of the settings. What is wrong with one is found out of that one alone."""
    for name, alone in settings.each_axis().items():
        if alone.axis.kind == "amqp":
            try:
                access = broker_access(alone)
            except GatewayError as error:
                yield name, _finding("settings", StepMark.WRONG, 0, "failed", "settings", detail=str(error))
                continue
            async with aclosing(examine(access, alone.node.name, codes)) as steps:  # type: ignore[type-var]  # it is a generator
                async for each in steps:
                    yield name, each
        elif alone.axis.kind in FOREIGN_AXES:
            async for each in _sessions(alone, codes):
                yield name, each
        else:
            async for each in _folder(alone):
                yield name, each


async def _folder(settings: Settings) -> AsyncIterator[AxisFinding]:
    folder = settings.axis.folder
    began = time.monotonic()
    if not (folder / "axis.sqlite").is_file():
        yield _finding("folder", StepMark.WRONG, began, "folder.missing", "folder", path=str(folder))
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield _finding("folder", StepMark.WRONG, began, "folder.closed", "folder", path=str(folder))
    else:
        yield _finding("folder", StepMark.FINE, began, "folder.fine", None, path=str(folder))
        began = time.monotonic()
        try:
            async with open_axis(settings) as axis:
                counts = await axis.counts()
        except GatewayError as error:
            yield _finding("count", StepMark.WRONG, began, "failed", "folder", detail=str(error))
            return
        yield _finding("count", StepMark.FINE, began, "queue.fine", None, count=counts["waiting"])
        return
    yield _finding("count", StepMark.SKIPPED, time.monotonic(), "before", None)


async def _sessions(settings: Settings, codes: Sequence[str]) -> AsyncIterator[AxisFinding]:
    from gateway.transport.rest.axis import RestAxis

    began = time.monotonic()
    if host := clear_host(settings):
        yield _finding("tls", StepMark.WARNED, 0, "tls.clear", "https", host=host)
    try:
        async with open_axis(settings) as axis:
            if not isinstance(axis, RestAxis):
                return
            axis.hosts(codes)
            answers = await axis.ask()
    except GatewayError as error:
        yield _finding("settings", StepMark.WRONG, began, "failed", "settings", detail=str(error))
        return
    for system, each in answers.items():
        told = {"system": system, "why": each.why, "file": each.mend}
        if each.mend:
            yield _finding("session", StepMark.WRONG, began, "session.refused", "credentials", **told)
        elif each.why:
            yield _finding("session", StepMark.WRONG, began, "session.failed", "service", **told)
        else:
            yield _finding("session", StepMark.FINE, began, "session.fine", None, system=system)


def _finding(
    step: str, mark: StepMark, began: float, cause: str, cure: str | None, **params: object
) -> AxisFinding:
    ms = round((time.monotonic() - began) * 1000) if began else 0
    return AxisFinding(server="", step=step, mark=mark, ms=ms, cause=cause, cure=cure, params=params)
