#!/bin/sh
# Makes what a node needs on this machine beside the program: its user, folders, units, and the command gateway-node. It
# touches no settings, secrets or data, and starts nothing. install.sh and upgrade.sh run it where they install into
# /opt/gateway; the package for Debian brings the same.
#   ./prepare.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)

id gateway >/dev/null 2>&1 || useradd --system --user-group --home-dir /var/lib/gateway --shell /usr/sbin/nologin gateway
install -d -m 0700 -o gateway -g gateway /var/lib/gateway
install -d -m 0750 -o root -g gateway /etc/gateway /etc/gateway/secrets
install -d /etc/systemd/system /usr/local/bin
install -m 0644 "$here"/config/systemd/* /etc/systemd/system/
ln -sfn /opt/gateway/current/bin/gateway-node /usr/local/bin/gateway-node
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
