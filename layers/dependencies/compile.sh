#!/bin/sh
# Adds bytecode to a layer where the Python it is for runs here: compile.sh VERSION FOLDER. It saves each cold start the
# compiling; without that Python the layer works all the same. Unchecked: Lambda unpacks files with other times.
set -eu
version=$1 folder=$2
for python in "python$version" "${HOME:-}/.pyenv/versions/$version".*/bin/"python$version"; do
    if "$python" -c '' >/dev/null 2>&1; then
        exec "$python" -m compileall -q -j 0 -s "$folder" -p /opt/python --invalidation-mode unchecked-hash "$folder"
    fi
done
echo "no Python $version runs here: the layer goes without bytecode, cold starts take a quarter of a second longer" >&2
