#!/bin/sh
# Puts the version before back. The schema stays as it is: the version before works on it, until a contract step ran.
#   ./rollback.sh [PREFIX]                  PREFIX: /opt/gateway
set -eu
prefix=${1:-/opt/gateway}
before=$(readlink "$prefix/previous") || {
    echo "There is no $prefix/previous: nothing was upgraded here." >&2
    exit 1
}
now=$(readlink "$prefix/current")

"$prefix/$before/bin/gateway-node" migrate status
"$prefix/$before/bin/gateway-node" doctor || echo "Doctor of $before found something red; see above." >&2
ln -sfn "$before" "$prefix/.current.new" && mv -T "$prefix/.current.new" "$prefix/current"
ln -sfn "$now" "$prefix/.previous.new" && mv -T "$prefix/.previous.new" "$prefix/previous"
echo "$before is current again. Restart the node: systemctl restart gateway.target"
