"""Does each probe see what is there, and does a probe that cannot see stop nothing?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from opensearchpy.exceptions import ConnectionTimeout
from tests.health.building import NOW
from tests.health.conftest import MACHINE, PLACES, Account

from usage_anomaly import monitoring
from usage_anomaly.errors import UsageAnomalyError
from usage_anomaly.health import Calls, Cluster, Executions, Lag, Letters, Seconds, Unknown
from usage_anomaly.renewing import JOB, Progress
from usage_anomaly.settings import MissingSetting
from usage_anomaly.state import health as memory
from usage_anomaly.state import progress

Publish = Callable[[str, str, float], None]
Published = dict[str, tuple[str, float]]


def look(account: Account) -> Any:
    return monitoring.look(account.clients, PLACES, NOW)


def test_account_in_which_all_is_well_scores_100(account: Account, publish: Publish, published: Published) -> None:
    """Each figure stands for something seen, with its unit; what did not happen has no figure."""
    assert monitoring.watch(account.clients, PLACES, publish, NOW).score == 100
    assert published == {
        "OverallHealthScore": ("Percent", 100),
        "ProcessingSuccessRate": ("Percent", 100.0),
        "LambdaErrorRate": ("Percent", 0.0),
        "OpenSearchUnassignedShards": ("Count", 0),
        "IngestLagSeconds": ("Seconds", 20.0),
        "DeadLetters": ("Count", 0),
    }
    assert account.mails() == []


def test_functions_are_counted_by_role(account: Account) -> None:
    """Values of 15 minutes are summed, older ones left out."""
    account.measured("AWS/Lambda", "Errors", 2, FunctionName="stack-Advise")
    account.measured("AWS/Lambda", "Errors", 1, NOW - timedelta(minutes=10), FunctionName="stack-Advise")
    account.measured("AWS/Lambda", "Errors", 50, NOW - timedelta(minutes=20), FunctionName="stack-Advise")
    assert look(account).functions == {
        "ingest": Calls(invocations=15),
        "detect": Calls(invocations=15),
        "advise": Calls(invocations=15, errors=3),
    }


def test_account_without_any_figure_is_unknown_not_idle(cloud: None) -> None:
    """The monitor itself runs: no figure at all means that CloudWatch has none, not that nothing ran."""
    assert look(Account()).functions == Unknown("NoFigures")


def test_executions_and_alerts_are_read(account: Account) -> None:
    """An execution that timed out or was aborted delivered no more than one that failed."""
    for name, value in {"ExecutionsStarted": 7, "ExecutionsFailed": 2, "ExecutionsTimedOut": 1}.items():
        account.measured("AWS/States", name, value, StateMachineArn=MACHINE)
    account.measured(monitoring.NAMESPACE, "AlertLatencySeconds", 95.0, service="stack")
    account.measured(monitoring.NAMESPACE, "AlertLatencySeconds", 400.0, NOW - timedelta(minutes=3), service="stack")
    account.measured(monitoring.NAMESPACE, "AlertLatencySeconds", 900.0, service="another-stack")
    seen = look(account)
    assert seen.workflow == Executions(started=7, failed=3)
    assert seen.alerts == Seconds(400.0)


def test_oldest_snapshot_of_the_outbox_is_found(account: Account) -> None:
    """One alert that waits for hours must not hide behind many young ones."""
    assert look(account).outbox == Seconds(None)
    for number, minutes in enumerate((3, 40, 7)):
        at = f"{NOW - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"
        account.table.put_item(Item={"pk": f"ANOMALY#{number}", "sk": "SEQ#000001", "work": "OUTBOX", "at": at})
    account.table.put_item(Item={"pk": "PAIR#1#x", "sk": "TOLD", "work": "DUE", "at": "2026-01-01T00:00:00Z"})
    assert look(account).outbox == Seconds(40 * 60.0)


def test_dead_letters_are_failed_payloads_and_queued_messages(account: Account) -> None:
    """Rejected records lie in the same bucket and wait for nobody."""
    for key in ("aws/lambda/async/stack-Ingest/2026/11/25/a", "aws/lambda/async/stack-Ingest/b", "rejected/c"):
        account.s3.put_object(Bucket="failures", Key=key, Body=b"{}")
    queue = account.sqs.create_queue(QueueName="dead")["QueueUrl"]
    for _ in range(3):
        account.sqs.send_message(QueueUrl=queue, MessageBody="{}")
    places = msgspec.structs.replace(PLACES, failure_queue_url=queue)
    found = monitoring.dead_letters(account.clients, places, NOW)
    assert found.waiting == 5
    assert monitoring.dead_letters(account.clients, PLACES, NOW).waiting == 2


def test_history_is_as_old_as_the_last_time_that_all_pasts_were_made(account: Account) -> None:
    """Before the first run nobody knows; a job that never comes to its end is as old as its beginning."""
    assert look(account).history == Seconds(None)
    began = Progress(began=NOW - timedelta(hours=30))
    progress.write(account.table, JOB, began)
    assert look(account).history == Seconds(30 * 3_600.0)
    progress.write(account.table, JOB, msgspec.structs.replace(began, finished=NOW - timedelta(hours=2)))
    assert look(account).history == Seconds(2 * 3_600.0)


def test_lag_counts_from_the_newest_stored_event(account: Account) -> None:
    """An index without events has no lag, and a clock a little ahead makes none below zero."""
    account.newest = NOW - timedelta(minutes=30)
    assert look(account).lag == Lag(1_800.0)
    account.newest = NOW + timedelta(seconds=2)
    assert look(account).lag == Lag(0.0)
    account.newest = None
    assert look(account).lag == Lag(None)


def test_cluster_answers_are_taken_as_they_are(account: Account) -> None:
    """What the cluster says beyond status and shards changes with its version."""
    account.search.answer.update(status="yellow", unassigned_shards=4)
    assert look(account).cluster == Cluster(status="yellow", unassigned_shards=4)
    account.search.answer = {"status": "purple", "unassigned_shards": 0}
    assert look(account).cluster == Unknown("ValidationError")


class Failing:
    """A client whose every call raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            raise self.error

        return call


DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "secret detail"}}, "Any")
TIMED_OUT = ReadTimeoutError(endpoint_url="https://example.invalid")


@pytest.mark.parametrize(
    ("broken", "error", "unknown", "metrics"),
    [
        ("search", ConnectionTimeout("TIMEOUT", "x", "y"), {"cluster"}, {"OpenSearchUnassignedShards"}),
        ("cloudwatch", DENIED, {"functions", "alerts", "workflow"}, {"ProcessingSuccessRate", "LambdaErrorRate"}),
        ("s3", TIMED_OUT, {"dead_letters"}, {"DeadLetters"}),
        ("newest_ingest", UsageAnomalyError("no answer"), {"lag"}, {"IngestLagSeconds"}),
    ],
)
def test_probe_that_raises_is_unknown_and_the_rest_is_published(
    account: Account,
    publish: Publish,
    published: Published,
    broken: str,
    error: Exception,
    unknown: set[str],
    metrics: set[str],
) -> None:
    """One service that is down must not blind the monitor for the others; its score falls, its figure is left out."""
    failing = Failing(error)
    client: Any = failing.anything if broken == "newest_ingest" else failing
    if broken == "search":
        account.search.error = error
        client = account.search
    clients = msgspec.structs.replace(account.clients, **{broken: client})
    found = monitoring.watch(clients, PLACES, publish, NOW)
    assert {trouble.area for trouble in found.troubles} == unknown
    assert published["OverallHealthScore"] == ("Percent", found.score)
    assert found.score < 100
    assert metrics.isdisjoint(published)
    assert len(published) == 6 - len(metrics)
    assert "secret" not in str(found)


def test_fault_of_our_own_is_no_unknown(account: Account, publish: Publish) -> None:
    """A bug must stop the run and its alarm ring, not pass for a service that is down."""
    clients = msgspec.structs.replace(account.clients, s3=Failing(TypeError("a bug")))
    with pytest.raises(TypeError, match="a bug"):
        monitoring.watch(clients, PLACES, publish, NOW)


def test_change_of_state_is_told_once(account: Account, publish: Publish) -> None:
    """Two runs in trouble, one message; two runs without it, one message more."""
    account.search.answer.update(status="red", unassigned_shards=2)
    said = []
    for run in range(6):
        now = NOW + timedelta(minutes=5 * run)
        account.running_well(now)
        account.newest = now
        if run == 3:
            account.search.answer.update(status="green", unassigned_shards=0)
        monitoring.watch(account.clients, PLACES, publish, now)
        said.append(account.mails())
    assert said == [
        ["[health 60 of 100] began: the cluster is red, 2 shards without a node"],
        [],
        [],
        [],
        ["[health 100 of 100] over: the cluster is red, 2 shards without a node"],
        [],
    ]


def test_two_monitors_at_once_tell_once(account: Account, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule may start a run twice. Here the second reads before the first writes."""
    account.search.answer.update(status="red", unassigned_shards=2)
    load = memory.load
    rival_ran: list[bool] = []

    def load_then_rival(table: Any) -> memory.Row:
        row = load(table)
        if not rival_ran:
            rival_ran.append(True)
            monitoring.watch(account.clients, PLACES, publish, NOW)
        return row

    monkeypatch.setattr(memory, "load", load_then_rival)
    monitoring.watch(account.clients, PLACES, publish, NOW)
    assert rival_ran
    assert len(account.mails()) == 1


def test_message_that_was_not_published_is_told_by_a_later_run(account: Account, publish: Publish) -> None:
    """A run that dies before it publishes must not take the news with it; until it must be dead, nobody tells for it."""
    account.search.answer.update(status="red", unassigned_shards=2)
    mute = msgspec.structs.replace(account.clients, sns=Failing(TIMED_OUT))
    with pytest.raises(ReadTimeoutError):
        monitoring.watch(mute, PLACES, publish, NOW)
    monitoring.watch(account.clients, PLACES, publish, NOW + timedelta(minutes=1))
    assert account.mails() == []
    monitoring.watch(account.clients, PLACES, publish, NOW + timedelta(minutes=5))
    assert len(account.mails()) == 1
    monitoring.watch(account.clients, PLACES, publish, NOW + timedelta(minutes=10))
    assert account.mails() == []


def test_figures_are_published_even_if_the_state_cannot_be_read(
    account: Account, publish: Publish, published: Published
) -> None:
    """The state table down is an alarm on the score and on the function's error, both."""
    clients = msgspec.structs.replace(account.clients, table=Failing(DENIED))
    with pytest.raises(ClientError):
        monitoring.watch(clients, PLACES, publish, NOW)
    assert published["OverallHealthScore"] == ("Percent", 75)


@pytest.mark.parametrize("text", ["", "ingest", "ingest=", "=x", "ingest=a", "detect=b", "ingest=a,,detect=b"])
def test_function_names_must_say_who_is_who(text: str) -> None:
    """A wrong name would be judged as a function that never runs."""
    with pytest.raises(MissingSetting, match="FUNCTION_NAMES"):
        monitoring.read_functions(text)


def test_function_names_are_read_by_role() -> None:
    """As the template writes them."""
    assert monitoring.read_functions("ingest=a-1,detect=b-2") == {"ingest": "a-1", "detect": "b-2"}


def test_no_dead_letters_have_no_age(account: Account) -> None:
    """An empty bucket answers without Contents."""
    assert look(account).dead_letters == Letters()
