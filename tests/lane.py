"""`python -m tests.lane ARGUMENTS...`: run pytest with these arguments, and run the few tests that failed once more, alone
and in their order. A test that passes then is listed as `FLAKY name`; `tests/flaky.md` has to name its cause and its cure.
Out: exit code 0 where every test passed, or at most `MOST_FLAKY` tests passed at the second try only."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.failures import FAILURES_FILE

MOST_FLAKY = 3
ALL_PASSED, SOME_FAILED = 0, 1


def main(arguments: Sequence[str]) -> int:
    code, failed = _run_pytest(arguments)
    if code != SOME_FAILED or not failed:
        return code
    if len(failed) > MOST_FLAKY:
        print(f"{len(failed)} tests failed: too many to be chance, so none is tried again", flush=True)
        return code
    print(f"\n{len(failed)} failed, and run once more, alone:", flush=True)
    second_code, failed_twice = _run_pytest(failed)
    if second_code not in (ALL_PASSED, SOME_FAILED) or (second_code == SOME_FAILED and not failed_twice):
        # The second run broke off: of no test is it known that it passed.
        return second_code
    flaky = [name for name in failed if name not in failed_twice]
    for name in flaky:
        print(f"FLAKY {name}")
    print(f"{len(flaky)} flaky, {len(failed_twice)} failed twice", flush=True)
    return SOME_FAILED if failed_twice else ALL_PASSED


def _run_pytest(arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Run pytest to its end. Return its exit code and the names of the tests that failed, in the order of failing."""
    with tempfile.TemporaryDirectory(prefix="gateway-lane-") as folder:
        file = Path(folder) / "failures"
        command = [sys.executable, "-m", "pytest", "-p", "tests.support.failures", *arguments]
        code = subprocess.run(command, env=os.environ | {FAILURES_FILE: str(file)}, check=False).returncode
        names = file.read_text("utf-8").splitlines() if file.exists() else []
    return code, list(dict.fromkeys(names))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
