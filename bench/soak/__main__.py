"""`python -m bench.soak --n N --kills K [--seed S]`: one soak and its report. Exit status 0 only when nothing was lost,
doubled or left unexplained; the folder with the logs is kept otherwise."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench.soak import report
from bench.soak.plan import Plan
from bench.soak.run import soak
from tests.services import installing, postgres, rabbit


def main(words: list[str]) -> int:
    """Run one soak and return the exit status."""
    plan = _plan(words)
    folder = Path(tempfile.mkdtemp(prefix="gateway-soak-"))
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} {text}", flush=True)

    # On SIGTERM it ends its servers, processes and disks too, as at Ctrl+C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    say(report.heading(plan))
    _bring_in(plan)
    result = asyncio.run(soak(plan, folder, say))
    if result.findings.clean:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        say(f"logs are kept in {folder}")
    for line in report.lines(result):
        print(line, flush=True)
    return 0 if result.findings.clean else 1


def _bring_in(plan: Plan) -> None:
    """Install missing servers, where that is allowed; otherwise starting them says what is missing."""
    needed = {
        "rabbitmq-server": plan.axis == "amqp" and not rabbit.installed(),
        "postgresql": plan.database == "postgresql" and not postgres.installed(),
    }
    missing = [package for package, is_missing in needed.items() if is_missing]
    if missing and installing.may_install():
        installing.install(missing)


def _plan(words: list[str]) -> Plan:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="documents")
    parser.add_argument("--kills", type=int, default=10, help="faults, spread over the documents")
    parser.add_argument(
        "--seed", type=int, default=None, help="what follows from chance; default: another each time"
    )
    parser.add_argument("--axis", choices=("embedded", "amqp"), default="embedded")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--broker-nodes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--patience", type=float, default=600.0, help="seconds to wait for rest at the end")
    options = parser.parse_args(words)
    return Plan(
        n=options.n,
        kills=options.kills,
        seed=secrets.randbelow(10**6) if options.seed is None else options.seed,
        axis=options.axis,
        database=options.database,
        broker_nodes=options.broker_nodes,
        patience_s=options.patience,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
