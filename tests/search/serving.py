"""A search server on loopback: one process for all tests, an empty cluster for each.

Every test that asks for one runs twice: in `make test` against an emulator, in `make test-node` against OpenSearch itself.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from opensearchpy import OpenSearch

from usage_anomaly.search import setup
from usage_anomaly.search.client import connect

# What a test marked with this may connect to; everything else stays shut.
LOOPBACK = pytest.mark.allow_hosts(["127.0.0.1"])


class Ready(msgspec.Struct):
    """The line the server prints when it can be asked."""

    url: str


@pytest.fixture(scope="session")
def emulator() -> Iterator[OpenSearch]:
    """A server that hands out clusters; it ends with the tests, also when they are killed."""
    package = importlib.util.find_spec("osmem_server")
    assert package is not None, "osmem-server is not installed: make setup"
    assert package.origin is not None
    binary = Path(package.origin).parent / "bin" / "osmem-server"
    command = [str(binary), "-addr", "127.0.0.1:0", "-no-ja", "-no-stdin-watch", "-parent-pid", str(os.getpid())]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        ready = msgspec.json.decode(process.stdout.readline(), type=Ready)
        with connect(ready.url, "none", "") as client:
            yield client
        process.terminate()


@pytest.fixture(params=["emulator", pytest.param("node", marks=pytest.mark.node)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty cluster."""
    server: OpenSearch = request.getfixturevalue(request.param)
    if request.param == "emulator":
        clone = server.transport.perform_request("POST", "/_osmem/clones")
        yield clone["url"]
        server.transport.perform_request("DELETE", f"/_osmem/clones/{clone['id']}")
    else:
        server.indices.delete(index="*")
        server.indices.delete_index_template(name="*")
        yield server.transport.get_connection().host


@pytest.fixture
def bare(url: str) -> Iterator[OpenSearch]:
    """A client of an empty cluster that nobody has set up."""
    with connect(url, "none", "") as client:
        yield client


@pytest.fixture
def client(bare: OpenSearch) -> OpenSearch:
    """A client of an empty cluster with our templates."""
    setup.configure(bare)
    return bare


def documents(client: OpenSearch) -> dict[str, dict[str, object]]:
    """Every usage event's document by its id, without what depends on when and how it came."""
    client.indices.refresh(index="usage-events-*")
    hits = client.search(index="usage-events-*", body={"size": 10_000})["hits"]["hits"]
    return {
        hit["_id"]: {name: value for name, value in hit["_source"].items() if name not in ("ingest_time", "origin")}
        for hit in hits
    }
