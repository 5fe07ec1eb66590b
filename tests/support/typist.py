"""Runs one command line in a process that was forked with the program loaded, so that a test need not pay for its start.
In: the words, a terminal, files for both outputs. Out: the exit code of the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import gateway.bootstrap.node
import gateway.bootstrap.signing
import gateway.trust.pdf_signing.agency_key  # noqa: F401 - all of these only to be there before the fork
from gateway import program


def type_line(
    words: Sequence[str], terminal: str, out: str, err: str, folder: str, environment: Mapping[str, str]
) -> None:
    """Run the program at a terminal of its own, and exit with its code."""
    os.setsid()
    for number, path in enumerate((terminal, out, err)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - processes like this one begin without
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    code = program.run(words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
