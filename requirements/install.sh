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

is_wanted() { # a python of the version that the project needs
    "$1" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$python_version')" >/dev/null 2>&1
}

install_uv() { # into .bootstrap, by the lock; where there is no venv, by pip alone
    if "$1" -m venv .bootstrap >"$log" 2>&1 &&
        .bootstrap/bin/python -m pip install -q --no-deps --require-hashes -r requirements/bootstrap.txt >>"$log" 2>&1; then
        return
    fi
    "$1" -m pip install -q --no-deps --require-hashes --target .bootstrap/lib-uv -r requirements/bootstrap.txt \
        >>"$log" 2>&1 || return 1
    mkdir -p .bootstrap/bin
    ln -sf ../lib-uv/bin/uv .bootstrap/bin/uv
}

find_uv() { # by the wanted python if there is one; else an installed uv or any python3 may fetch that python
    remedy="Perennial needs Python $python_version: install it from python.org, pyenv or your package manager, \
then run make again."
    if [ -x .bootstrap/bin/uv ]; then
        uv=.bootstrap/bin/uv
        return
    elif is_wanted python3; then
        python=python3
    elif is_wanted "python$python_version"; then
        python=python$python_version
    elif command -v uv >/dev/null 2>&1; then
        uv=uv
        return
    else
        command -v python3 >/dev/null 2>&1 || fail "$remedy"
        python=python3
    fi
    install_uv "$python" || { cat "$log" >&2; fail "Could not install uv with $(command -v "$python"), see above. $remedy"; }
    uv=.bootstrap/bin/uv
}

make_environment() { # folder, lock
    is_wanted "$1/bin/python" || quietly "$uv" venv --no-config -q --clear -p "$python_version" "$1" ||
        fail "$remedy"
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
