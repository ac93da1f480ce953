#!/bin/sh
# Makes .venv with the first Python that really runs and is new enough (3.11, 3.12 or 3.13).
# $PYTHON names one to prefer. A name may stand in several folders of PATH, and the first of
# them may be a version switcher's empty shell: each is tried.
set -eu

runs() {
    "$1" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

complete() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

candidates() {
    [ -z "${PYTHON:-}" ] || command -v "$PYTHON" || true
    for name in python3.13 python3.12 python3.11 python3; do
        echo "$PATH" | tr ':' '\n' | while IFS= read -r folder; do
            [ ! -x "$folder/$name" ] || echo "$folder/$name"
        done
    done
}

if [ -x .venv/bin/python ] && runs .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; then
    exit 0
fi

# A Python without venv and ensurepip (Debian packages them apart) is only taken when no other is there.
found='' bare=''
while IFS= read -r candidate; do
    runs "$candidate" || continue
    if complete "$candidate"; then
        found=$candidate
        break
    fi
    [ -n "$bare" ] || bare=$candidate
done <<LIST
$(candidates)
LIST

if [ -z "$found" ] && [ -n "$bare" ]; then
    version=$("$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    package="python$version-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing $package with apt (once)"
        "$bare" -c 'import sys; from config.setup.apt import apt_install; raise SystemExit(not apt_install(sys.argv[1:]))' "$package"
        complete "$bare" && found=$bare
    fi
    if [ -z "$found" ]; then
        echo "$bare cannot make a virtual environment: run  apt install $package  as root, then start again." >&2
        exit 1
    fi
fi
if [ -z "$found" ]; then
    echo "No Python 3.11, 3.12 or 3.13 was found: install one (Debian, Ubuntu: apt install python3 python3-venv)." >&2
    exit 1
fi

echo "Making .venv with $found ($("$found" -c 'import platform; print(platform.python_version())'))"
rm -rf .venv
"$found" -m venv .venv
