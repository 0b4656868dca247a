"""Is every usage event kept once, and is one that cannot be kept handed back alone?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opensearchpy import OpenSearch
from tests.search.making import NOBODY, NOW, at_once, event, plenty
from tests.search.serving import LOOPBACK, documents

from usage_anomaly.search import events, indexes
from usage_anomaly.search.client import SearchRefused, SearchUnavailable, connect
from usage_anomaly.search.events import write

pytestmark = LOOPBACK
RETENTION = 36


@contextmanager
def answering_with(statuses: list[list[int]]) -> Iterator[tuple[str, list[int]]]:
    """A server that answers each bulk request with the next list of item statuses; [503] alone is the whole answer."""
    asked: list[int] = []

    class Stub(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            lines = self.rfile.read(int(self.headers["Content-Length"])).splitlines()
            asked.append(len(lines) // 2)
            said = statuses.pop(0) if len(statuses) > 1 else statuses[0]
            whole = said[0] if said in ([503], [403]) else 200
            items = [{"create": {"status": each, "error": {"type": "x", "reason": "y"}}} for each in said]
            content = json.dumps({"items": items[: len(lines) // 2]}).encode()
            self.send_response(whole)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing: tests are quiet."""

    stub = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    thread = Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{stub.server_port}", asked
    finally:
        stub.shutdown()
        stub.server_close()
        thread.join()


def test_a_second_delivery_changes_nothing(client: OpenSearch) -> None:
    """CloudWatch Logs delivers at least once; doubled use would be an anomaly of our own making."""
    batch = [event(number, number / 10) for number in range(50)]
    first = write(client, batch, NOW, plenty, RETENTION)
    before = documents(client)
    second = write(client, batch, NOW + timedelta(hours=1), plenty, RETENTION)
    assert (first.created, first.existing, second.created, second.existing) == (50, 0, 0, 50)
    assert documents(client) == before
    assert len(before) == 50


def test_groups_of_one_record_are_documents_of_their_own(client: OpenSearch) -> None:
    """One launch of two types is two usage events under one event id."""
    batch = [event(1, group="m5.large"), event(1, group="c5.large"), event(1), event(1, kind="ebs.volumes")]
    assert write(client, batch, NOW, plenty, RETENTION).created == 4


def test_events_out_of_time_open_no_index(client: OpenSearch) -> None:
    """One record of the year 2035 would leave an index behind that retention never reaches."""
    far = event(1, event_time=NOW.replace(year=2035))
    soon = event(2, event_time=NOW + timedelta(hours=2))
    old = event(3, event_time=NOW - timedelta(days=RETENTION, seconds=1))
    edges = [event(4, event_time=NOW + timedelta(hours=1)), event(5, event_time=NOW - timedelta(days=RETENTION))]
    written = write(client, [far, soon, old, *edges], NOW, plenty, RETENTION)
    assert written.created == 2
    assert [(each.event, each.reason, each.retryable) for each in written.rejected] == [
        (far, "event_time is more than an hour ahead", False),
        (soon, "event_time is more than an hour ahead", True),
        (old, "event_time is older than the 36 days that are kept", False),
    ]
    assert "usage-events-2035.11.25" not in client.indices.get(index="*")


def test_one_refused_event_leaves_the_others(client: OpenSearch) -> None:
    """What the index refuses goes to a person, with its reason; the rest of the batch is use all the same."""
    poison = event(3, quantity=10**25)
    written = write(client, [event(1), event(2), poison, event(4)], NOW, plenty, RETENTION)
    assert written.created == 3
    assert [each.event for each in written.rejected] == [poison]
    assert "quantity" in written.rejected[0].reason


def test_a_request_refused_as_a_whole_is_halved_to_the_event_at_fault(
    client: OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSearch answers a bulk request with one _id over 512 bytes by 400 for all of it."""
    monkeypatch.setattr(indexes, "MOST_ID_BYTES", 10_000)
    poison = event(7, group="x" * 600)
    batch = [*(event(number) for number in range(7)), poison, event(8)]
    written = write(client, batch, NOW, plenty, RETENTION)
    assert (written.created, [each.event for each in written.rejected]) == (8, [poison])


def test_long_ids_are_shortened_and_stay_apart(client: OpenSearch) -> None:
    """A hostile group name must not refuse a batch, nor hide another event."""
    batch = [event(1, group="ä" * 256), event(1, group="ä" * 255 + "b")]
    assert write(client, batch, NOW, plenty, RETENTION).created == 2
    assert write(client, batch, NOW, plenty, RETENTION).existing == 2


def test_batches_are_sized_by_bytes(client: OpenSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request over 10 MB is refused by small instances."""
    monkeypatch.setattr(events, "MOST_BYTES", 20_000)
    batch = [event(number, resource_ids=tuple(f"i-{each:017x}" for each in range(100))) for number in range(40)]
    sent: list[int] = []
    bulk = client.bulk

    def counting(body: bytes, **rest: Any) -> Any:
        sent.append(len(body))
        return bulk(body=body, **rest)

    monkeypatch.setattr(client, "bulk", counting)
    assert write(client, batch, NOW, plenty, RETENTION).created == 40
    assert len(sent) > 3
    assert max(sent) <= 20_000


def test_only_what_was_not_taken_is_sent_again() -> None:
    """A busy cluster takes a part; sending all again would make it busier."""
    waited: list[float] = []
    with (
        answering_with([[201, 429, 409, 503], [429, 201], [503], [201]]) as (url, asked),
        connect(url, "none", "") as c,
    ):
        written = write(c, [event(number) for number in range(4)], NOW, plenty, RETENTION, waited.append)
    assert (written.created, written.existing, asked) == (3, 1, [4, 2, 1, 1])
    assert waited == [0.2, 0.4, 0.8]


@pytest.mark.parametrize("status", [403, 404, 429, 500])
def test_an_event_is_never_blamed_for_the_cluster(status: int) -> None:
    """No disk (403), no index (404), no room (429): nothing a record can be rejected for."""
    left = iter([60.0, 60.0, 60.0, 60.0, 1.0, 1.0, 1.0])
    stub = answering_with([[status, status]])
    with stub as (url, _), connect(url, "none", "") as c, pytest.raises(SearchUnavailable, match=f"taken: {status}"):
        write(c, [event(1)], NOW, lambda: next(left), RETENTION, at_once)


def test_a_refused_role_is_not_tried_again() -> None:
    """Retrying a wrong permission only hides it."""
    with answering_with([[403]]) as (url, asked), connect(url, "none", "") as c, pytest.raises(SearchRefused):
        write(c, [event(1)], NOW, plenty, RETENTION, at_once)
    assert asked == [1]


def test_nobody_there_raises_in_time() -> None:
    """Lambda must keep the payload: a call that runs into its timeout cannot say why it failed."""
    left = iter([60.0, 60.0, 60.0, 5.0, 5.0, 5.0])
    with connect(NOBODY, "none", "") as c, pytest.raises(SearchUnavailable, match="does not answer"):
        write(c, [event(1)], NOW, lambda: next(left), RETENTION, at_once)


def test_requests_are_signed_with_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """The domain takes signed requests only; the signature names region, service and key."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with connect("https://search.example.com", "sigv4", "eu-west-1") as c:
        http = c.transport.get_connection()
        headers = http.http_auth("POST", "https://search.example.com/_bulk", b"{}", {})
    assert "/eu-west-1/es/aws4_request" in headers["Authorization"]
