"""A cluster with plugins: the stand-ins before the emulator, or the one that OPENSEARCH_URL names."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from opensearchpy import OpenSearch
from tests.search.documented_stand_in import DocumentedStandIn
from tests.search.plugin_stand_in import PluginStandIn

from usage_anomaly.search import plugin
from usage_anomaly.search.asking import Asking
from usage_anomaly.search.client import connect
from usage_anomaly.search.detectors import ALL_RESULTS

LIVE = os.environ.get("OPENSEARCH_URL", "")
# What a test marked with this may connect to: loopback, and the cluster that was named.
REACHING = pytest.mark.allow_hosts(["127.0.0.1", *([urlsplit(LIVE).hostname or ""] if LIVE else [])])


class Front(ThreadingHTTPServer):
    """Answers for the plugins and hands everything else to the emulator behind it."""

    behind: str
    plugin: PluginStandIn
    documented: DocumentedStandIn

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def documents(self, pattern: str) -> int | None:
        """The number of documents of a pattern, None where it matches no index."""
        with urllib.request.urlopen(f"{self.behind}/{pattern}/_mapping") as answer:
            if not json.load(answer):
                return None
        with urllib.request.urlopen(f"{self.behind}/{pattern}/_count") as answer:
            return int(json.load(answer)["count"])


class _Handler(BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for head and body: two wait for each other

    def handle_any(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        documented = self.server.documented.answer(self.command, self.path, content, headers)
        answer = documented or self._of_plugin(content)
        if answer is None:
            self._tell(*self._behind(content))
        else:
            self._tell(answer[0], msgspec.json.encode(answer[1]))

    def do_GET(self) -> None:
        self.handle_any()

    def do_HEAD(self) -> None:
        self.handle_any()

    def do_POST(self) -> None:
        self.handle_any()

    def do_PUT(self) -> None:
        self.handle_any()

    def do_DELETE(self) -> None:
        self.handle_any()

    def _of_plugin(self, content: bytes) -> tuple[int, Any] | None:
        if not self.path.startswith(plugin.PREFIX):
            return None
        return self.server.plugin.answer(self.command, self.path, msgspec.json.decode(content) if content else None)

    def _behind(self, content: bytes) -> tuple[int, bytes]:
        request = urllib.request.Request(
            self.server.behind + self.path, content or None, {"Content-Type": "application/json"}, method=self.command
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _tell(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing: tests are quiet."""


class Cluster(msgspec.Struct):
    """A connected cluster, what it was asked since this list was cleared, and its stand-ins (None: it is a real one)."""

    asking: Asking
    asked: list[str]
    stand_ins: Front | None = None

    @property
    def writes(self) -> list[str]:
        """What was asked that may change something."""
        reading = ("/_search", "/_count", "/_validate/detector")
        return [each for each in self.asked if not each.startswith(("GET ", "HEAD ")) and not each.endswith(reading)]

    @property
    def front(self) -> Front:
        """The stand-ins of a test that is about them."""
        assert self.stand_ins is not None
        return self.stand_ins


@pytest.fixture
def front(emulator: OpenSearch) -> Iterator[Front]:
    """The stand-ins before an empty emulated cluster."""
    clone = emulator.transport.perform_request("POST", "/_osmem/clones")
    with Front(("127.0.0.1", 0), _Handler) as found:
        found.daemon_threads = True
        found.behind, found.documented = clone["url"], DocumentedStandIn()
        found.plugin = PluginStandIn(found.documents)
        thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()
    emulator.transport.perform_request("DELETE", f"/_osmem/clones/{clone['id']}")


@pytest.fixture
def stand_in(front: Front) -> Iterator[Cluster]:
    """A cluster that is the stand-ins and the emulator."""
    with connect(front.url, "none", "") as client:
        yield _watched(client, front)


@pytest.fixture
def live() -> Iterator[Cluster]:
    """The cluster that OPENSEARCH_URL names (SEARCH_AUTH, AWS_REGION as for the functions). What a test leaves is deleted."""
    if not LIVE:
        pytest.skip("OPENSEARCH_URL names no cluster with the anomaly-detection plugin")
    with connect(LIVE, os.environ.get("SEARCH_AUTH", "none"), os.environ.get("AWS_REGION", "")) as client:
        found = _watched(client)
        assert plugin.is_here(found.asking), "the cluster at OPENSEARCH_URL has no anomaly-detection plugin"
        assert not found.asking.find("/usage-*"), "the cluster at OPENSEARCH_URL holds usage already: name an empty one"
        yield found
        _empty(found.asking)


@pytest.fixture(params=["stand_in", pytest.param("live", marks=pytest.mark.plugin)])
def plugin_cluster(request: pytest.FixtureRequest) -> Cluster:
    """The same test on the stand-in and on the real plugin."""
    found: Cluster = request.getfixturevalue(request.param)
    found.asked.clear()
    return found


def _watched(client: OpenSearch, front: Front | None = None) -> Cluster:
    perform, asked = client.transport.perform_request, list[str]()

    def watched(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(f"{method} {path}")
        return perform(method, path, *args, **kwargs)

    client.transport.perform_request = watched  # type: ignore[assignment, method-assign]
    return Cluster(Asking(client, lambda: 300.0), asked, front)


def _empty(asking: Asking) -> None:
    plugin.remove(asking)
    for pattern in ("usage-*", ALL_RESULTS):
        for index in asking.find(f"/{pattern}") or {}:
            asking.ask("DELETE", f"/{index}")
