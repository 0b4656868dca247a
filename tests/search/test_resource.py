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
from tests.search.clusters import Cluster
from tests.search.making import NOBODY, at_once
from tests.search.serving import LOOPBACK

from usage_anomaly.search import indexes, plugin, resource, setup
from usage_anomaly.search.client import SearchRefused, SearchUnavailable
from usage_anomaly.search.setup import Outcome, Wanted

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


def nothing(_: Wanted) -> Outcome:
    """A cluster that is what is wanted."""
    return Outcome([], [])


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
    assert answer["PhysicalResourceId"] == "search-setup"
    assert answer["Reason"].startswith("nothing to change; no fine-grained access control here")


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


def test_delete_takes_the_detectors_away(
    root: Path,
    request_of: dict[str, Any],
    listener: Listener,
    stand_in: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The domain outlives the stack, and detectors that nobody reads would go on burning its heap."""
    configured(monkeypatch, stand_in.front.url)
    call(root, request_of, 300_000)
    assert len(plugin.standing(stand_in.asking)) == 4
    call(root, request_of | {"RequestType": "Delete", "PhysicalResourceId": "search-setup"}, 300_000)
    assert listener.answers[1]["Status"] == "SUCCESS"
    assert "detector usage-ebs-gib deleted" in listener.answers[1]["Reason"]
    assert plugin.standing(stand_in.asking) == {}


@pytest.mark.parametrize("properties", [{"DeleteLearnedResults": "false"}, {"DeleteLearnedResults": "perhaps"}, {}])
def test_a_stack_can_always_be_deleted(
    root: Path,
    request_of: dict[str, Any],
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
    properties: dict[str, str],
) -> None:
    """Its cluster may be gone already, and the properties may be those of a first deployment that failed for them."""
    configured(monkeypatch, NOBODY)
    call(root, request_of | {"RequestType": "Delete", "ResourceProperties": properties})
    assert listener.answers[0]["Status"] == "SUCCESS"
    assert listener.answers[0]["Reason"], "and it is said what was not done"


def test_properties_that_are_wrong_are_answered_with_their_name(
    root: Path, request_of: dict[str, Any], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation hands every number over as text."""
    configured(monkeypatch, NOBODY)
    call(root, request_of | {"ResourceProperties": request_of["ResourceProperties"] | {"LearnedResultDays": "three"}})
    assert listener.answers[0]["Status"] == "FAILED"
    assert "LearnedResultDays" in listener.answers[0]["Reason"]


def test_a_refusal_inside_the_set_up_is_answered_with_its_reason(
    request_of: dict[str, Any], listener: Listener
) -> None:
    """Whoever deploys sees this line and nothing else."""

    def refuse(_: Wanted) -> Outcome:
        raise SearchRefused("detector usage-ebs-gib: indices: no document is found", 200)

    answer = resource.handle(request_of, refuse, nothing, at_once)
    assert (answer.status, answer.reason) == (
        "FAILED",
        "SearchRefused: detector usage-ebs-gib: indices: no document is found",
    )


def test_properties_of_the_sample_are_all_that_can_be_wanted(request_of: dict[str, Any]) -> None:
    """The sample is what the template sends: a property more or less is a misspelt one."""
    ours = set(request_of["ResourceProperties"]) - {"ServiceToken", "ServiceTimeout", "Code"}
    assert ours == set(Wanted.__struct_encode_fields__)
    assert setup.SETUP_SECONDS > 0


def test_answering_is_tried_again(request_of: dict[str, Any], listener: Listener) -> None:
    """One dropped answer must not cost the deployment."""
    listener.refusals = 2
    resource.handle(request_of, nothing, nothing, at_once)
    assert len(listener.answers) == 1


def test_an_answer_nobody_takes_raises(request_of: dict[str, Any], listener: Listener) -> None:
    """Then the function's own error is all that is left to see."""
    listener.refusals = 3
    with pytest.raises(resource.NotAnswered):
        resource.handle(request_of, nothing, nothing, at_once)


def test_a_long_reason_is_cut(request_of: dict[str, Any], listener: Listener) -> None:
    """CloudFormation refuses answers over 4,096 bytes, and then waits."""

    def fail(_: Wanted) -> Outcome:
        raise SearchUnavailable("x" * 9_000)

    resource.handle(request_of, fail, nothing, at_once)
    assert len(json.dumps(listener.answers[0])) < 4_096
