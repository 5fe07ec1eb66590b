"""The mail server's side of a reminder: TLS that is believed, passwords that stay secret, refusals told apart."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import BrokerRefused, Misconfigured, Unreachable
from gateway.pool import ThreadPool
from gateway.ports.mail import Mail
from gateway.settings.options import MailSettings as Where
from gateway.settings.options import Secret
from gateway.settings.reading import read_people
from gateway.transport.mail import NONE, STARTTLS, TLS, SmtpMailer
from tests.support.clock import ManualClock
from tests.support.mail_server import MailServer, running
from tests.support.mail_tls import server_side

SECRET = "not to be told"
MAIL = Mail(to=("a@north.example", "b@north.example"), subject="Văn bản", text="Xin chào\n.\nHết", id="1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return server_side(tmp_path_factory.mktemp("tls"))


def mailer(pool: ThreadPool, server: MailServer, security: str = NONE, **more: object) -> SmtpMailer:
    values: dict[str, object] = {"host": "127.0.0.1", "port": server.port, "timeout_s": 10.0}
    values |= {"security": security, "sender": "node@north.example"}
    return SmtpMailer(Where(**values | more), ManualClock(), pool)  # type: ignore[arg-type]  # one table


@pytest.mark.parametrize("security", [STARTTLS, TLS])
async def test_mail_goes_over_tls_with_a_password_and_arrives_as_it_was_written(
    pool: ThreadPool, authority: tuple[ssl.SSLContext, Path], security: str
) -> None:
    context, ca = authority
    server = MailServer(tls=context, login=("node", SECRET))
    async with running(server, tls_at_once=security == TLS):
        await mailer(pool, server, security, ca=ca, user="node", password=Secret(SECRET)).send(MAIL)

    (mail,) = server.mails
    assert (mail.was_secret, mail.user, mail.to) == (True, "node", list(MAIL.to))
    assert mail.message["Subject"] == MAIL.subject
    assert mail.text.strip() == MAIL.text


async def test_no_blank_of_a_long_subject_is_lost_where_its_line_is_folded(pool: ThreadPool) -> None:
    subjects = [
        f"{'x' * n} Thông báo sự cố: một việc, không việc nào quá hạn của cơ quan" for n in range(1, 40)
    ]
    server = MailServer()
    async with running(server):
        for subject in subjects:
            await mailer(pool, server).send(replace(MAIL, subject=subject))

    assert [sent.message["Subject"] for sent in server.mails] == subjects
    assert max(len(line) for sent in server.mails for line in sent.raw.splitlines()) <= 78


@pytest.mark.parametrize("security", [STARTTLS, TLS])
async def test_a_server_that_nobody_vouches_for_is_told_nothing(
    pool: ThreadPool, authority: tuple[ssl.SSLContext, Path], security: str
) -> None:
    server = MailServer(tls=authority[0], login=("node", SECRET))
    async with running(server, tls_at_once=security == TLS):
        with pytest.raises(BrokerRefused, match="is not believed"):
            await mailer(pool, server, security, user="node", password=Secret(SECRET)).send(MAIL)
    assert server.mails == []


async def test_a_server_without_starttls_gets_no_mail(pool: ThreadPool) -> None:
    async with running(MailServer()) as server:
        with pytest.raises(BrokerRefused, match="lacks what was asked"):
            await mailer(pool, server, STARTTLS).send(MAIL)
    assert server.mails == []


async def test_a_wrong_password_is_said_without_saying_it(
    pool: ThreadPool, authority: tuple[ssl.SSLContext, Path]
) -> None:
    context, ca = authority
    async with running(MailServer(tls=context, login=("node", "another"))) as server:
        sender = mailer(pool, server, STARTTLS, ca=ca, user="node", password=Secret(SECRET))
        with pytest.raises(BrokerRefused, match=r"refused the password \(535\)") as refusal:
            await sender.send(MAIL)
    assert SECRET not in f"{refusal.value!r}{refusal.value.__cause__!r}"
    assert SECRET not in repr(
        Where(host="h", port=1, security=TLS, sender="s@x.example", password=Secret(SECRET))
    )


def test_no_password_goes_over_a_line_that_anybody_reads(pool: ThreadPool) -> None:
    with pytest.raises(Misconfigured, match="in the clear"):
        mailer(pool, MailServer(port=25), NONE, user="node", password=Secret(SECRET))


async def test_later_and_never_are_told_apart(pool: ThreadPool) -> None:
    for command, answer, kind in (
        ("MAIL", "451 later", Unreachable),
        ("MAIL", "550 never", BrokerRefused),
        ("RCPT", "450 busy", Unreachable),
        ("RCPT", "550 nobody", BrokerRefused),
        ("DATA", "554 no", BrokerRefused),
        ("DATA", "421 going", Unreachable),
    ):
        async with running(MailServer(refuses={command: answer})) as server:
            with pytest.raises(kind):
                await mailer(pool, server).send(MAIL)
        assert server.mails == [], (command, answer)


async def test_one_refused_address_does_not_keep_it_from_the_others_or_send_it_twice(
    pool: ThreadPool,
) -> None:
    async with running(MailServer(refused_addresses={"a@north.example"})) as server:
        with pytest.raises(BrokerRefused, match="refused 1 of the addresses"):
            await mailer(pool, server).send(MAIL)
    assert [mail.to for mail in server.mails] == [["b@north.example"]]


async def test_a_server_that_is_gone_or_says_nothing_is_tried_later(pool: ThreadPool) -> None:
    async with running(MailServer(silent=True)) as server:
        with pytest.raises(Unreachable):
            await mailer(pool, server, timeout_s=0.2).send(MAIL)
    with pytest.raises(Unreachable):
        await mailer(pool, server, timeout_s=5.0).send(MAIL)


def test_a_sender_that_is_no_address_is_refused_at_start(pool: ThreadPool) -> None:
    for address in ("", "nobody", "a@x.example\nBcc: b@x.example", "a b@x.example"):
        with pytest.raises(Misconfigured, match="no mail address"):
            mailer(pool, MailServer(port=25), NONE, sender=address)


def test_people_are_named_by_code() -> None:
    assert read_people("Z91.01=a@x.example, z91.01 = b@x.example,Z91.02=c@x.example") == {
        "z91.01": ("a@x.example", "b@x.example"),
        "z91.02": ("c@x.example",),
    }
    assert read_people("") == {}
    for wrong in ("a@x.example", "Z91.01=", "=a@x.example"):
        with pytest.raises(Misconfigured, match=r"mail\.people"):
            read_people(wrong)
