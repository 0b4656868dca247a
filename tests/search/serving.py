"""A search server on loopback: one process for all tests, an empty cluster for each.

Every test that asks for one runs twice: in `make test` against an emulator, in `make test-node` against OpenSearch itself.
The anomaly-detection plugin is in no registry: tests that need it run against the cluster that OPENSEARCH_URL names.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from opensearchpy import OpenSearch

from usage_anomaly.search import setup
from usage_anomaly.search.client import connect

# What a test marked with this may connect to; everything else stays shut.
LOOPBACK = pytest.mark.allow_hosts(["127.0.0.1"])

# The address of a cluster with the plugin and nothing of ours in it: what the tests make there, they delete.
OPENSEARCH_URL = os.environ.get("OPENSEARCH_URL", "")
ON_PLUGIN = [
    pytest.mark.plugin,
    pytest.mark.allow_hosts([urlsplit(OPENSEARCH_URL).hostname or "127.0.0.1"]),
    pytest.mark.skipif(not OPENSEARCH_URL, reason="OPENSEARCH_URL names no cluster with the anomaly-detection plugin"),
]
OURS = "usage-*"


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


@pytest.fixture(scope="session")
def cluster() -> Iterator[OpenSearch]:
    """The cluster at OPENSEARCH_URL (SEARCH_AUTH and AWS_REGION as for the functions); it fails where that is not fit."""
    auth, region = os.environ.get("SEARCH_AUTH", "none"), os.environ.get("AWS_REGION", "")
    with connect(OPENSEARCH_URL, auth, region) as client:
        plugins = {each["component"] for each in client.cat.plugins(params={"format": "json"})}
        assert "opensearch-anomaly-detection" in plugins, (
            "the cluster at OPENSEARCH_URL has no anomaly-detection plugin"
        )
        assert not client.indices.get(index=OURS), (
            "the cluster at OPENSEARCH_URL holds usage already: name one to be emptied"
        )
        yield client


@pytest.fixture
def with_plugin(cluster: OpenSearch) -> Iterator[OpenSearch]:
    """A client of that cluster, set up; what a test leaves of our indexes and templates is deleted after it."""
    setup.configure(cluster)
    yield cluster
    cluster.indices.delete(index=OURS)
    cluster.indices.delete_index_template(name=OURS)


def documents(client: OpenSearch) -> dict[str, dict[str, object]]:
    """Every usage event's document by its id, without what depends on when and how it came."""
    client.indices.refresh(index="usage-events-*")
    hits = client.search(index="usage-events-*", body={"size": 10_000})["hits"]["hits"]
    return {
        hit["_id"]: {name: value for name, value in hit["_source"].items() if name not in ("ingest_time", "origin")}
        for hit in hits
    }
