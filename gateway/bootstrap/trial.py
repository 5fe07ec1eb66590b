"""Keeps trial nodes and real nodes apart, before anything is opened. In: settings. Out: Misconfigured where a trial node
would reach beyond its own folder, or where a real node would use the database, the test keys or the trust folder of a
trial. The folder of a trial node has a file `TRIAL` in it, put there before anything else is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.errors import Misconfigured
from gateway.settings import Settings

MARK = "TRIAL"


def refuse_mixture(settings: Settings) -> None:
    """Return where the settings are those of a real node on folders of its own, or of a trial node within its own."""
    marked = [folder for folder in _folders(settings) if _is_marked(folder)]
    if settings.node.trial != "on":
        if marked:
            raise Misconfigured(
                f"{marked[0]} was made for a trial: its test keys and its data never reach a real axis",
                hint="use other folders, or start it as it was made, with gateway sandbox",
            )
        return
    if settings.node.data_dir not in marked:
        raise Misconfigured(
            f"node.trial is on, and {settings.node.data_dir} was not made for a trial",
            hint="a real node has node.trial = off; gateway sandbox makes a trial node in a folder of its own",
        )
    if (reach := next(_outside_reasons(settings), None)) is not None:
        raise Misconfigured(
            f"a trial node works within its own folder alone: {reach}", hint="take it out again"
        )


def _folders(settings: Settings) -> tuple[Path, ...]:
    return settings.node.data_dir, settings.keys.folder, settings.trust.folder


def _is_marked(folder: Path) -> bool:
    """Tell whether the folder, or its parent, has the mark."""
    return any((f / MARK).is_file() for f in (folder, folder.parent))


def _outside_reasons(settings: Settings) -> Iterator[str]:
    """Name the settings that would reach out of the node's folder."""
    home = settings.node.data_dir.resolve()
    for name, alone in settings.each_axis().items():
        if alone.axis.kind != "embedded":
            yield f"axis.kind is {alone.axis.kind}{f' ({name})' if name else ''}"
        elif not alone.axis.folder.resolve().is_relative_to(home):
            yield f"axis.folder is {alone.axis.folder}"
    file = settings.database.address.partition(":///")[2]
    if not settings.database.address.startswith("sqlite") or not Path(file).resolve().is_relative_to(home):
        yield "database.url is no file in it"
    if settings.keys.pkcs11_module is not None or settings.sign.module is not None:
        yield "keys lie on a token"
    for folder in _folders(settings):
        if not folder.resolve().is_relative_to(home):
            yield f"{folder} lies elsewhere"
