"""The demonstration that stays: the story and the desks once, then the node at work with its API and pages until it is
stopped. In: a folder and a port. Out: addresses and commands to paste, with files to try them in the folder."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from gateway.domain.account import ApiScope, PrincipalKind
from gateway.settings import Settings
from gateway.words import labels
from gateway_labs.demo import desks, people, stage, story
from gateway_labs.demo.people import Invited
from gateway_labs.demo.witnesses import witnessed
from gateway_office.bootstrap.office import Office, open_office
from gateway_office.domain.roles import PostRole

# Rights of the demo's keys: every right, for one agency each.
SCOPES = frozenset(ApiScope)
# Persons whose links are printed; the others' accounts are opened by an administrator, on the pages.
ROLES_WITH_LINKS = frozenset(
    {
        *(PostRole.CLERK, PostRole.HEAD, PostRole.OFFICER),
        *(PostRole.AGENCY_ADMIN, PostRole.OPERATOR, PostRole.AUDITOR, PostRole.INSPECTOR),
    }
)
HOT, LETTER = "hot-folder", "van-ban-thu"
# Arrivals in a folder are not offered to the API, so the agency that has one is given no key.
OF_FOLDER = "commune"
PROGRAMS = tuple(actor for actor in stage.ACTORS if actor != OF_FOLDER)
Say = Callable[..., None]


async def serve(
    folder: Path, port: int, say: Say, answer: Callable[[Office, Callable[[str], None]], Awaitable[None]]
) -> None:
    """Stage the folder, tell the story, lay the desks, and answer until `answer` returns. `say(key, **params)` speaks to a
    person; `answer(node, ready)` serves the API and calls `ready` with its address."""
    settings = settings_for(folder, port)
    say("demo.staging", folder=folder)
    settings.folder.root.mkdir(parents=True, exist_ok=True)  # type: ignore[union-attr]  # set just above
    earlier = desks.EarlierClock()
    await stage.prepare(settings, earlier)
    stage.write_revocation(settings, earlier)
    say("demo.signing")
    cast = await story.prepare_cast(settings, earlier)
    say("demo.telling")
    await desks.days_ago(settings, cast, earlier, say)
    async with witnessed(settings, folder) as settings, open_office(settings) as node:
        keys = {actor: await new_key(node, actor) for actor in PROGRAMS}
        _write_samples(node, cast, folder)
        await story.seal_log(node)
        async with story.at_work(node):
            say("demo.desks")
            await desks.just_now(node, cast)
            listed = [x for x in await people.accounts(node) if x.role in ROLES_WITH_LINKS]
            invited = await people.renew_links(node.accounts, listed)
            await answer(node, lambda url: _explain(say, url, folder, keys, invited))


def settings_for(folder: Path, port: int) -> Settings:
    """Return the settings of the stage, with a hot folder of one agency, and webhooks of programs on this machine."""
    settings = stage.with_local_webhooks(stage.settings_for(folder, port=port))
    code = stage.cast().code(OF_FOLDER)
    hot = replace(settings.folder, root=folder / HOT, agencies=code, settle_s=1.0, look_s=1.0)
    return replace(settings, folder=hot)


async def new_key(node: Office, actor: str) -> str:
    """Make a fresh API key; the store keeps its hash alone, so each run makes its own."""
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
    """Write the files of the printed commands: a document to send, and settings for the command line."""
    write_sample(node, cast, folder)
    _write_letter(node, cast, folder / LETTER)
    toml = f'[folder]\nroot = "{(folder / HOT).resolve()}"\nagencies = "{cast.code(OF_FOLDER)}"\n'
    log = node.settings.log
    toml += f'[log]\nwitnesses = "{log.witnesses}"\nwitness_every_s = {log.witness_every_s}\n'
    toml += f'[webhooks]\nnetworks = "{stage.LOOPBACK}"\nplain_http = "yes"\n'
    stage.write_settings(node.settings, folder, toml)


def write_sample(node: Office, cast: stage.Cast, folder: Path) -> None:
    """Write the document that a command sends, and its metadata."""
    today = node.out.today()
    _write_json(folder / "van-ban.json", _meta_of(cast, "try", today))
    (folder / "van-ban.pdf").write_bytes(cast.file("try", 0, today))


def _meta_of(cast: stage.Cast, key: str, today: date) -> dict[str, object]:
    document = cast.document(key)
    name, title, competence = document["signer"]
    return {
        "number": document["number"],
        "symbol": document["symbol"],
        "date": cast.issued_on(key, today).isoformat(),
        "type": document["type"],
        "subject": document["subject"],
        "urgency": "thuong",
        "secrecy": "none",
        "signer": {"name": name, "title": title, "competence": competence},
        "reply_required": False,
        "recipients": [{"code": cast.code(actor), "role": "to_act"} for actor in document["to"]],
    }


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), "utf-8")


def send_command(url: str, folder: Path, key: str) -> str:
    """Return the command that sends the sample by curl."""
    return (
        f'curl -sS {url}/api/v1/messages -H "Authorization: Bearer {key}" '
        f'-H "Idempotency-Key: $(date +%s)" -F meta=@{folder / "van-ban.json"} -F lead=@{folder / "van-ban.pdf"}'
    )


def _write_letter(node: Office, cast: stage.Cast, letter: Path) -> None:
    """Write a document of the agency that has the hot folder, to be laid into it."""
    today, key = node.out.today(), "try-folder"
    letter.mkdir(exist_ok=True)
    files = [{"name": "van-ban.pdf", "role": "lead"}]
    _write_json(letter / "meta.json", _meta_of(cast, key, today) | {"files": files})
    (letter / "van-ban.pdf").write_bytes(cast.file(key, 0, today))


def _explain(say: Say, url: str, folder: Path, keys: dict[str, str], invited: list[Invited]) -> None:
    cast = stage.cast()
    say("demo.open", url=url)
    say_people(say, url, invited)
    say("demo.copy", passphrase=desks.PASSPHRASE)
    for actor, key in keys.items():
        say("demo.key", code=cast.code(actor), name=cast.data[actor]["name"], secret=key)
    say("demo.try")
    for command in _commands(url, folder, keys):
        say("demo.command", command=command)
    say("demo.sandbox")
    say("demo.ready")


def say_people(say: Say, url: str, invited: Sequence[Invited]) -> None:
    """Say each person's way in."""
    for person in invited:
        say(
            "demo.person" if person.code else "demo.known",
            name=person.name,
            role=labels.say(f"post.{person.role}"),
            login=person.login,
            link=f"{url}/lien-ket/{person.code}" if person.code else url,
        )


def _commands(url: str, folder: Path, keys: dict[str, str]) -> list[str]:
    """Return one round trip by curl, and the same node by its command line."""
    base = f"{url}/api/v1"
    gateway = f".venv/bin/gateway --config {folder / 'gateway.toml'}"
    return [
        send_command(url, folder, keys["province"]),
        f'curl -sS "{base}/inbox?state=new" -H "Authorization: Bearer {keys["department"]}"',
        f'curl -sS "{base}/events?wait=25" -H "Authorization: Bearer {keys["province"]}"',
        f"{gateway} --agency {stage.cast().code('province')} outbox list",
        f"{gateway} --agency {stage.cast().code('department')} inbox list",
        f"cp -r {folder / LETTER} {folder / HOT / stage.cast().code(OF_FOLDER) / 'out'}/",
        f"{gateway} folder status",
        f"{gateway} doctor",
    ]
