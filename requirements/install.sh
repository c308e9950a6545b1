#!/bin/sh
# Makes the two virtual environments from their locks. Needs make and any python3, nothing else.
#   .venv    the library, tests, checks and tools (requirements/dev.txt)
#   .engine  the embedded AWS (requirements/engine.txt)
# Usage: requirements/install.sh dev|engine
set -eu
cd "$(dirname "$0")/.."
python_version=$(cut -d. -f1,2 .python-version)
log=.bootstrap/install.log
mkdir -p .bootstrap

fail() {
    printf '\n%s\n' "$1" >&2
    exit 1
}

quietly() { # run a command; show what it printed only if it fails
    "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}

is_wanted_python() {
    python3 -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$python_version')" 2>/dev/null
}

install_uv() { # into .bootstrap, by the lock; an old or bare python3 may lack venv, then by pip alone
    if python3 -m venv .bootstrap >"$log" 2>&1 &&
        .bootstrap/bin/python -m pip install -q --no-deps --require-hashes -r requirements/bootstrap.txt >>"$log" 2>&1; then
        return
    fi
    python3 -m pip install -q --no-deps --require-hashes --target .bootstrap/lib-uv -r requirements/bootstrap.txt \
        >>"$log" 2>&1 || return 1
    mkdir -p .bootstrap/bin
    ln -sf ../lib-uv/bin/uv .bootstrap/bin/uv
}

find_uv() {
    if [ -x .bootstrap/bin/uv ]; then
        uv=.bootstrap/bin/uv
    elif ! is_wanted_python && command -v uv >/dev/null 2>&1; then
        uv=uv
    else
        command -v python3 >/dev/null 2>&1 || fail "Perennial needs python3 to begin with: install Python \
$python_version from python.org, pyenv or your package manager, then run make again."
        install_uv || { cat "$log" >&2; fail "Could not install uv with $(command -v python3); the reason is above."; }
        uv=.bootstrap/bin/uv
    fi
}

make_environment() { # folder, lock
    [ -x "$1/bin/python" ] || quietly "$uv" venv --no-config -q --clear -p "$python_version" "$1" ||
        fail "Perennial needs Python $python_version: install it from python.org, pyenv or your package manager, \
then run make again."
    quietly "$uv" pip sync --no-config -q --require-hashes -p "$1/bin/python" "$2" ||
        fail "Could not install $2; the reason is above."
    # Bytecode now, so that tools start quickly even where PYTHONDONTWRITEBYTECODE is set; tests of others never run.
    "$1/bin/python" -m compileall -q -j 0 -x '/(tests|awscli|idlelib)/' "$1/lib" >>"$log" 2>&1 || true
}

started=$(date +%s)
case "$1" in
dev)
    printf 'installing tools and libraries … '
    find_uv
    make_environment .venv requirements/dev.txt
    quietly "$uv" pip install --no-config -q --no-deps --no-build-isolation -p .venv/bin/python -e . ||
        fail "Could not install the perennial package; the reason is above."
    touch .venv/.installed
    ;;
engine)
    printf 'installing the embedded AWS … '
    find_uv
    make_environment .engine requirements/engine.txt
    touch .engine/.installed
    ;;
*)
    fail "usage: requirements/install.sh dev|engine"
    ;;
esac
printf '%s s\n' $(($(date +%s) - started))
