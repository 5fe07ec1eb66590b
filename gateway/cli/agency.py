"""`gateway agency profile`: an agency's settings that differ from those of its node. In: a setting, a value, a day. Out:
every setting with its value, the node's, since when and by whom. The commands make calls of the API."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, noun
from gateway.cli.operations import Fields, makes_call, rows_printer

if TYPE_CHECKING:
    from gateway.api.resources.profile import ProfileSettingOut

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
    setting: Annotated[str, typer.Argument(help="A setting, from: gateway agency profile show")],
    value: Annotated[
        str, typer.Argument(help="Its value; several with commas between; an empty one is the node's again.")
    ],
    from_: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day on which it holds; default: at once."),
    ] = None,
) -> Fields:
    """Choose a setting of the agency, at once or from a day on."""
    return {"value": value, "from_day": from_.date().isoformat() if from_ is not None else None}
