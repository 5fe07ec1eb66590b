"""Two windows on one draft: what this page says and what is stored by now, field by field, so that nobody puts words over
others unseen. In: the stored sheet and what was typed. Out: (field id, sentence) for each that differs."""

from __future__ import annotations

from gateway.domain.document import Change, Draft
from gateway.office.web.pages.compose import fields
from gateway.office.web.pages.compose.editor import Sheet
from gateway.office.web.visit import Visit

_LABELS = {"title": "signer_title"}
_CHOICES = {
    "type": "type.{}",
    "urgency": "urgency.{}",
    "secrecy": "compose.secrecy.{}",
    "delivery": "delivery.{}",
}
_REPLY = {"yes": "reply.required", "no": "reply.not_required"}


def differences(visit: Visit, stored: Sheet, draft: Draft, change: Change | None) -> list[tuple[str, str]]:
    """None where both say the same."""
    typed = fields.values(draft, change)
    found = [
        (
            _place(name),
            _told(visit, visit.say(f"compose.{_LABELS.get(name, name)}"), _shown(visit, name, text)),
        )
        for name, text in stored.values.items()
        if typed.get(name, "") != text
    ]
    if [(each.code, each.name, each.role) for each in draft.recipients] != [
        (each.code, each.name, each.role) for each in stored.recipients
    ]:
        names = "; ".join(each.name or each.code for each in stored.recipients)
        found.append(("noi-nhan", _told(visit, visit.say("compose.check.recipients"), names)))
    return found


def _told(visit: Visit, field: str, text: str) -> str:
    return visit.say("compose.conflict.stored", field=field, text=text or visit.say("compose.conflict.empty"))


def _place(name: str) -> str:
    return "reply-yes" if name == "reply" else name


def _shown(visit: Visit, name: str, text: str) -> str:
    """As the page writes it."""
    key = _REPLY.get(text, "") if name == "reply" else _CHOICES.get(name, "").format(text)
    return visit.say_or(key, text) if key and text else text
