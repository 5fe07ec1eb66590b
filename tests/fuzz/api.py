"""Calls the API of a running node as its own OpenAPI document describes it, and as it forbids: every operation, good and
bad data, every check that the tool knows. In: how many examples, a seed. Out: the tool's exit code and report."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gateway.api.deps import ApiOptions
from tests.support import api

_NOT_CHECKED = "positive_data_acceptance"
"""A schema cannot say all of what good data must be here: which part of a multipart comes first, whose cursor it is, that
no text has control characters, which rule of office a document breaks. That bad data is refused is checked."""
OPTIONS = ApiOptions(poll_s=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Exit code and report of the tool."""

    exit: int
    report: str


async def call_all(door: api.Door, folder: Path, examples: int, seed: int, phases: str) -> Outcome:
    """Call every operation that the node describes, with a good key."""
    key = await door.key(api.DEPARTMENT)
    config = folder / "schemathesis.toml"
    # Which fields an answer has when some are chosen is in no schema; tests/office/unit/api/test_fields.py asks that.
    section = '[parameters]\n"query.fields" = ""\n'
    config.write_text(f'request-timeout = 30.0\n\n{section}\n[auth.openapi.key]\nbearer = "{key}"\n')
    words = [
        *(f"--config-file={config}", "run", str(door.client.make_url(f"{api.BASE}/openapi.json"))),
        *(
            "--checks=all",
            f"--exclude-checks={_NOT_CHECKED}",
            f"--phases={phases}",
            f"--max-examples={examples}",
            f"--seed={seed}",
        ),
        *("--continue-on-failure", "--no-color", "--output-truncate=false", "--warnings=off"),
    ]
    report = folder / "report.txt"
    with report.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", *words), cwd=folder, stdout=out, stderr=out
        )
        ended = await process.wait()
    return Outcome(exit=ended, report=report.read_text(errors="replace"))


async def _long(folder: Path, examples: int, seed: int) -> Outcome:
    async with api.opened(folder / "stage", folder / "node", OPTIONS) as door:
        return await call_all(door, folder, examples, seed, "examples,coverage,fuzzing,stateful")


def main(examples: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        api.staged(Path(name) / "stage")
        outcome = asyncio.run(_long(Path(name), examples, seed))
    print(outcome.report)
    return outcome.exit


if __name__ == "__main__":
    sys.exit(
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    )
