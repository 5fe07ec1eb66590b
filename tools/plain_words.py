#!/usr/bin/env python3
"""Count how much of a Python tree is written in words that only its authors know. Usage: [FOLDER] [--worst N], --check or
--record.

Four counts, each per 1,000 lines of the tree:
- names: functions, classes, parameters and local variables that are a bare participle, pronoun or filler (`told`,
  `found`, `each`, `_that_left`) in place of the noun or verb of the thing;
- docstrings: first sentences of functions and classes that begin with a pronoun or a question word in place of a verb
  or the noun that is described;
- comments: lines of comments and docstrings that speak of "whoever", "nobody", "what is told" and the like;
- generic: names that are one general noun (`item`, `data`), so that renaming by script does not pass for naming.
A name is judged by its last word (`_facts_told` by `told`); predicates (`is_known`) pass. `pyproject.toml` holds the
terms of the field, the places that keep a name which others read, and the limits of each folder. `plain_words.json`
holds the count of each file, in names, docstrings and comments. `--check` demands the limits, and that no file has more
than its count; `--record` writes the counts where their sum has not risen, as after moves.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


# As the last word of any name.
VAGUE = words(
    """told said asked known found given made shown seen looked came gone taken heard meant wanted each ones others this
    that these those what who whose there here whole rest again anew way thing things stuff unasked untold unsaid
    believed gathered carried laid let doing"""
)
# Only where they are the whole name.
BARE = words(
    """one of off over before until after about around where left put held kept done named typed written spelled waited
    led apart aside beside besides further later such so"""
)
# Too general to say anything; fine now and then, a sign of renaming by script where they are many.
GENERIC = words(
    """item items element elements entry obj object data result results value values info stuff tmp temp record
    current"""
)
SETTINGS = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["plain_words"]
# Terms of the field: the last two words of a name.
TERMS = frozenset(SETTINGS["terms"])
# Patterns of `file:Class.name` or `file:function.name`, and those of them that met a name.
PLACES = SETTINGS["places"]
met_places: set[str] = set()
RECORD = Path("tools/plain_words.json")
PREDICATE = re.compile(r"^_*(is|has|was|are|can|should|needs|may|must)_")
OPENERS = words(
    """what who whoever whose whom where whether how when nobody somebody everybody anybody nothing something
    everything of the-same the-one as by so such"""
)
SPEECH = re.compile(
    r"\b(whoever|nobody|somebody|everybody|anybody|whose word|what is told|what was told|is told|are told|what waits|"
    r"who asks|what came|what goes|what stands|stands in the way|of which|by which|that much|as it is)\b",
    re.IGNORECASE,
)


def words_of(name: str) -> list[str]:
    """Split an identifier into its words, in lower case."""
    return [part.lower() for part in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]


def is_vague(name: str) -> bool:
    """Tell whether a name leaves open what it names."""
    words = words_of(name)
    if not words or PREDICATE.match(name) or "_".join(words[-2:]) in TERMS:
        return False
    return words[-1] in VAGUE or (len(words) == 1 and words[0] in BARE)


def bound_names(tree: ast.AST, scope: str = "") -> Iterator[tuple[str, str, int]]:
    """Yield the names that the module itself gives (definitions, parameters, assignments and loop variables), each with the
    class or function around it."""
    for node in ast.iter_child_nodes(tree):
        inner = scope
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, scope, node.lineno
            inner = node.name
        elif isinstance(node, ast.arg):
            yield node.arg, scope, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, scope, node.lineno
        yield from bound_names(node, inner)


def keeps_name(path: Path, scope: str, name: str) -> bool:
    """Tell whether the settings let this place keep its name."""
    place = f"{path.as_posix()}:{scope}.{name}"
    met = {pattern for pattern in PLACES if fnmatchcase(place, pattern)}
    met_places.update(met)
    return bool(met)


def is_generic(name: str) -> bool:
    """Tell whether a name is one general noun and nothing else."""
    words = words_of(name)
    return len(words) == 1 and words[0] in GENERIC


def opens_badly(docstring: str) -> bool:
    """Tell whether a docstring begins with a pronoun or question word."""
    first = re.match(r"[A-Za-z-]+", docstring.strip())
    return bool(first) and first.group().lower() in OPENERS


@dataclass
class Counts:
    """Counts of one file or tree, with the places of names and docstrings."""

    lines: int = 0
    comments: int = 0
    generic: int = 0
    names: list[tuple[str, int]] = field(default_factory=list)
    docstrings: list[tuple[str, int]] = field(default_factory=list)

    def add(self, other: Counts) -> None:
        """Add another file's counts."""
        self.lines += other.lines
        self.comments += other.comments
        self.generic += other.generic
        self.names += other.names
        self.docstrings += other.docstrings

    @property
    def total(self) -> int:
        """Return how much there is to mend; general nouns are fine one by one."""
        return len(self.names) + len(self.docstrings) + self.comments

    def rates(self) -> dict[str, float]:
        """Return the four counts per 1,000 lines."""
        counts = {
            "names": len(self.names),
            "docstrings": len(self.docstrings),
            "comments": self.comments,
            "generic": self.generic,
        }
        return {name: round(count * 1000 / max(self.lines, 1), 2) for name, count in counts.items()}


def judge(path: Path) -> Counts:
    """Count one file."""
    text = path.read_text(encoding="utf-8-sig")
    tree = ast.parse(text)
    bound = list(bound_names(tree))
    counts = Counts(text.count("\n"), generic=sum(is_generic(name) for name, _, _ in bound))
    counts.names = [
        (name, line)
        for name, scope, line in bound
        if is_vague(name) and not name.startswith("test_") and not keeps_name(path, scope, name)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            docstring = ast.get_docstring(node)
            if docstring and opens_badly(docstring):
                counts.docstrings.append((f"{node.name}: {docstring.splitlines()[0][:80]}", node.lineno))
    counts.comments = sum(
        len(SPEECH.findall(token.string))
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
        or (token.type == tokenize.STRING and token.string.startswith(('"""', 'r"""')))
    )
    return counts


def judge_tree(folder: Path) -> dict[Path, Counts]:
    """Count every file below a folder but migrations, which stay as databases took them."""
    return {path: judge(path) for path in sorted(folder.rglob("*.py")) if "migrations" not in path.parts}


def total(files: dict[Path, Counts]) -> Counts:
    """Add up the counts of all files."""
    counts = Counts()
    for one_file in files.values():
        counts.add(one_file)
    return counts


def show(files: dict[Path, Counts], worst: int) -> None:
    """Print the counts of a tree, and its worst files."""
    counts = total(files)
    rates = ", ".join(f"{name} {rate}" for name, rate in counts.rates().items())
    print(f"{counts.lines} lines; per 1,000 of them: {rates}")
    for path, file in sorted(files.items(), key=lambda row: -row[1].total)[:worst]:
        print(f"{file.total:4} {path}")
        for text, line in [*file.names[:3], *file.docstrings[:3]]:
            print(f"       :{line} {text}")


def judge_all() -> dict[str, dict[Path, Counts]]:
    """Count every folder that has limits."""
    return {folder: judge_tree(Path(folder)) for folder in SETTINGS["limits"]}


def check() -> int:
    """Print folders above their limits, files above their recorded count, and what is to be recorded or deleted; return 1
    where there is any."""
    faults, folders = list[str](), judge_all()
    for folder, limits in SETTINGS["limits"].items():
        rates = total(folders[folder]).rates()
        above = [
            f"{name} {rates[name]} (limit {limit})" for name, limit in limits.items() if rates[name] > limit
        ]
        if above:
            faults.append(f"{folder}: per 1,000 lines {', '.join(above)}")
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    files = {path.as_posix(): counts for tree in folders.values() for path, counts in tree.items()}
    for path, counts in files.items():
        if counts.total > record.get(path, 0):
            places = ", ".join(f"{text} (line {line})" for text, line in [*counts.names, *counts.docstrings])
            faults.append(f"{path}: {counts.total}, before {record.get(path, 0)}; say it plainly: {places}")
    fallen = [path for path, count in record.items() if path not in files or files[path].total < count]
    if fallen:
        faults.append(f"fewer than recorded, run tools/plain_words.py --record: {', '.join(fallen)}")
    idle = [pattern for pattern in PLACES if pattern not in met_places]
    faults += [
        f"{pattern}: keeps no name any more; delete it from tool.plain_words.places" for pattern in idle
    ]
    print("\n".join(faults), end="\n" * bool(faults))
    return int(bool(faults))


def record_counts() -> int:
    """Write the count of each file; return 1, and write nothing, where their sum would rise."""
    files = {path.as_posix(): counts.total for tree in judge_all().values() for path, counts in tree.items()}
    new = {path: count for path, count in sorted(files.items()) if count}
    old = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else new
    if sum(new.values()) > sum(old.values()):
        risen = [path for path, count in new.items() if count > old.get(path, 0)]
        print(f"{sum(new.values())} in all, before {sum(old.values())}; more in {', '.join(risen)}")
        return 1
    RECORD.write_text(json.dumps(new, indent=0) + "\n", encoding="utf-8")
    return 0


def main() -> int:
    """Show one folder, or check or record all that have limits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", default="gateway", type=Path)
    parser.add_argument("--worst", type=int, default=15)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    if arguments.check or arguments.record:
        return check() if arguments.check else record_counts()
    show(judge_tree(arguments.folder), arguments.worst)
    return 0


if __name__ == "__main__":
    sys.exit(main())
