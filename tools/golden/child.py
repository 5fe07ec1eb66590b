"""Runs the command line with a clock that is ahead by GOLDEN_AHEAD_S seconds, so that two recordings begin at one hour."""

from __future__ import annotations

import os
import runpy
import sys
from datetime import datetime, timedelta

from gateway import clock

AHEAD = timedelta(seconds=float(os.environ["GOLDEN_AHEAD_S"]))
_now = clock.SystemClock.now


def _ahead(self: clock.SystemClock) -> datetime:
    return _now(self) + AHEAD


clock.SystemClock.now = _ahead  # type: ignore[method-assign]
sys.argv[0] = "gateway"
runpy.run_module("gateway", run_name="__main__", alter_sys=True)
