"""Where things lie in the hot folder of one agency, and what the operator set of it. In: the root, the agency's code. Out:
the agency's directory, with those below it made. Sync: use it in the pool.

    <root>/<agency>/out/                    what is to be sent
    <root>/<agency>/sent/yyyy/MM/dd/        what was accepted, with X.result.json
    <root>/<agency>/error/                  what was refused, with X.error.txt
    <root>/<agency>/in/<id>/                incoming documents, until somebody deletes or moves the folder
    <root>/<agency>/events.ndjson           everything that happened to them, a line each
    <root>/<agency>/.gateway/               the node's own: moves under way, what was handed over, how far it told"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.account import HostedAgency
from gateway.errors import NotFound, StoreFailure
from gateway.folder.places import CODE, Place
from gateway.policy.folder_names import is_folder_of

OUT, SENT, ERROR, IN = "out", "sent", "error", "in"
OWN = ".gateway"
PLANS, GIVEN, DRAFTS = (OWN, "plans"), (OWN, "given"), (OWN, "drafts")
EVENTS = "events.ndjson"
_OWNER = "node.json"
# In the data folder: which root this node worked in.
NOTE = "folder.json"
_ROOT = ".gateway-root"
_MADE = ((OUT,), (SENT,), (ERROR,), (IN,), (OWN,), PLANS, GIVEN, DRAFTS)
_MOST_OWN = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRules:
    """As it was set. `agencies` are those that have a folder; None: each that this node hosts."""

    root: Path
    node: str
    note: Path
    """Where this node keeps which root it worked in."""
    agencies: frozenset[str] | None = None
    look_s: float = 5.0
    settle_s: float = 5.0
    wait_s: float = 600.0
    batch: int = 50
    most_in: int = 1000
    sent_days: int = 0
    error_days: int = 0
    """For how long what was accepted or refused is kept; nought: for ever."""

    def has_folder(self, agency: HostedAgency) -> bool:
        named = self.agencies is None or agency.code.casefold() in self.agencies
        return named and agency.left_at is None and is_folder_of(agency.code)


@contextmanager
def opened(root: Path, code: str, *, make: bool = False) -> Iterator[Place]:
    """The agency's directory. NotFound where it was never made; a root that is not there is never made, because a share
    that is not mounted would be taken for an empty one."""
    if not is_folder_of(code):
        raise StoreFailure(f"the code {code[:40]!r} cannot name a folder", code=CODE)
    with Place.at(root) as top, top.within(code, make=make) as base:
        if make:
            for steps in _MADE:
                base.within(*steps, make=True).__exit__(None, None, None)
        yield base


def claim(base: Place, node: str) -> None:
    """This node's from now on. StoreFailure where it is another one's: two that do not know each other would each send
    what lies there."""
    with base.within(OWN, make=True) as own:
        try:
            told = json.loads(own.read(_OWNER, _MOST_OWN))
        except (NotFound, ValueError):
            told = None
        if not isinstance(told, dict) or "node" not in told:
            own.write(_OWNER, [json.dumps({"node": node}).encode()])
        elif told["node"] != node:
            raise StoreFailure(
                f"the hot folder {base.shown} is worked by node {str(told['node'])[:80]!r}; where that one is gone for "
                f"good, remove {OWN}/{_OWNER}",
                code=CODE,
                hint="gateway folder check",
            )


def know_root(root: Path, note: Path) -> None:
    """As `see_root`; a root that is new to this node is from now on the one that it works in."""
    with Place.at(root) as top:
        there = _seen(top, root, note)
        if _known_root(note).get("root") == str(root):
            return
        if not there:
            there = secrets.token_hex(8)
            top.write(_ROOT, [there.encode() + b"\n"])
    note.write_text(json.dumps({"root": str(root), "id": there}), encoding="utf-8")


def see_root(root: Path, note: Path) -> None:
    """StoreFailure where the root is not the one that this node worked in before: a share that is not mounted leaves an
    empty folder in its place, and what is laid there nobody sees. NotFound where there is none."""
    with Place.at(root) as top:
        _seen(top, root, note)


def _seen(top: Place, root: Path, note: Path) -> str:
    """What the root is marked with; nothing where no node worked in it yet."""
    known = _known_root(note)
    try:
        there = top.read(_ROOT, 200).decode(errors="replace").strip()
    except NotFound:
        there = ""
    if known.get("root") == str(root) and (not there or known.get("id") != there):
        raise StoreFailure(
            f"{root} is not the folder that this node worked in before: is the share mounted? Where it was exchanged "
            f"on purpose, remove {note}",
            code=CODE,
            hint="gateway folder check",
        )
    return there


def _known_root(note: Path) -> dict[str, str]:
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def probe(base: Place) -> None:
    """StoreFailure while the folder takes nothing, as on a full disk: nothing is then taken from it either."""
    with base.within(OWN) as own:
        own.write("probe", [b"\n"])
        own.remove("probe")
