"""Additions of foreign axes and of the compatibility interface to the program: calls in the dialect of the national axis,
and words of the command line. In: the node's settings. Out: what `gateway.bootstrap.extensions` finds by an entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bootstrap.extensions import Extension, Noun

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.api.deps import ApiDeps
    from gateway.bootstrap.node import OpenNode


def _add_calls(app: web.Application, node: OpenNode, deps: ApiDeps) -> None:
    from gateway_foreign.compat.application import add_interface

    add_interface(app, node, deps)


FOREIGN = Extension(
    is_wanted=lambda settings: settings.compat.vxp,
    adds_paths=_add_calls,
    nouns={
        "compat": Noun(
            sentence="Document systems that use the national axis's library: their credentials, and entries that they "
            "could not take.",
            after_noun="tokens",
            module="gateway_foreign.cli.compat",
        )
    },
    verbs={"axis": ("gateway_foreign.cli.axis",)},
)
