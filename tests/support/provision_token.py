"""Puts keys and certificates on tokens in software, in a process of its own: the PKCS#11 library reads its settings once.
In: a plan as JSON on stdin: the module, and for each token its label, PIN and keys. Out: nothing, or an error."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.util.ec import decode_ec_private_key
from pkcs11.util.rsa import decode_rsa_private_key


def main() -> None:
    plan = json.load(sys.stdin)
    library = pkcs11.lib(plan["module"])
    for token in plan["tokens"]:
        with library.get_token(token_label=token["label"]).open(user_pin=token["pin"], rw=True) as session:
            for n, key in enumerate(token["keys"], start=1):
                store_key(session, bytes([n]), key)


def store_key(session: Any, key_id: bytes, facts: dict[str, str]) -> None:
    der = base64.b64decode(facts["key"])
    key = load_der_private_key(der, None)
    template: dict[Attribute, Any]
    if isinstance(key, rsa.RSAPrivateKey):
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        bare = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        template = decode_rsa_private_key(bare)
    else:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        bare = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        template = decode_ec_private_key(bare)
        template[Attribute.KEY_TYPE] = KeyType.EC
    own = {
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.SIGN: True,
        Attribute.ID: key_id,
        Attribute.LABEL: facts["label"],
    }
    session.create_object(template | own)
    if facts.get("certificate"):
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.CERTIFICATE,
                Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                Attribute.TOKEN: True,
                Attribute.ID: key_id,
                Attribute.LABEL: facts["label"],
                Attribute.SUBJECT: base64.b64decode(facts["subject"]),
                Attribute.VALUE: base64.b64decode(facts["certificate"]),
            }
        )


if __name__ == "__main__":
    main()
