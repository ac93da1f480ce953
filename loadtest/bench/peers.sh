#!/bin/sh
# Install, as root on Debian, what `zvonok bench plane` compares with: Janus, and libsrtp built with OpenSSL for it
# (Debian builds it with NSS, which is several times slower). Nothing is started.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
into=$here/var/peers
key=/usr/share/keyrings/debian-archive-keyring.gpg

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "bench-peers: root on Debian is needed" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
started=$(command -v janus || true)
apt-get update -q
apt-get install -q -y --no-install-recommends janus gcc make libc6-dev libssl-dev dpkg-dev xz-utils
if [ -z "$started" ] && command -v systemctl >/dev/null; then
    systemctl disable --now janus >/dev/null 2>&1 || true  # the bench starts its own
fi

if [ -e "$into/libsrtp2.so.1" ]; then
    echo "libsrtp with OpenSSL is there: $into"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(dpkg-query -W -f '${source:Version}' libsrtp2-1)
mirror=$(apt-cache policy libsrtp2-1 | awk '$2 ~ /^https?:/ { print $2; exit }')
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
# Its source package comes from where its package came from, by lists of our own.
echo "deb-src [signed-by=$key] $mirror $suite main" >"$work/sources.list"
mkdir -p "$work/lists/partial" "$into"
chmod 755 "$work"
with="-o Dir::Etc::sourcelist=$work/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$work/lists"
# shellcheck disable=SC2086
(cd "$work" && apt-get -q $with update && apt-get -q $with source "libsrtp2=$version")
cd "$work"/libsrtp2-*/
./configure --enable-openssl CFLAGS="-O2 -fPIC" >/dev/null
make shared_library >/dev/null
cp libsrtp2.so.1 "$into/"
echo "Janus $(dpkg-query -W -f '${Version}' janus), libsrtp $version with OpenSSL: zvonok bench plane"
