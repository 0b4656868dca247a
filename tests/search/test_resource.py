"""Is CloudFormation always answered, in time, and with the reason?"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from opensearchpy import OpenSearch
from tests.search.making import NOBODY, at_once
from tests.search.serving import LOOPBACK

from usage_anomaly.search import indexes, resource
from usage_anomaly.search.client import SearchUnavailable

pytestmark = LOOPBACK


class Listener(ThreadingHTTPServer):
    """What waits behind the ResponseURL; `refusals` answers are refused first."""

    answers: list[dict[str, Any]]
    types: list[str | None]
    refusals = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/answer?X-Amz-Signature=secret"


class Receiving(BaseHTTPRequestHandler):
    server: Listener

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refusals:
            self.server.refusals -= 1
            self.send_error(503)
            return
        self.server.answers.append(json.loads(content))
        self.server.types.append(self.headers["Content-Type"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: tests are quiet."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    """CloudFormation's end, on loopback."""
    with Listener(("127.0.0.1", 0), Receiving) as found:
        found.answers, found.types = [], []
        thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def request_of(root: Path, listener: Listener) -> dict[str, Any]:
    """The sample in events/, answered to the listener."""
    event: dict[str, Any] = json.loads((root / "events" / "configure_search.json").read_text("utf-8"))
    return event | {"ResponseURL": listener.url}


def call(root: Path, event: dict[str, Any], milliseconds: int = 1_000) -> None:
    """The function itself, as Lambda calls it."""
    spec = importlib.util.spec_from_file_location("configure_search", root / "functions/configure_search/app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context = SimpleNamespace(
        function_name="f",
        memory_limit_in_mb=256,
        invoked_function_arn="arn",
        aws_request_id="r",
        get_remaining_time_in_millis=lambda: milliseconds,
    )
    module.handler(event, context)


def configured(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SEARCH_ENDPOINT", url)
    monkeypatch.setenv("SEARCH_AUTH", "none")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def test_create_sets_the_cluster_up(
    root: Path,
    request_of: dict[str, Any],
    listener: Listener,
    bare: OpenSearch,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The deployment goes on only once writing is safe; the answer carries the ids CloudFormation asked with."""
    configured(monkeypatch, url)
    call(root, request_of, 100_000)
    (answer,) = listener.answers
    assert answer["Status"] == "SUCCESS", answer
    assert answer["PhysicalResourceId"] == "search-setup"
    assert answer["Data"] == {"Changes": "5"}
    assert all(answer[name] == request_of[name] for name in ("StackId", "RequestId", "LogicalResourceId"))
    assert listener.types == [""], "the URL is signed for an empty content type"
    assert bare.indices.exists_index_template(name=indexes.EVENTS)
    assert "secret" not in capsys.readouterr().out, "whoever reads the log could answer"


def test_an_update_keeps_its_id_and_changes_nothing_twice(
    root: Path,
    request_of: dict[str, Any],
    listener: Listener,
    client: OpenSearch,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another id would make CloudFormation delete the old resource after each update."""
    configured(monkeypatch, url)
    call(root, request_of | {"RequestType": "Update", "PhysicalResourceId": "search-setup"}, 100_000)
    (answer,) = listener.answers
    assert (answer["PhysicalResourceId"], answer["Reason"]) == ("search-setup", "nothing to change")


def test_a_cluster_that_never_comes_fails_with_its_reason(
    root: Path, request_of: dict[str, Any], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unanswered, the deployment hangs for an hour and says nothing."""
    configured(monkeypatch, NOBODY)
    call(root, request_of)
    (answer,) = listener.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("SearchUnavailable: the cluster does not answer")


def test_a_missing_setting_is_answered_too(
    root: Path, request_of: dict[str, Any], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that stops while starting answers nobody: this one reads its settings inside the call."""
    monkeypatch.delenv("SEARCH_ENDPOINT", raising=False)
    call(root, request_of)
    assert "search_endpoint" in listener.answers[0]["Reason"]


def test_delete_removes_nothing(
    root: Path, request_of: dict[str, Any], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stack must be deletable when its cluster is gone already, and what was kept outlives it."""
    configured(monkeypatch, NOBODY)
    call(root, request_of | {"RequestType": "Delete", "PhysicalResourceId": "search-setup"})
    assert listener.answers[0]["Status"] == "SUCCESS"


def test_answering_is_tried_again(request_of: dict[str, Any], listener: Listener) -> None:
    """One dropped answer must not cost the deployment."""
    listener.refusals = 2
    resource.handle(request_of, list, at_once)
    assert len(listener.answers) == 1


def test_an_answer_nobody_takes_raises(request_of: dict[str, Any], listener: Listener) -> None:
    """Then the function's own error is all that is left to see."""
    listener.refusals = 3
    with pytest.raises(resource.NotAnswered):
        resource.handle(request_of, list, at_once)


def test_a_long_reason_is_cut(request_of: dict[str, Any], listener: Listener) -> None:
    """CloudFormation refuses answers over 4,096 bytes, and then waits."""

    def fail() -> list[str]:
        raise SearchUnavailable("x" * 9_000)

    resource.handle(request_of, fail, at_once)
    assert len(json.dumps(listener.answers[0])) < 4_096
