"""Work counted in place of time: how many steps a reader of text takes, the same on every machine. In: modules whose
patterns, normal forms and lines are to be counted. Out: a number. Patterns are run a second time by a backtracking engine
of our own, which keeps to the parse tree of the standard library and so goes the ways that its engine goes."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import groupby
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]  # the library's own, typed nowhere
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import pytest

_ONE_LETTER = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.IN, _constants.ANY)
_NOTHING = (_constants.ASSERT, _constants.ASSERT_NOT, _constants.AT)
# An instruction: its name, and where it goes on or what it asks of the text.
_Program = list[tuple[Any, ...]]


class TooMuchWork(Exception):
    """More steps than were to be counted."""


class Work:
    """Steps since it was made; no more than `most` are counted."""

    def __init__(self, most: float = float("inf")) -> None:
        self.steps = 0
        self.most = most

    def of_pattern(self, pattern: re.Pattern[Any], method: str, text: Any) -> int:
        """The steps of one call."""
        steps_before = self.steps
        _CountedPattern(pattern, self)._walk(method, text)
        return self.steps - steps_before

    @contextmanager
    def counted(self, *modules: ModuleType) -> Iterator[None]:
        """Count what these modules do: lines that they run, steps of their patterns, marks that they put in order."""
        with pytest.MonkeyPatch.context() as patched:
            for module in modules:
                for name, value in vars(module).copy().items():
                    if (counted := self._counting(value)) is not None:
                        patched.setattr(module, name, counted)
            files = {module.__file__ for module in modules}
            tracer = sys.gettrace()
            sys.settrace(partial(self._trace, files))
            try:
                yield
            finally:
                sys.settrace(tracer)

    def _counting(self, value: object) -> object | None:
        """Return a counting stand-in for a value of a module; None where the value does no work."""
        if isinstance(value, re.Pattern):
            return _CountedPattern(value, self)
        if value is re:
            calls = {name: partial(self._call, name) for name in ("split", "sub", "search", "match")}
            return SimpleNamespace(**{**vars(re), **calls, "compile": self._compile})
        if value is unicodedata:
            return SimpleNamespace(**{**vars(unicodedata), "normalize": self._normalize})
        return None

    def _compile(self, *words: Any) -> _CountedPattern:
        return _CountedPattern(re.compile(*words), self)

    def _call(self, name: str, pattern: str, *words: Any) -> Any:
        return getattr(self._compile(pattern), name)(*words)

    def _normalize(self, form: Any, text: str) -> str:
        """Putting the marks of one letter in order takes the square of their number."""
        runs = (
            len([*run]) for is_mark, run in groupby(text, lambda c: unicodedata.combining(c) > 0) if is_mark
        )
        self.steps += len(text) + sum(run * run for run in runs)
        return unicodedata.normalize(form, text)

    def _trace(self, files: set[str | None], frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        self.steps += event == "line"
        return partial(self._trace, files)


class _CountedPattern:
    """A pattern that counts its steps and answers as the real one does."""

    def __init__(self, pattern: re.Pattern[Any], work: Work) -> None:
        self._real, self._work = pattern, work
        self._program = _program_of(pattern)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        return partial(self._counted, name, real) if callable(real) else real

    def _counted(self, name: str, real: Callable[..., Any], *words: Any) -> Any:
        trace = sys.gettrace()
        sys.settrace(None)  # the engine's own lines are no work
        try:
            self._walk(name, words[1] if name == "sub" else words[0])
        finally:
            sys.settrace(trace)
        return real(*words)

    def _walk(self, name: str, text: str) -> None:
        at = 0
        while at <= len(text):
            end = self._run(text, at, is_whole=name == "fullmatch")
            if name in ("match", "fullmatch") or (name == "search" and end is not None):
                return
            at = max(at + 1, end or 0)

    def _run(self, text: str, start: int, *, is_whole: bool, program: _Program | None = None) -> int | None:
        """Return the end of the first match from there, counting every step taken until then."""
        program = self._program if program is None else program
        ways = [(0, start)]
        while ways:
            place, at = ways.pop()
            while place < len(program):
                self._work.steps += 1
                if self._work.steps > self._work.most:
                    raise TooMuchWork
                step, target, *other = program[place]
                if step == "atomic":
                    # Of what is inside no other way is tried once one was found.
                    end = self._run(text, at, is_whole=False, program=target)
                    if end is None:
                        break
                    place, at = place + 1, end
                elif step == "split":
                    ways.append((other[0], at))
                    place = target
                elif step == "jump":
                    place = target
                elif target(text, at) is None:
                    break
                else:
                    place, at = place + 1, at + (step == "one")
            else:
                if at == len(text) or not is_whole:
                    return at
        return None


@cache
def _program_of(pattern: re.Pattern[str]) -> _Program:
    writer = _Writer(pattern.flags)
    writer.emit(_parser.parse(pattern.pattern, pattern.flags))
    return writer.program


class _Writer:
    """Writes the program of a parse tree."""

    def __init__(self, flags: int) -> None:
        self.program: _Program = []
        self._flags = flags

    def emit(self, nodes: Sequence[tuple[Any, Any]]) -> None:
        for node in nodes:
            kind, argument = node
            if kind in _ONE_LETTER or kind in _NOTHING:
                own = _parser.SubPattern(_parser.State(), [node])
                match = _compiler.compile(own, self._flags).match
                self.program.append(("one" if kind in _ONE_LETTER else "nothing", match))
            elif kind is _constants.SUBPATTERN:
                self.emit(argument[-1])
            elif kind in (_constants.ATOMIC_GROUP, _constants.POSSESSIVE_REPEAT):
                inside = _Writer(self._flags)
                if kind is _constants.ATOMIC_GROUP:
                    inside.emit(argument)
                else:
                    inside._emit_repeat(*argument, is_greedy=True)
                self.program.append(("atomic", inside.program))
            elif kind is _constants.BRANCH:
                self._emit_branches(argument[1])
            else:
                assert kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT), f"{kind} is not counted"
                self._emit_repeat(*argument, is_greedy=kind is _constants.MAX_REPEAT)

    def _emit_branches(self, branches: Sequence[Any]) -> None:
        jumps = []
        for branch in branches[:-1]:
            split = self._reserve()
            self.emit(branch)
            jumps.append(self._reserve())
            self.program[split] = ("split", split + 1, len(self.program))
        self.emit(branches[-1])
        for jump in jumps:
            self.program[jump] = ("jump", len(self.program))

    def _emit_repeat(self, least: int, most: Any, inside: Any, *, is_greedy: bool) -> None:
        for _ in range(least):
            self.emit(inside)
        splits = []
        for _ in range(1 if most is _constants.MAXREPEAT else most - least):
            splits.append(self._reserve())
            self.emit(inside)
            if most is _constants.MAXREPEAT:
                self.program.append(("jump", splits[0]))
        for split in splits:
            ways = (split + 1, len(self.program))
            self.program[split] = ("split", *(ways if is_greedy else ways[::-1]))

    def _reserve(self) -> int:
        self.program.append(())
        return len(self.program) - 1
