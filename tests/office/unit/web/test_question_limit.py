"""An address that asks too often waits, alone; all wait where a crowd of addresses asks."""

from __future__ import annotations

from gateway_office.web.question_limit import OF_ADDRESS, OF_ALL, QuestionLimit


def test_one_address_waits_alone_and_a_crowd_together() -> None:
    at = [0.0]
    limit = QuestionLimit(lambda: at[0])
    most, burst = int(OF_ADDRESS.burst), int(OF_ALL.burst)

    assert [limit.take("a") for _ in range(most)] == [0.0] * most
    assert limit.take("a") == 1 / OF_ADDRESS.per_s
    assert [limit.take(f"b{n}") for n in range(burst - most)] == [0.0] * (burst - most)
    assert limit.take("c") == 1 / OF_ALL.per_s
    at[0] = 1 / OF_ALL.per_s
    assert (limit.take("c"), limit.take("d") > 0) == (0.0, True), "what had to wait took nothing"
