"""Measure what the tests find: set small faults in the product and count how many make a test fail. See README.md."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import faults
from read import read_all
from record import Record, record
from scratch import Scratch, commit_of
from trial import CAUGHT, Results, try_all

LIST = Path(__file__).parent / "faults.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__)
    parser.add_argument("--tree", type=Path, default=Path.cwd(), help="root of the checkout that is measured")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("choose", help="choose the faults anew")
    command = commands.add_parser("record", help="run the tests once and record which lines each executes")
    command.add_argument("record", type=Path)
    command.add_argument("--workers", type=int, default=2)
    command = commands.add_parser("try", help="try the faults that have no result yet")
    command.add_argument("record", type=Path)
    command.add_argument("results", type=Path)
    command.add_argument("--workers", type=int, default=2)
    command.add_argument("--only", type=int, nargs="+", help="numbers of faults")
    command = commands.add_parser("read", help="try faults without a record, with the nearest tests")
    command.add_argument(
        "earlier", type=Path, help="results of an older version, which name the finding tests"
    )
    command.add_argument("results", type=Path)
    command.add_argument("--only", type=int, nargs="+", help="numbers of faults")
    command = commands.add_parser(
        "compare", help="count, and name each fault that was found before and not after"
    )
    command.add_argument("before", type=Path)
    command.add_argument("after", type=Path)
    arguments = parser.parse_args()
    tree = arguments.tree.resolve()
    match arguments.command:
        case "choose":
            faults.save(LIST, faults.choose(tree))
        case "record":
            with scratches(tree, 1) as (scratch,), tempfile.TemporaryDirectory() as folder:
                record(scratch, Path(folder), arguments.record, commit_of(tree), arguments.workers)
        case "try":
            chosen = _choose(arguments.only)
            with scratches(tree, arguments.workers) as copies:
                try_all(chosen, Record(arguments.record), Results(arguments.results), copies)
        case "read":
            earlier = Results(arguments.earlier)
            with scratches(tree, 1) as (scratch,):
                read_all(_choose(arguments.only), earlier, Results(arguments.results), scratch)
        case "compare":
            compare(Results(arguments.before), Results(arguments.after))


def _choose(only: Sequence[int] | None) -> list[faults.Fault]:
    return [fault for fault in faults.load(LIST) if only is None or fault.number in only]


@contextmanager
def scratches(tree: Path, count: int) -> Iterator[list[Scratch]]:
    """Make copies of the checkout for as long as the block runs."""
    with ExitStack() as stack:
        folders = [
            stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)) for _ in range(count)
        ]
        yield [Scratch(tree, Path(folder)) for folder in folders]


def compare(old_results: Results, new_results: Results) -> None:
    """Print counts of both sides and each fault that is lost or won."""
    for name, results in (("before", old_results), ("after", new_results)):
        counts = Counter(outcome.outcome for outcome in results.outcomes.values())
        print(f"{name}: {', '.join(f'{n} {outcome}' for outcome, n in counts.most_common())}")
    for fault in faults.load(LIST):
        old, new = old_results.outcomes.get(fault.number), new_results.outcomes.get(fault.number)
        if old is None or new is None or (old.outcome == CAUGHT) == (new.outcome == CAUGHT):
            continue
        print(f"{'lost' if old.outcome == CAUGHT else 'won'}: {fault.number} {fault.file} {fault.function}")
        print(f"  {fault.kind}: {fault.original} -> {fault.replacement}")
        print(f"  before: {old.outcome} {old.by}; after: {new.outcome} {new.by}")


if __name__ == "__main__":
    main()
