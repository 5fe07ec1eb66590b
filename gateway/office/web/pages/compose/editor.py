"""Shows the page of a new document: its four parts, filled from a draft or from a form that was not taken. In: a `Sheet`.
Out: the page. Reads the directory and the groups; writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from gateway.domain.document import (
    URGENCY_KEYS,
    Change,
    DeliveryMode,
    Draft,
    FileRole,
    Kind,
    OutgoingDocument,
    Recipient,
    RecipientRole,
)
from gateway.domain.signatures import FileVerdict, LegalValue
from gateway.errors import Denied
from gateway.office.domain.right import Manner, Right
from gateway.office.web.pages.compose import addressing, checks, fields
from gateway.office.web.pages.compose.seeds import Seed
from gateway.office.web.visit import Visit
from gateway.outgoing import recheck, seal
from gateway.outgoing.addressing import groups
from gateway.outgoing.drafting import remaining
from gateway.words import labels

Problems = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What the page is about: a stored draft, or one that is only begun. `values` and `recipients` are what the form shows;
    `ticked` what was confirmed in the last part."""

    draft: Draft
    kind: Kind = Kind.DOCUMENT
    change: Change | None = None
    document: OutgoingDocument | None = None
    mode: str = ""
    of: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    recipients: tuple[Recipient, ...] = ()
    ticked: tuple[str, ...] = ()

    @property
    def doubts(self) -> tuple[tuple[str, str], ...]:
        return self.document.doubts if self.document else ()


def of_seed(seed: Seed) -> Sheet:
    return Sheet(
        draft=seed.draft,
        kind=seed.kind,
        change=seed.change,
        mode=seed.mode,
        of=seed.of,
        values=fields.values(seed.draft, seed.change),
        recipients=seed.draft.recipients,
    )


def of_document(document: OutgoingDocument) -> Sheet:
    return Sheet(
        draft=document.draft,
        kind=document.kind,
        change=document.change,
        document=document,
        values=fields.values(document.draft, document.change),
        recipients=remaining(document.draft, document.change),
    )


async def load(visit: Visit, id: str) -> OutgoingDocument:
    """The draft of that id, for who may work on it: officers and heads of units on their own ones. Clash when it is
    sealed."""
    async with visit.deps.store.read(visit.scope()) as work:
        document = await work.outgoing.get(id)
    is_own = document.accepted_by == visit.person.person.id
    everything = visit.may(Right.DRAFT, Manner.YES) and visit.may(Right.SEE_CONTENT, Manner.YES)
    if not (is_own or everything):
        raise Denied("this draft is not one of this person", code="GW-RIGHT")
    seal.refuse_sealed(document)
    return document


def may_send(visit: Visit, kind: Kind) -> bool:
    """Issuing is the clerk's; to change what was sent the same clerk names who approved it."""
    if not visit.may(Right.ISSUE, Manner.YES):
        return False
    return kind is Kind.DOCUMENT or visit.may(Right.RECALL, Manner.RECORDED, Manner.YES)


async def show(
    visit: Visit,
    sheet: Sheet,
    *,
    problems: Problems = (),
    checked: recheck.Checked | None = None,
    status: int = 200,
) -> web.Response:
    """The page whole."""
    document = sheet.document
    shown = await addressing.rows(visit, sheet.recipients)
    name = visit.say(
        f"compose.title.{sheet.kind.value if sheet.kind is not Kind.DOCUMENT else sheet.mode or 'new'}"
    )
    title = f"{visit.say('compose.error')} {name}" if problems else name
    return await visit.page(
        "compose/edit.html",
        status,
        title=title,
        heading=name,
        sheet=sheet,
        path=f"/phat-hanh/{document.id}" if document else "/phat-hanh",
        problems=list(problems),
        values=sheet.values,
        doubts=_doubts(visit, sheet),
        rows=shown,
        asked=sum(each.is_asked for each in shown),
        files=file_rows(document) if document else [],
        unsigned=document is not None and _is_unsigned(document),
        groups=await groups(visit.deps.store, visit.scope()),
        check=checks.told(visit, checked, sheet) if checked else None,
        may_send=may_send(visit, sheet.kind),
        may_sign=visit.may(Right.SIGN_AGENCY, Manner.YES),
        options=_options(visit, sheet),
        limit=visit.deps.out.profile.max_file_bytes,
        whole_limit=visit.deps.out.profile.max_document_bytes,
    )


def _options(visit: Visit, sheet: Sheet) -> Mapping[str, list[tuple[str, str]]]:
    types = sorted(((key, visit.say(f"type.{key}")) for key in fields.TYPES), key=lambda each: each[1])
    own = sheet.values.get("type", "")
    if own and own not in fields.TYPES:
        types.insert(0, (own, own))
    return {
        "type": [("", visit.say("compose.choose")), *types],
        "urgency": [(key, visit.say(f"urgency.{key}")) for key in URGENCY_KEYS.values()],
        "delivery": [("", visit.say("compose.delivery.by_class"))]
        + [(each.value, visit.say(f"delivery.{each}")) for each in DeliveryMode],
        "role": [(each.value, visit.say(f"role.{each}")) for each in RecipientRole],
        "file_role": [(each.value, visit.say(f"file_role.{each}")) for each in FileRole],
        "secrecy": [
            (key, visit.say(f"compose.secrecy.{key}")) for key in ("none", "mat", "toi_mat", "tuyet_mat")
        ],
    }


def _doubts(visit: Visit, sheet: Sheet) -> Mapping[str, str]:
    """Why a field is to be looked at, by field."""
    return {
        name: visit.say(f"doubt.{why}") if labels.has(f"doubt.{why}") else visit.say("sure.doubtful")
        for name, why in sheet.doubts
    }


def file_rows(document: OutgoingDocument) -> list[dict[str, object]]:
    """`checked` is `clean` only of what a scanner looked at whole and found no malware in."""
    verdicts = {each.n: each for each in document.signatures}
    return [
        {
            "n": item.n,
            "name": item.name,
            "role": item.role.value,
            "type": item.content_type.upper(),
            "size": item.size,
            "pages": item.pages,
            "checked": "clean" if item.scanned_clean else "typed",
            "sha256": item.sha256,
            "verdict": verdicts[item.n].verdict.value if item.n in verdicts else "",
            "signers": _signers(verdicts.get(item.n)),
        }
        for item in document.files
    ]


def _signers(verdict: FileVerdict | None) -> list[str]:
    if verdict is None:
        return []
    return [" – ".join(filter(None, (each.name, each.organisation))) for each in verdict.signers]


def _is_unsigned(document: OutgoingDocument) -> bool:
    """Whether the lead file lacks the agency's own signature."""
    has_lead = any(each.role is FileRole.LEAD for each in document.files)
    return has_lead and document.legal_value is not LegalValue.OFFICIAL
