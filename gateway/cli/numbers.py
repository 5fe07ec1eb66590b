"""`gateway numbers`: numbers of outgoing documents, where the node gives them. In: a notation and type, or a number's name;
a reason. Out: the next number, all numbers with their states, one reserved, given back or void. The commands make calls of
the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from gateway.cli import output
from gateway.cli.command import Invocation, Limit, argument, noun, option
from gateway.cli.operations import Fields, makes_call, rows_printer
from gateway.domain.numbers import NumberState

if TYPE_CHECKING:
    from gateway.api.resources.numbers import NumberOut

_COLUMNS = output.columns("number series state until document=code reason id")
Symbol = Annotated[str, option("Notation, such as TB-UBND.")]
Type = Annotated[str, option("Key or name of the type.", "--type")]
Day = Annotated[str | None, option("Date of the document: 2026-11-20; default: today.", "--date")]
Name = Annotated[str, argument("Name of the number, from: gateway numbers list")]
Why = Annotated[str, option("Reason; it is kept with the number.")]

verb = noun("numbers").verb


def _cells(call: Invocation, row: NumberOut) -> dict[str, str]:
    return {"state": call.word(f"books.number.{row.state}"), "until": output.clock(row.until)}


@verb("", "--state void,free --year 2026 -o json")
@makes_call("listNumbers", tell=rows_printer(_COLUMNS, _cells))
def list_(
    year: Annotated[int | None, option("Default: this year.", min=1900, max=9998)] = None,
    series: Annotated[str, option("One series, such as HC.thong_bao.")] = "",
    state: Annotated[list[NumberState] | None, option("Show only numbers in this state (repeat).")] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, option("Continue from this cursor.", "--after")] = None,
) -> Fields:
    """List numbers of outgoing documents by series, with their states."""
    return {
        "year": year,
        "series": series,
        "state": [s.value for s in state or ()],
        "limit": limit,
        "cursor": cursor,
    }


@verb("--symbol TB-UBND", "--type thong_bao --date 2026-11-20")
@makes_call("nextNumber")
def next_(symbol: Symbol = "", type_: Type = "", date: Day = None) -> Fields:
    """Show the number and the notation that a document would get now; it is not reserved."""
    return {"symbol": symbol, "type": type_, "date": date}


@verb("--symbol TB-UBND", "--symbol UBND-VP --days 5 --yes", writes=True)
@makes_call("reserveNumber", ask="books.number.ask.reserve")
def reserve(
    symbol: Symbol = "",
    type_: Type = "",
    date: Day = None,
    days: Annotated[int, option("Days until the reservation ends.", min=1, max=30)] = 3,
) -> Fields:
    """Reserve the next number, to print and sign a document with it before it is sent."""
    return {"symbol": symbol, "type": type_, "date": date, "days": days}


@verb("2026.HC.thong_bao.15", "2026.HC.thong_bao.15 --why 'Not issued' --yes", writes=True)
@makes_call("releaseNumber", ask="books.number.ask.release")
def release(number: Name, why: Why = "") -> Fields:
    """Give a reserved number back; the next document gets it."""
    return {"reason": why}


@verb("2026.HC.thong_bao.15 --why 'Signed twice'", "2026.HC.thong_bao.15 --why Cancelled --yes", writes=True)
@makes_call("voidNumber", ask="books.number.ask.void")
def void(number: Name, why: Why) -> Fields:
    """Make the number of a document that is not sent void; it goes to no other document."""
    return {"reason": why}
