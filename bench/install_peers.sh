#!/bin/sh
# Makes a virtual environment for each tool that the benchmarks compare with, under .perennial/peers.
# They want older Pythons and older pandas than Perennial, and each other's dependencies least of all.
set -eu
cd "$(dirname "$0")/.."

peer() { # name, python, requirements...
    name=$1 python=$2
    shift 2
    printf 'installing %s … ' "$name"
    own=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$python".*/bin/python 2>/dev/null | tail -1) # uv sees only
    .venv/bin/uv venv --no-config -q --clear -p "${own:-$python}" ".perennial/peers/$name" # pyenv's selected one
    .venv/bin/uv pip install --no-config -q -p ".perennial/peers/$name/bin/python" "$@"
    echo done
}

peer evidently 3.12 "evidently==0.7.23" "pandas<3"
peer nannyml 3.12 "nannyml==0.13.1" statsmodels
peer alibi-detect 3.11 "alibi-detect==0.13.0"
peer whylogs 3.11 "whylogs[viz]==1.6.4" "pandas<3"
