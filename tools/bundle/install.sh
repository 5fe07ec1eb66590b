#!/bin/sh
# Installs this bundle beside other versions, without a network, and the first time makes the node's user, folders and
# units (prepare.sh). A node that is there is neither touched nor started.
#   ./install.sh PUBLIC-KEY [PREFIX]        PREFIX: /opt/gateway
#   LABS=1 ./install.sh …                   also demo, sandbox, conformance kit and simulated axes; not for a real node
# Leaves PREFIX/VERSION, a Python environment of its own, and on the first install the link PREFIX/current to it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
key=${1:?"say which public key: ./install.sh release.pub"}
prefix=${2:-/opt/gateway}
version=$(cat "$here/VERSION")
target=$prefix/$version

"$here/check.sh" "$key"
if [ -e "$target" ]; then
    echo "$target exists: this version is installed already." >&2
    exit 1
fi
# A half finished install is taken away again, never taken for a whole one: the mark is set at the end.
trap 'rm -rf "$target"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$prefix"
"${PYTHON:-python3}" -m venv "$target"
# A Python below root's own folder works here and nowhere else: the node's user must be able to run it, too.
user=${NODE_USER:-gateway}
id "$user" >/dev/null 2>&1 || user=nobody
if [ "$(id -u)" = 0 ] && ! runuser -u "$user" -- "$target/bin/python" -c "" 2>/dev/null; then
    echo "$(readlink -f "$target/bin/python") cannot be run by $user: name another with PYTHON=/usr/bin/python3" >&2
    exit 1
fi
# By digest, from this folder alone: nothing is fetched, nothing is compiled, nothing else fits.
"$target/bin/pip" install --quiet --disable-pip-version-check --no-index --find-links "$here/wheels" \
    --only-binary :all: --require-hashes -r "$here/requirements.txt"
if [ -n "${LABS:-}" ]; then
    "$target/bin/pip" install --quiet --disable-pip-version-check --no-index --no-deps --find-links "$here/wheels" \
        --require-hashes -r "$here/labs.txt"
fi
cp -R "$here/config" "$here/docs" "$here/schemas" "$here/CHANGELOG.md" "$here/LICENSE" "$here/sbom.cdx.json" "$target/"
install -m 755 "$here/gateway-node" "$target/bin/gateway-node"
"$target/bin/gateway" version
touch "$target/.installed"
trap - EXIT

if [ ! -e "$prefix/current" ]; then
    ln -s "$version" "$prefix/current"
    if [ "$(id -u)" = 0 ] && [ "$prefix" = /opt/gateway ]; then "$here/prepare.sh"; fi
    echo "Installed. Next: gateway-node init (docs/install.md)."
else
    echo "Installed beside $(readlink "$prefix/current"), which stays in use."
fi
