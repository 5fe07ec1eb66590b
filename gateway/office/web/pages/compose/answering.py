"""What the form of a new document is answered with: the page again with what is wrong; to a script that asks for a piece
the sentences, or the parts of the page that are others by now; and wherein a page and what is stored differ. In: a sheet,
a stored draft. Out: an answer, or sentences with their fields."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.document import DocumentChange, Draft, OutgoingDocument
from gateway.errors import GatewayError
from gateway.office.web.pages.compose import checking, editor, fields
from gateway.office.web.pages.compose.editor import Sheet
from gateway.office.web.visits import Visit

NO_STORE = {"Cache-Control": "no-store"}
_LABELS = {"title": "signer_title"}
_CHOICES = {
    "type": "type.{}",
    "urgency": "urgency.{}",
    "secrecy": "compose.secrecy.{}",
    "delivery": "delivery.{}",
}
_REPLY = {"yes": "reply.required", "no": "reply.not_required"}


def differences(
    visit: Visit, stored: Sheet, draft: Draft, change: DocumentChange | None
) -> list[tuple[str, str]]:
    """None where both say the same."""
    typed = fields.values(draft, change)

    def told(field: str, text: str) -> str:
        said = text or visit.say("compose.conflict.empty")
        return visit.say("compose.conflict.stored", field=visit.say(f"compose.{field}"), text=said)

    found = [
        (
            "reply-yes" if name == "reply" else name,
            told(_LABELS.get(name, name), _value_shown(visit, name, text)),
        )
        for name, text in stored.values.items()
        if typed.get(name, "") != text
    ]
    if [(each.code, each.name, each.role) for each in draft.recipients] != [
        (each.code, each.name, each.role) for each in stored.recipients
    ]:
        names = "; ".join(each.name or each.code for each in stored.recipients)
        found.append(("noi-nhan", told("check.recipients", names)))
    return found


def _value_shown(visit: Visit, name: str, text: str) -> str:
    """As the page writes it."""
    key = _REPLY.get(text, "") if name == "reply" else _CHOICES.get(name, "").format(text)
    return visit.say_or(key, text) if key and text else text


def at_part(answer: web.Response, part: str) -> web.Response:
    if part:
        answer.headers["Location"] += f"#{part}"
    return answer


async def refused(visit: Visit, sheet: Sheet, problems: list[tuple[str, str]]) -> web.StreamResponse:
    """The page with what is wrong; to a script the sentences, and which draft it is by now."""
    if not visit.is_piece:
        return await editor.show_sheet(visit, sheet, problems=problems)
    told = {"problems": [text for _, text in problems], **_standing(sheet.document)}
    return web.json_response(told, status=422, headers=NO_STORE)


def _standing(document: OutgoingDocument | None) -> dict[str, object]:
    if document is None:
        return {}
    return {"version": document.version, "path": f"/phat-hanh/{document.id}"}


async def parts(
    visit: Visit, stored: OutgoingDocument, words: str, *, with_recipients: bool = False
) -> web.StreamResponse:
    """To a script: what was done, and the parts of the page that are others by now."""
    values = await editor.part_values(visit, editor.sheet_of_document(stored))
    told = {**_standing(stored), "words": words, "left": visit.piece("compose/_left.html", **values).text}
    if with_recipients:
        told["recipients"] = visit.piece("compose/_recipients.html", **values).text
    return web.json_response(told, headers=NO_STORE)


def reasons(visit: Visit, why: GatewayError, name: str) -> list[tuple[str, str]]:
    found = getattr(getattr(why, "verdict", None), "reasons", ())
    if not found:
        return [(name, visit.why(why))]
    return [(name or place, words) for place, words in (checking.reason_said(visit, each) for each in found)]
