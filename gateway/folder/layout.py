"""Layout of one agency's hot folder, and the operator's settings of it. In: the root, the agency's code. Out: the agency's
directory, with those below it made. Sync: use it in the pool.

    <root>/<agency>/out/                    entries to send
    <root>/<agency>/sent/yyyy/MM/dd/        accepted entries, with X.result.json
    <root>/<agency>/error/                  refused entries, with X.error.txt
    <root>/<agency>/in/<id>/                incoming documents, until the folder is deleted or moved
    <root>/<agency>/events.ndjson           their events, a line each
    <root>/<agency>/.gateway/               the node's own: moves under way, handed-over documents, the last event"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway import random_source
from gateway.domain.account import HostedAgency
from gateway.errors import NotFound, StoreFailure
from gateway.folder.places import CODE, Place
from gateway.policy.folder_names import is_folder_of

OUT, SENT, ERROR, IN = "out", "sent", "error", "in"
OWN = ".gateway"
PLANS, HANDED_OVER, DRAFTS = (OWN, "plans"), (OWN, "given"), (OWN, "drafts")
EVENTS = "events.ndjson"
_OWNER = "node.json"
# In the data folder: names the root that this node worked in.
NOTE = "folder.json"
_ROOT = ".gateway-root"
_FOLDERS = ((OUT,), (SENT,), (ERROR,), (IN,), (OWN,), PLANS, HANDED_OVER, DRAFTS)
_MOST_OWN = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRules:
    """Settings of the hot folder. `agencies` are those that have one; None means every hosted agency."""

    root: Path
    node: str
    note: Path
    """File in which this node records the root that it has worked in."""
    agencies: frozenset[str] | None = None
    look_s: float = 5.0
    settle_s: float = 5.0
    wait_s: float = 600.0
    batch: int = 50
    most_in: int = 1000
    sent_days: int = 0
    error_days: int = 0
    """How many days accepted or refused entries are kept; 0 means for ever."""

    def has_folder(self, agency: HostedAgency) -> bool:
        is_included = self.agencies is None or agency.code.casefold() in self.agencies
        return is_included and agency.left_at is None and is_folder_of(agency.code)


@contextmanager
def open_base(root: Path, code: str, *, make: bool = False) -> Iterator[Place]:
    """Open the agency's directory. Raises NotFound where it was never made. A missing root is never made, since an
    unmounted share would be taken for an empty one."""
    if not is_folder_of(code):
        raise StoreFailure(f"the code {code[:40]!r} cannot name a folder", code=CODE)
    with Place.open_root(root) as top, top.within(code, make=make) as base:
        if make:
            for steps in _FOLDERS:
                base.within(*steps, make=True).__exit__(None, None, None)
        yield base


def claim(base: Place, node: str) -> None:
    """Claim the folder for this node. Raises StoreFailure where another node owns it: both would send its entries."""
    with base.within(OWN, make=True) as own:
        try:
            owner = json.loads(own.read(_OWNER, _MOST_OWN))
        except (NotFound, ValueError):
            owner = None
        if not isinstance(owner, dict) or "node" not in owner:
            own.write(_OWNER, [json.dumps({"node": node}).encode()])
        elif owner["node"] != node:
            raise StoreFailure(
                f"the hot folder {base.path} is worked by node {str(owner['node'])[:80]!r}; where that one is gone for "
                f"good, remove {OWN}/{_OWNER}",
                code=CODE,
                hint="gateway folder check",
            )


def check_and_note_root(root: Path, note: Path) -> None:
    """Check the root as `check_root` does, and record a root that is new to this node."""
    with Place.open_root(root) as top:
        root_id = _root_mark(top, root, note)
        if _noted_root(note).get("root") == str(root):
            return
        if not root_id:
            root_id = random_source.token_hex(8)
            top.write(_ROOT, [root_id.encode() + b"\n"])
    note.write_text(json.dumps({"root": str(root), "id": root_id}), encoding="utf-8")


def check_root(root: Path, note: Path) -> None:
    """Raise StoreFailure where this node has worked in the root before, but its mark is missing or another: an unmounted
    share leaves an empty folder, and files put into it would be lost. Raises NotFound where there is none."""
    with Place.open_root(root) as top:
        _root_mark(top, root, note)


def _root_mark(top: Place, root: Path, note: Path) -> str:
    """Return the id in the root's mark; empty where no node worked in it yet. StoreFailure where it is not the recorded
    one."""
    noted = _noted_root(note)
    try:
        root_id = top.read(_ROOT, 200).decode(errors="replace").strip()
    except NotFound:
        root_id = ""
    if noted.get("root") == str(root) and (not root_id or noted.get("id") != root_id):
        raise StoreFailure(
            f"{root} is not the folder that this node worked in before: is the share mounted? Where it was exchanged "
            f"on purpose, remove {note}",
            code=CODE,
            hint="gateway folder check",
        )
    return root_id


def _noted_root(note: Path) -> dict[str, str]:
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def probe(base: Place) -> None:
    """Raise StoreFailure while the folder cannot be written, as on a full disk, so that entries stay in it."""
    with base.within(OWN) as own:
        own.write("probe", [b"\n"])
        own.remove("probe")
