"""The rules of an agency for incoming letters: the list with a form for one more, a rule to be changed, and for each rule
its trial on the last month, where it is switched on. In: an administrator; a rule as typed. Out: pages; the newest letters
that a rule would have met are named only to a person who reads all letters of the agency."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import web

from gateway.domain.document import URGENCY_KEYS, Urgency
from gateway.errors import NotFound
from gateway_office.domain.roles import Manner, Right
from gateway_office.letters.office_rules import RuleChoices, RuleKeeper
from gateway_office.policy.office_rules import LONGEST, OfficeRule, RuleActs, RuleCondition, find_faults
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import Place, both

PATH = f"{accounts.HOME}/quy-tac"
# By the word in the address.
_ACTS = {"thu": "try", "tat": "off", "bo": "remove"}
_URGENCIES = {key: urgency for urgency, key in URGENCY_KEYS.items()}


async def _open(request: PageRequest) -> tuple[Place, RuleKeeper]:
    place, by, deps = await accounts.chosen_agency(request), accounts.administrator(request), request.deps
    return place, RuleKeeper(inn=deps.inn, accounts=deps.accounts, by=by, agency_id=place.id)


async def show_rules(request: PageRequest) -> web.StreamResponse:
    """Show the rules with a form for one more or for the one of the address, and save what the form asks for."""
    place, keeper = await _open(request)
    rules, choices = await keeper.load()
    id = request.form.text("id") if request.is_act else request.ask("id")
    typed_rule = _read_rule(request, len(rules))
    rule = next((rule for rule in rules if rule.id == id), typed_rule)
    if rule.id != id:
        raise NotFound(f"the agency has no rule {id[:80]}")
    faults = find_faults(typed_rule) if request.is_act else []
    if request.is_act and not faults:
        await keeper.save(typed_rule)
        return request.confirm(PATH, "admin.rule.saved", **{"co-quan": place.key})
    return await request.form_page(
        "admin/rules.html",
        [(field, request.say(f"office_rule.fault.{fault}")) for field, fault in faults],
        title=request.say("admin.rules"),
        rows=[(row, choices.missing(row.acts), _say_rule(request, row, choices.people)) for row in rules],
        rule=typed_rule if request.is_act else rule,
        here=place,
        places=[(p.key, p.name) for p in await accounts.list_agencies(request)],
        people=choices.people,
        longest=LONGEST,
        **_options(request, choices),
    )


def _options(request: PageRequest, choices: RuleChoices) -> Mapping[str, object]:
    none = ("", request.say("office_rule.none"))
    urgencies = [(key, request.say(f"urgency.{key}")) for key, urgency in _URGENCIES.items() if urgency]
    return {
        "units": [none, *((unit.name, f"{'– ' * depth}{unit.name}") for unit, depth in choices.units)],
        "tags": [none, *((name, name) for name in choices.tags)],
        "urgencies": [("", request.say("office_rule.urgency.any")), *urgencies],
    }


def _read_rule(request: PageRequest, position: int) -> OfficeRule:
    """Read the rule as typed; what it did before is judged anew."""
    form, days = request.form, request.form.text("days").strip()
    return OfficeRule(
        id=form.text("id"),
        name=" ".join(form.text("name").split()),
        position=_number(form.text("position"), position + 1),
        condition=RuleCondition(
            sender=form.text("sender").strip().upper()[: LONGEST["sender"]],
            below=form.text("below") == "1",
            type_name=" ".join(form.text("type").split())[: LONGEST["words"]],
            words=" ".join(form.text("subject").split())[: LONGEST["words"]],
            urgency=_URGENCIES.get(form.text("urgency"), Urgency.NORMAL),
        ),
        acts=RuleActs(
            unit=form.text("unit")[: LONGEST["words"]],
            days=_number(days, 0) if days else None,
            tag=form.text("tag")[: LONGEST["words"]],
            people=tuple(form.all("people")),
            mails=form.text("mails") == "1",
        ),
        made_by=request.person.person.id,
        made_at=request.deps.clock.now(),
    )


def _number(text: str, default: int) -> int:
    return int(text) if re.fullmatch("[0-9]{1,4}", text) else default


def _say_rule(request: PageRequest, rule: OfficeRule, people: Mapping[str, str]) -> tuple[str, str]:
    """Say the condition and the acts of a rule, each in one line."""
    say, condition, acts = request.say, rule.condition, rule.acts
    senders = "below" if condition.below else "sender"
    when = [
        (say(f"office_rule.says.{senders}", code=condition.sender), condition.sender),
        (say("office_rule.says.type", type=condition.type_name), condition.type_name),
        (say("office_rule.says.words", words=condition.words), condition.words),
        (say("office_rule.says.urgency", urgency=say(f"urgency.{condition.urgency.key}")), condition.urgency),
    ]
    names = ", ".join(people[id] for id in acts.people if id in people)
    then = [
        (say("office_rule.says.unit", unit=acts.unit), acts.unit),
        (say("office_rule.says.days", count=acts.days or 0), acts.days),
        (say("office_rule.says.tag", tag=acts.tag), acts.tag),
        (say("office_rule.says.mails" if acts.mails else "office_rule.says.people", names=names), names),
    ]
    return "; ".join(w for w, is_set in when if is_set), "; ".join(w for w, is_set in then if is_set)


async def act_on_rule(request: PageRequest) -> web.StreamResponse:
    """Show the trial of a rule and switch it on; or ask whether to switch it off or remove it, and do so."""
    (place, keeper), act = await _open(request), _ACTS.get(request.path("act"))
    rule = next((rule for rule in (await keeper.load())[0] if rule.id == request.path("id")), None)
    if rule is None or act is None:
        raise NotFound("the agency has no such rule, or there is no such act")
    # A rule that was changed since the trial was shown is tried again.
    stamp = rule.made_at.isoformat()
    if request.is_act and request.form.text("stamp") == stamp:
        if act == "remove":
            await keeper.remove(rule)
        else:
            await keeper.switch(rule, is_on=act == "try")
        return request.confirm(PATH, f"admin.rule.{act}", **{"co-quan": place.key})
    trial = await keeper.try_on_month(rule) if act == "try" else None
    may_read = place.id == getattr(request.agency, "id", None) and request.may(Right.SEE_CONTENT, Manner.YES)
    return await request.question(
        None,
        f"admin.rule.{act}",
        back=PATH,
        query={"co-quan": place.key},
        hidden={"place": place.key, "stamp": stamp},
        part="admin/_questions.html",
        which="rule",
        name=rule.name,
        trial=trial,
        may_read=may_read,
        grave=act == "remove",
    )


ROUTES = (
    *both(PATH, "rules", "rule_saved", show_rules),
    *both(f"{PATH}/{{id}}/{{act}}", "rule_ask", "rule_acted", act_on_rule),
)
