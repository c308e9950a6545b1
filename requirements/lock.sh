#!/bin/sh
# Recompile every lock in this folder from its .in file: newest versions that fit together, with hashes.
# Usage: requirements/lock.sh PATH-TO-UV [extra options of `uv pip compile`, such as --upgrade]
set -eu
uv=$1
shift
cd "$(dirname "$0")"

compile() {
    name=$1
    shift
    echo "locking $name"
    "$uv" pip compile --quiet --no-config --no-header --no-annotate --no-emit-index-url --generate-hashes \
        -p 3.13 -o "$name.txt" "$name.in" "$@"
}

layer() { # layers run on one platform, with the versions of the laptop
    name=$1
    shift
    compile "$name" -c dev.txt --python-platform x86_64-manylinux_2_28 --only-binary :all: "$@"
}

compile dev "$@"
compile engine "$@"
compile bootstrap -c dev.txt
layer layer-core
core=$(sed -n 's/^\([a-z0-9_-]*\)==.*/--no-emit-package \1/p' layer-core.txt)
# shellcheck disable=SC2086  # one option a word
layer layer-arrow $core
# shellcheck disable=SC2086
layer layer-learn $core
layer layer-page

if grep -niE 'https?://|index-url|find-links' ./*.txt; then
    echo "a lock names a host; see above" >&2
    exit 1
fi
