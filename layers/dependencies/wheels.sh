#!/bin/sh
# Fetches the locked wheels for one processor: wheels.sh PYTHON_VERSION ARCH FOLDER. uv where it is on PATH, else a pip.
set -eu
version=$1 arch=$2 folder=$3
if uv --version >/dev/null 2>&1; then
    # Certificates of the system, as pip's.
    UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_PYTHON_DOWNLOADS=never exec uv pip install --quiet --target "$folder" \
        --python-platform "$arch-manylinux_2_28" --python-version "$version" \
        --only-binary :all: --no-deps --require-hashes -r requirements.txt
fi
for python in "python$version" python3 python; do
    if "$python" -m pip --version >/dev/null 2>&1; then
        exec "$python" -m pip install --quiet --disable-pip-version-check --no-compile --target "$folder" \
            --platform "manylinux_2_28_$arch" --platform "manylinux_2_17_$arch" --platform "manylinux2014_$arch" \
            --implementation cp --python-version "$version" \
            --only-binary :all: --no-deps --require-hashes -r requirements.txt
    fi
done
echo "The layer needs uv or pip on PATH: \`make build\` brings uv; on Debian: apt-get install python3-pip" >&2
exit 1
