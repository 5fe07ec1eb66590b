"""A session's token: random, kept as a digest, and the root of the tokens of its forms."""

from __future__ import annotations

import base64

from gateway.office.domain import session


def test_a_token_has_256_random_bits() -> None:
    made = {session.new_token() for _ in range(100)}

    assert len(made) == 100
    assert {len(base64.urlsafe_b64decode(each + "=")) for each in made} == {32}


def test_a_form_belongs_to_one_session_and_tells_nothing_of_it() -> None:
    one, other = session.new_token(), session.new_token()
    form = session.form_token(one)

    assert session.is_form_token(one, form)
    assert not session.is_form_token(other, form)
    assert not session.is_form_token(one, form[:-1])
    assert not session.is_form_token(one, "")
    assert not session.is_form_token("", session.form_token(""))
    assert not session.is_form_token(one, chr(0xDCFF))
    assert form not in (one, session.digest_of(one))
    # Whoever reads the table knows the digest, which makes no form.
    assert not session.is_form_token(one, session.form_token(session.digest_of(one)))
