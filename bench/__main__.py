"""Runs the measurements one after another and prints them: `python -m bench [NAME ...] [--quick]`. Exit status 1 only
when memory or the bytes sent grew past their limit, a document did not arrive as it left, or one was worked on twice; a
time is never judged, because it is the machine's as much as ours."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import amounts, machine, report, results
from bench.measurements import MEASUREMENTS


def main(words: Sequence[str]) -> int:
    """Run the measurements and return the exit status."""
    names = [word for word in words if word in MEASUREMENTS]
    options = _parser(names).parse_args(words)
    unknown = [name for name in options.names if name not in MEASUREMENTS]
    if unknown:
        _parser([]).error(
            f"no measurement is called {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}"
        )
    run = results.Run.begun(machine.facts().as_json())
    _print(report.machine(run.machine))
    for name in names or MEASUREMENTS:
        case_amounts = amounts.numbers_for(
            MEASUREMENTS[name].module.Numbers, quick=options.quick, words=vars(options)
        )
        with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=options.folder) as folder:
            figures = asyncio.run(MEASUREMENTS[name].module.measure(Path(folder), case_amounts))
        _print(MEASUREMENTS[name].words(figures))
        run.add(name, amounts.numbers_json(case_amounts), figures)
        _print(results.compared(run, name))
    path = run.write(results.RECORDED if options.record else options.out)
    print(f"figures and charts: {path}")
    judged = (table for name, table in run.tables.items() if MEASUREMENTS[name].judged)
    return 0 if all(table.figures["holds"] for table in judged) else 1


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<15} {_first(m.module.__doc__)}" for name, m in MEASUREMENTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures the node on this machine.",
        epilog=f"measurements:\n{listed}\n\n`python -m bench NAME --help` shows the options of one. "
        "How each is done: docs/performance.md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which measurements; default all")
    parser.add_argument(
        "--quick", action="store_true", help="less of everything: all of them in a few minutes"
    )
    parser.add_argument(
        "--out", type=Path, default=results.OWN, help="where figures (JSON) and charts (SVG) go"
    )
    parser.add_argument(
        "--record", action="store_true", help="keep them in the source tree, for later runs to compare with"
    )
    parser.add_argument("--folder", type=Path, help="where databases and files go; its disk is measured too")
    amounts.options(parser, {name: MEASUREMENTS[name].module.Numbers for name in names})
    return parser


def _first(text: str | None) -> str:
    return (text or "").replace("\n", " ").partition(". ")[0].rstrip(".")


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
