#!/bin/sh
# Makes the image of a node from a package, where no engine runs: buildah in a chroot, on a Debian made by mmdebstrap. It is
# what config/container/Containerfile says, and the same as `podman build` makes of it.
#   image.sh PACKAGE.deb IMAGE.tar          IMAGE.tar: an archive for `podman load` or `docker load`
set -eu
here=$(cd "$(dirname "$0")" && pwd)
package=${1:?"say which package: image.sh PACKAGE.deb IMAGE.tar"}
image=${2:?"say which file to write: image.sh PACKAGE.deb IMAGE.tar"}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
engine() { buildah --root "$work/storage" --runroot "$work/run" "$@"; }

mmdebstrap --quiet --variant=minbase bookworm "$work/debian.tar"
base=$(engine from scratch)
engine add --quiet "$base" "$work/debian.tar" /
engine commit --quiet --rm "$base" debian:bookworm-slim
mkdir "$work/context"
cp "$package" "$work/context"
engine build --quiet --format docker -t gateway -f "$here/../../config/container/Containerfile" "$work/context"
engine push --quiet gateway "docker-archive:$image:gateway:latest"
echo "$image"
