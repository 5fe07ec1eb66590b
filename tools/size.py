"""Count lines, for `make check`: the size of the program can only fall. In: the units of `[tool.size]` in pyproject.toml
and what git tracks. Out: a table by package; exit code 1 for a unit above its limit, or far below it."""

import subprocess
import sys
import tomllib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

# Limits are round numbers, and may stand so far above a count: small changes need not touch them.
ROUND = 100
SLACK = 300


def package_of(path: str) -> str:
    """Name the package of a file: `gateway/store`, `office/gateway_office/web`."""
    *folders, _ = path.split("/")
    return "/".join(folders[: 3 if "_" in "".join(folders[1:2]) else 2])


def count(unit: dict, skipped: list[str]) -> Counter[str]:
    """Count the lines of a unit that are not blank, by package; a path that does not exist yet has none."""
    listing = subprocess.run(["git", "ls-files", "-z", *unit["paths"]], capture_output=True, check=True)
    sizes: Counter[str] = Counter()
    for path in map(Path, listing.stdout.decode().split("\0")):
        is_skipped = any(fnmatch(path.as_posix(), name) for name in skipped)
        if path.suffix in unit["suffixes"] and path.is_file() and not is_skipped:
            sizes[package_of(path.as_posix())] += sum(
                bool(line.strip()) for line in path.read_text("utf-8").splitlines()
            )
    return sizes


def fault(name: str, size: int, limit: int) -> str:
    """Say what to do where a unit and its limit do not fit, or nothing."""
    key, fitting = f"tool.size.units.{name}.limit", -(-size // ROUND) * ROUND
    if size > limit:
        advice = f"Take away what is superfluous, or raise {key} to {fitting} in the same commit and say why."
        return f"{name}: {size - limit} lines above the limit of {limit}. {advice}\n"
    return f"{name}: {limit - size} lines below its limit. Lower {key} to {fitting}.\n" * (
        limit - size > SLACK
    )


def main() -> str | None:
    """Print every unit, without --check its packages too; return the faults."""
    settings = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["size"]
    faults = ""
    for name, unit in settings["units"].items():
        sizes = count(unit, settings["skipped"])
        if "--check" not in sys.argv:
            print(*(f"{size:>8}  {package}\n" for package, size in sorted(sizes.items())), sep="", end="")
        print(f"{sizes.total():>8}  {name} (limit {unit['limit']})")
        faults += fault(name, sizes.total(), unit["limit"])
    return faults.rstrip() or None


if __name__ == "__main__":
    sys.exit(main())
