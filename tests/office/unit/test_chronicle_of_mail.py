"""Mail that does not leave is a failure in the job history of a process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.errors import Unreachable
from gateway.ports.mail import Mail
from gateway.workers.heartbeat import Pulse
from gateway_office.mail import WatchedMail
from tests.unit.workers.test_pulse import pulse as pulse


@dataclass
class DeadServer:
    is_on: bool = True

    async def send(self, mail: Mail) -> None:
        raise Unreachable("no mail server")


async def test_mail_that_does_not_leave_is_a_failure_of_the_digest_though_its_loop_goes_on(
    pulse: Pulse,
) -> None:
    mailer = WatchedMail(mailer=DeadServer(), pulse=pulse)
    letter = Mail(to=("a@example.test",), subject="s", text="t", id="m")

    with pytest.raises(Unreachable):
        await mailer.send(letter)

    assert mailer.is_on
    assert [(x.job, x.failures) for x in pulse.take_beats()] == [("digest", 1)]
    assert pulse.take_beats() == []
