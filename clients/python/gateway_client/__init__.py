"""A client of a document exchange node, for document systems: send, receive, follow events, and check webhooks. It needs
nothing but Python. Begin with `Client`; requests and answers of the node are in `shapes`, exceptions in `errors`."""

from gateway_client import caller
from gateway_client.client import Client
from gateway_client.errors import (
    BadAnswer,
    BadCall,
    ChangedContent,
    Conflict,
    CursorGone,
    Fault,
    ForgedWebhook,
    GatewayClientError,
    NoAnswer,
    NodeTrouble,
    NotAllowed,
    NotFound,
    Problem,
    Refused,
    StaleVersion,
    TooManyCalls,
)
from gateway_client.feed import Feed
from gateway_client.files import File
from gateway_client.inbox import Received, Taken
from gateway_client.patience import Patience
from gateway_client.shapes import EventOut, InboxItem, Message, MessageIn, StatusIn
from gateway_client.webhooks import verify_webhook

__version__ = caller.VERSION

__all__ = [
    "BadAnswer",
    "BadCall",
    "ChangedContent",
    "Client",
    "Conflict",
    "CursorGone",
    "EventOut",
    "Fault",
    "Feed",
    "File",
    "ForgedWebhook",
    "GatewayClientError",
    "InboxItem",
    "Message",
    "MessageIn",
    "NoAnswer",
    "NodeTrouble",
    "NotAllowed",
    "NotFound",
    "Patience",
    "Problem",
    "Received",
    "Refused",
    "StaleVersion",
    "StatusIn",
    "Taken",
    "TooManyCalls",
    "__version__",
    "verify_webhook",
]
