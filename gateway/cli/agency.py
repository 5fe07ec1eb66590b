"""`gateway agency profile`: an agency's settings that differ from those of its node. In: a setting, a value, a day; the
picture of an emblem. Out: every setting with its value, the node's, since when and by whom. The commands make calls of the
API, except that an emblem is checked and kept by this process."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from gateway.cli import output
from gateway.cli.command import Invocation, argument, noun, option, piped
from gateway.cli.node import CommandContext, operator
from gateway.cli.operations import Fields, makes_call, rows_printer
from gateway.deciding import agency_profile
from gateway.deciding import emblem as emblems
from gateway.domain.agency_profile import EMBLEM, EMBLEM_BYTES

if TYPE_CHECKING:
    from gateway.api.resources.profile import ProfileSettingOut

FirstDay: TypeAlias = Annotated[
    datetime | None, option("First day on which it holds; default: at once.", "--from", formats=["%Y-%m-%d"])
]

_COLUMNS = output.columns("id=setting detail=name state=value source=default since owner=set_by")

verb = noun("agency").noun("profile", "Settings by which the agency differs from its node.").verb


def _cells(call: Invocation, row: ProfileSettingOut) -> dict[str, str]:
    return {"since": output.clock(row.since), "owner": row.set_by or ""}


@verb()
@makes_call("readProfile", tell=rows_printer(_COLUMNS, _cells, id="setting"))
def show() -> Fields:
    """Show every setting with the value in force, the node's value, since when and by whom."""
    return {}


@verb("unsigned_in hold", "paper_types quyet_dinh,to_trinh --from 2027-01-01 --yes", name="set", writes=True)
@makes_call("setProfile", ask="cli.ask.profile")
def set_(
    setting: Annotated[str, argument("A setting, from: gateway agency profile show")],
    value: Annotated[
        str, argument("Its value; several with commas between; an empty one is the node's again.")
    ],
    from_: FirstDay = None,
) -> Fields:
    """Choose a setting of the agency, at once or from a day on."""
    return {"value": value, "from_day": from_.date().isoformat() if from_ is not None else None}


@verb("quoc-huy.png", "bieu-tuong.png --from 2027-01-01 --yes", ask="cli.ask.emblem")
async def emblem(
    call: Invocation,
    context: CommandContext,
    file: Annotated[Path, piped("PNG picture of at most 200 KB, 64 to 1024 pixels a side; or -.")],
    from_: FirstDay = None,
) -> None:
    """Give the agency an emblem, which stands above its name on what it prints. Taken away by: set emblem ''."""
    node, day = context.node, from_.date() if from_ is not None else None
    with file.open("rb") as picture_file:
        content = picture_file.read(EMBLEM_BYTES + 1)
    picture = await emblems.check(node.blobs, node.pool, content)
    by_name = (await operator(node.store)).name
    version = await agency_profile.choose(
        node.store, node.clock, context.scope, by_name, EMBLEM, "", day, picture
    )
    output.record(call, {"id": version.value, "from": output.clock(version.from_when)})
