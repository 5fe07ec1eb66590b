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
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
# What is red already is not this version's doing, and may be what the upgrade mends; only what is newly red stops it.
"$prefix/$before/bin/gateway-node" doctor -o json >"$found/before" 2>/dev/null || true
# Prints how many widening steps are pending, in all or behind a step that removes something.
pending() {
    "$new" migrate status -o json | "$prefix/$version/bin/python" -c '
import itertools, json, sys
phases = [step["phase"] for step in json.loads(sys.stdin.read() or "{}").get("pending", ())]
if sys.argv[1] == "behind":
    phases = [*itertools.dropwhile(lambda phase: phase == "expand", phases)]
print(phases.count("expand"))' "$1"
}
if [ "$(pending all)" -gt 1 ]; then
    echo "Between $before and $version are several steps of the schema: after this $before does not start again, and only the backup leads back." >&2
fi
"$new" migrate up
if [ "$(pending behind)" -gt 0 ]; then
    echo "Between $before and $version is a step that no version before it bears; $before stays in use." >&2
    echo "Stop every node of this database (systemctl stop gateway.target), run $new migrate up --contract, and this again." >&2
    exit 1
fi
"$new" doctor -o json >"$found/after" || true
"$prefix/$version/bin/python" - "$found/before" "$found/after" <<'COMPARE' || {
import collections, json, sys

def red(path):
    try:
        with open(path, encoding="utf-8") as file:
            return [each for each in json.load(file)["checks"] if each["level"] == "red"]
    except (ValueError, KeyError):
        return None

before, after = red(sys.argv[1]), red(sys.argv[2])
if after is None:
    sys.exit("Doctor of the new version says nothing that can be read.")
left = collections.Counter(each["check"] for each in before or [])
new = []
for each in after:
    left[each["check"]] -= 1
    print("red before too:" if left[each["check"]] >= 0 else "newly red:", each["check"], each["says"])
    if left[each["check"]] < 0:
        new.append(each)
sys.exit(1 if new else 0)
COMPARE
    echo "$before stays in use. Mend what is newly red and run this again." >&2
    exit 1
}
# One rename each: there is always a current version.
ln -sfn "$before" "$prefix/.previous.new" && mv -T "$prefix/.previous.new" "$prefix/previous"
ln -sfn "$version" "$prefix/.current.new" && mv -T "$prefix/.current.new" "$prefix/current"
if [ "$(id -u)" = 0 ] && [ "$prefix" = /opt/gateway ]; then "$here/prepare.sh"; fi
echo "$version is current. Restart the node: systemctl restart gateway.target"
echo "When every node of the database has it: gateway-node migrate up --contract. After that there is no rollback."
