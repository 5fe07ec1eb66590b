"""One command of the program in a process of its own, with its memory: python -m bench.command WORD … In: the command's
words. Out: its own output on stderr, then one line of JSON: the memory when its modules were loaded, and the peak."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout

import gateway.ops.backup
import gateway.ops.restore  # noqa: F401 - as the import above: loaded before anything is measured
from bench import machine
from gateway.program import run


def main() -> int:
    """Run the command and return its exit code."""
    machine.forget_peak()
    idle = machine.resident()
    with redirect_stdout(sys.stderr):
        code = run(sys.argv[1:])
    print(json.dumps({"idle": idle, "peak": machine.peak()}))
    return code


if __name__ == "__main__":
    sys.exit(main())
