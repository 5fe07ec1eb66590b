"""`gateway demo`: two agencies on this machine exchange a document before your eyes. Thin: the story is told by
`gateway.demo.story`; here its options are read and its result printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, verb
from gateway.cli.failures import FAILED
from gateway.cli.node import run


def register(app: typer.Typer) -> None:
    verb(app, "demo", examples=("gateway demo", "gateway demo --once -o json --keep demo-data"))(demo)
