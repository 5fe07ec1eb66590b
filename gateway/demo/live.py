"""The demonstration that stays: the story and the desks once, then the node at work with its API and pages until it
is told to stop. In: a folder and a port. Out: what to open and what to type, ready to paste, with files to try it in
the folder."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from gateway.demo import desks, people, stage, story
from gateway.demo.people import Invited
from gateway.domain.account import ApiScope, PrincipalKind
from gateway.office.bootstrap.office import Office, open_office
from gateway.office.domain.roles import PostRole
from gateway.words import labels

# What the demo's keys may do: everything there is, for one agency each.
SCOPES = frozenset(ApiScope)
# Whose links are printed; the others' accounts are opened by an administrator, on the pages.
SHOWN = frozenset(
    {
        *(PostRole.CLERK, PostRole.HEAD, PostRole.OFFICER),
        *(PostRole.AGENCY_ADMIN, PostRole.OPERATOR, PostRole.AUDITOR),
    }
)
Say = Callable[..., None]


async def serve(
    folder: Path, port: int, say: Say, answer: Callable[[Office, Callable[[str], None]], Awaitable[None]]
) -> None:
    """Stages the folder, tells the story, lays the desks, and answers until `answer` returns. `say(key, **params)` speaks
    to a person; `answer(node, ready)` serves the API and calls `ready` with its address."""
    settings = stage.settings_for(folder, port=port)
    say("cli.demo.staging", folder=folder)
    earlier = desks.EarlierClock()
    await stage.prepare(settings, earlier)
    stage.write_revocation(settings, earlier)
    say("cli.demo.signing")
    cast = await story.prepare_cast(settings, earlier)
    say("cli.demo.telling")
    await desks.days_ago(settings, cast, earlier, say)
    async with open_office(settings) as node:
        keys = {actor: await _key(node, actor) for actor in stage.ACTORS}
        _write_samples(node, cast, folder)
        async with story.at_work(node):
            say("cli.demo.desks")
            await desks.just_now(node, cast)
            shown = [each for each in await stage.accounts(node) if each.role in SHOWN]
            invited = await people.linked(node.accounts, shown)
            await answer(node, lambda url: _explain(say, url, folder, keys, invited))


async def _key(node: Office, actor: str) -> str:
    """A fresh API key; the store keeps its hash alone, so each run makes its own."""
    code = stage.cast().code(actor)
    agency = await node.store.accounts.hosted_by_code(code)
    name = stage.cast().words("trial_program").format(code=code)
    principal = await node.store.accounts.principal_for(PrincipalKind.PROGRAM, name)
    secret = "gwk_" + secrets.token_urlsafe(32)
    await node.store.accounts.add_key(
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
        principal=principal,
        agency_ids=[agency.id] if agency else [],
        scopes=SCOPES,
        expires_at=node.clock.now() + timedelta(days=30),
    )
    return secret


def _write_samples(node: Office, cast: stage.Cast, folder: Path) -> None:
    """What the printed commands refer to: a document to send, and settings for the command line."""
    told, today = cast.document("try"), node.out.today()
    name, title, competence = told["signer"]
    meta = {
        "number": told["number"],
        "symbol": told["symbol"],
        "date": cast.issued_on("try", today).isoformat(),
        "type": told["type"],
        "subject": told["subject"],
        "urgency": "thuong",
        "secrecy": "none",
        "signer": {"name": name, "title": title, "competence": competence},
        "reply_required": False,
        "recipients": [{"code": cast.code("department"), "role": "to_act"}],
    }
    (folder / "van-ban.json").write_text(json.dumps(meta, ensure_ascii=False, indent=2), "utf-8")
    (folder / "van-ban.pdf").write_bytes(cast.file("try", 0, today))
    (folder / "gateway.toml").write_text(f'[node]\nname = "demo"\ndata_dir = "{folder.resolve()}"\n', "utf-8")


def _explain(say: Say, url: str, folder: Path, keys: dict[str, str], invited: list[Invited]) -> None:
    cast = stage.cast()
    say("cli.demo.open", url=url)
    for one in invited:
        say(
            "cli.demo.person" if one.code else "cli.demo.known",
            name=one.name,
            role=labels.say(f"post.{one.role}"),
            login=one.login,
            link=f"{url}/lien-ket/{one.code}" if one.code else url,
        )
    say("cli.demo.copy", passphrase=desks.PASSPHRASE)
    for actor, key in keys.items():
        say("cli.demo.key", code=cast.code(actor), name=cast.data[actor]["name"], secret=key)
    say("cli.demo.try")
    for command in _commands(url, folder, keys):
        say("cli.demo.command", command=command)
    say("cli.demo.ready")


def _commands(url: str, folder: Path, keys: dict[str, str]) -> list[str]:
    """One round trip by curl, and the same node by its command line."""
    base = f"{url}/api/v1"
    gateway = f".venv/bin/gateway --config {folder / 'gateway.toml'}"
    return [
        f'curl -sS {base}/messages -H "Authorization: Bearer {keys["province"]}" '
        f'-H "Idempotency-Key: $(date +%s)" -F meta=@{folder / "van-ban.json"} -F lead=@{folder / "van-ban.pdf"}',
        f'curl -sS "{base}/inbox?state=new" -H "Authorization: Bearer {keys["department"]}"',
        f'curl -sS "{base}/events?wait=25" -H "Authorization: Bearer {keys["province"]}"',
        f"{gateway} --agency {stage.cast().code('province')} outbox list",
        f"{gateway} --agency {stage.cast().code('department')} inbox list",
        f"{gateway} doctor",
    ]
