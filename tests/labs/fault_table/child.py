"""One process of a node of the pair: the product's own `gateway serve`. Its alarms take a second for each minute that they
take in an office, and its clock is off by the seconds in a file, which a test may write while it runs. In: settings in the
environment; the file and the role on the command line. It ends with its starter."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from gateway import program, time_source
from gateway.cli import serve
from gateway.ops import alarms
from gateway.policy import alarms as rules
from gateway.store import alarm_file
from gateway.workers import clocks

# Findings for alarms are up to 20 s old, and signs of life 10 s: what follows from another fault may be seen so much later.
FASTER, ENDS_AFTER, FOLLOWS = 60, timedelta(seconds=20), timedelta(seconds=35)


def hasten_alarms() -> None:
    """Let a minute of the alarms pass in a second."""
    serve._ALARMS_S = 1.0
    alarms.LOOK_EVERY = timedelta(seconds=1)
    alarms.RETRY_DELAYS_S = (1, 2, 5, 15, 30, 60)
    alarm_file.SILENT_S = FOLLOWS.total_seconds()
    # As in the product, mail that was set aside for want of room comes back before that is an alarm.
    clocks.AsideClock.every = timedelta(seconds=10)
    rules.ENDS_AFTER = ENDS_AFTER
    rules.RULE_BY_CHECK = {check: _faster(rule) for check, rule in rules.RULE_BY_CHECK.items()}
    rules._DEFAULT = _faster(rules._DEFAULT)


def _faster(rule: rules.AlarmRule) -> rules.AlarmRule:
    def shortened(time: timedelta | None) -> timedelta | None:
        is_patient = time is not None and (time > timedelta(minutes=1) or rule.under or rule.yellow_under)
        return time and max(time / FASTER, FOLLOWS if is_patient else timedelta())

    return replace(rule, red=shortened(rule.red), yellow=shortened(rule.yellow))


def offset_ns(file: Path) -> int:
    """Read by how much the clock is off; not at all without the file."""
    with suppress(OSError, ValueError):
        return int(float(file.read_text()) * 1e9)
    return 0


def _end_with_starter() -> None:
    sys.stdin.read()
    os._exit(0)


def main(file: Path, words: list[str]) -> None:
    threading.Thread(target=_end_with_starter, daemon=True).start()
    hasten_alarms()
    sys.argv = ["gateway", "--lang", "en", "serve", *words]
    clock = time_source.TimeSource(unix_ns=lambda: time.time_ns() + offset_ns(file))
    with time_source.replaced(clock):
        program.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
