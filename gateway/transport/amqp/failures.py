"""Turns what the broker's library raises into sentences and outcomes of ours. In: an exception. Out: words, or an
`Outcome` that says whether the same parcel may go later. No exception of the library is seen outside of this package."""

from __future__ import annotations

import asyncio
import re
import ssl

from aio_pika import exceptions as amqp
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelInvalidStateError,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from gateway.errors import Misconfigured, Unreachable
from gateway.ports import Fate, Outcome

# What a broken line, a closed channel or a broker that says no can raise; a bug of ours is none of these.
BROKEN: tuple[type[BaseException], ...] = (
    amqp.AMQPError,
    ChannelInvalidStateError,
    OSError,
    TimeoutError,
    Misconfigured,
    Unreachable,
)
_CURES = (
    (ProbableAuthenticationError, "the broker refuses this user: check amqp.user and the password"),
    (amqp.AuthenticationError, "the broker offers no way to log in that this program knows"),
    (InvalidFrameError, "the broker ends the line at once: check amqp.vhost, and that this user may use it"),
    (amqp.ChannelNotFoundEntity, "what this node needs is not on the broker: run gateway axis apply"),
    (ChannelAccessRefused, "this node's user may not do this: run gateway axis apply"),
)


_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


def said(error: BaseException) -> str:
    """One sentence without a trace, with the cure where it is known."""
    text = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    if isinstance(error, TimeoutError) and not error.args:
        text = "no answer in time"
    if isinstance(error, asyncio.CancelledError):  # so the library ends a line on which no heartbeat came
        text = "nothing was heard from the broker"
    if isinstance(error, Misconfigured) and error.hint:
        text = f"{text}; {error.hint}"
    # The library raises it again as an error of its own.
    behind = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(behind, ssl.SSLCertVerificationError):
        cure = (
            "renew it at the broker"
            if behind.verify_code == _EXPIRED
            else "check amqp.ca and the host's name"
        )
        text = f"the broker's certificate is not accepted: {behind.verify_message}; {cure}"
    cure = next((cure for kind, cure in _CURES if isinstance(error, kind)), "")
    return f"{cure} ({text})" if cure else text


def later(error: BaseException) -> Outcome:
    """Nothing of these is the parcel's own fault, so the same parcel may go another time."""
    return Outcome(fate=Fate.LATER, code=_code(error), detail=said(error))


def _code(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "axis-slow"
    if isinstance(error, amqp.DeliveryError | amqp.ChannelPreconditionFailed):
        return "axis-refused"
    if isinstance(error, amqp.ChannelNotFoundEntity | ChannelAccessRefused):
        return "axis-rights"
    return "axis-down"


def is_missing(error: BaseException) -> bool:
    """Whether the broker does not know the queue or exchange that was named."""
    return isinstance(error, amqp.ChannelNotFoundEntity)
