"""A session's token: random, kept as a digest, and the root of the tokens of its forms."""

from __future__ import annotations

import base64

from gateway_office.domain import session


def test_a_token_has_256_random_bits() -> None:
    tokens = {session.new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert {len(base64.urlsafe_b64decode(token + "=")) for token in tokens} == {32}


def test_a_form_belongs_to_one_session_and_tells_nothing_of_it() -> None:
    token, other = session.new_token(), session.new_token()
    form = session.form_token(token)

    assert session.is_form_token(token, form)
    assert not session.is_form_token(other, form)
    assert not session.is_form_token(token, form[:-1])
    assert not session.is_form_token(token, "")
    assert not session.is_form_token("", session.form_token(""))
    assert not session.is_form_token(token, chr(0xDCFF))
    assert form not in (token, session.digest_of(token))
    # A reader of the table knows the digest, which makes no valid form.
    assert not session.is_form_token(token, session.form_token(session.digest_of(token)))
