#!/bin/sh
# Checks an unpacked bundle: the signature over the list of sums, then every file of the list. Changes nothing.
#   ./check.sh PUBLIC-KEY
# PUBLIC-KEY must have come to you another way than the bundle: a key that lies beside a lock opens it for everybody.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
key=${1:?"say which public key: ./check.sh release.pub"}

openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$here/SHA256SUMS" -sigfile "$here/SHA256SUMS.sig" >/dev/null || {
    echo "The list of sums is not signed by $key: do not install this bundle." >&2
    exit 1
}
(cd "$here" && sha256sum --check --strict --quiet SHA256SUMS) || {
    echo "A file is not what was signed: do not install this bundle." >&2
    exit 1
}
echo "Signature and sums hold."
