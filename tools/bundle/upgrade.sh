#!/bin/sh
# Brings a node to this bundle's version. Make a backup first.
#   ./upgrade.sh PUBLIC-KEY [PREFIX]        PREFIX: /opt/gateway
# The schema is only widened, so the version before goes on working, during the upgrade and after a rollback.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
key=${1:?"say which public key: ./upgrade.sh release.pub"}
prefix=${2:-/opt/gateway}
version=$(cat "$here/VERSION")
before=$(readlink "$prefix/current") || {
    echo "There is no $prefix/current: install first." >&2
    exit 1
}
if [ "$before" = "$version" ]; then
    echo "$version is in use already." >&2
    exit 1
fi

if [ -e "$prefix/$version/.installed" ]; then
    "$here/check.sh" "$key"
else
    "$here/install.sh" "$key" "$prefix"
fi
new=$prefix/$version/bin/gateway-node
"$new" migrate up
"$new" doctor || {
    echo "Doctor found something red; $before stays in use. Mend it and run this again." >&2
    exit 1
}
# One rename each: there is always a current version.
ln -sfn "$before" "$prefix/.previous.new" && mv -T "$prefix/.previous.new" "$prefix/previous"
ln -sfn "$version" "$prefix/.current.new" && mv -T "$prefix/.current.new" "$prefix/current"
echo "$version is current. Restart the node: systemctl restart gateway.target"
echo "When every node of the database has it: gateway-node migrate up --contract. After that there is no rollback."
