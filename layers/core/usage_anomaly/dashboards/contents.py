"""Which panels stand on which dashboard?

The kinds named here are those of the catalog; what usage events cannot answer stands in docs/dashboards.md.
"""

from __future__ import annotations

from usage_anomaly.dashboards.panels import Dashboard, Figure, Panel, Placed, Split
from usage_anomaly.dashboards.patterns import ANOMALIES, EVENTS, HOURS, LAG, STANDING

CALLS = Figure("count", None, "calls")
QUANTITY = Figure("sum", "quantity", "quantity")
ADDED = Figure("sum", "usd_per_hour", "USD/h added")
NUMBER = Figure("count", None, "anomalies")
BURN = Figure("sum", "cost.usd_per_hour", "USD/h")
ACCOUNT = Split("account_id", "account")
ACTOR = Split("actor_arn", "actor", missing="unknown")
KIND = Split("kind", "kind")
STILL_OPEN = {"state": ("open", "grown", "quiet")}

# ---- Anomalies
OPEN = Panel(
    id="usage-anomaly-open",
    title="Open anomalies",
    form="search",
    pattern=STANDING,
    where=STILL_OPEN,
    columns=(
        "start", "last_seen", "state", "kind", "account_id", "account_name", "account_type", "total", "expected", "severity",
        "cost.usd_per_hour", "id",
    ),
    sort="severity",
)  # fmt: skip
BURNING = Panel(
    id="usage-anomaly-burning",
    title="Open now",
    form="metric",
    pattern=STANDING,
    where=STILL_OPEN,
    figures=(NUMBER, BURN),
)
TOP_ACCOUNTS = Panel(
    id="usage-anomaly-top-accounts",
    title="Top accounts by USD/h, open anomalies",
    form="table",
    pattern=STANDING,
    where=STILL_OPEN,
    figures=(
        BURN,
        Figure("sum", "cost.usd_so_far", "USD so far"),
        Figure("sum", "cost.usd_month_end", "USD by month's end"),
        NUMBER,
    ),
    splits=(ACCOUNT, Split("account_name", "name", 1)),
)
TIMELINE = Panel(
    id="usage-anomaly-timeline",
    title="Anomalies by their start",
    form="histogram",
    pattern=ANOMALIES,
    figures=(NUMBER,),
    over="start",
    splits=(KIND,),
)
SEVERITY = Panel(
    id="usage-anomaly-severity",
    title="Worst severity by start",
    form="line",
    pattern=ANOMALIES,
    figures=(Figure("max", "severity", "severity, 0-10"),),
    over="start",
)
AGAINST_EXPECTED = Panel(
    id="usage-anomaly-against-expected",
    title="Actual against expected, the 20 largest",
    form="horizontal_bar",
    pattern=ANOMALIES,
    figures=(Figure("max", "total", "actual"), Figure("max", "expected", "expected")),
    splits=(Split("id", "anomaly", 20),),
    scale="square root",  # instances beside invocations
)
ACCOUNT_TYPES = Panel(
    id="usage-anomaly-account-types",
    title="Anomalies by account type",
    form="pie",
    pattern=ANOMALIES,
    figures=(NUMBER,),
    splits=(Split("account_type", "account type", missing="unknown"),),
)
DETECTORS = Panel(
    id="usage-anomaly-detectors",
    title="Anomalies by detector",
    form="pie",
    pattern=ANOMALIES,
    figures=(NUMBER,),
    splits=(Split("findings.detector", "detector"),),
)
INGEST_LAG = Panel(
    id="usage-anomaly-ingest-lag",
    title="Seconds from call to index",
    form="line",
    pattern=EVENTS,
    where={"origin": ("live",)},
    figures=(Figure("percentiles", LAG.name, "lag"),),
    over="event_time",
)
SPENDING = Panel(
    id="usage-anomaly-spending",
    title="USD/h added in each hour, by kind",
    form="histogram",
    pattern=HOURS,
    figures=(ADDED,),
    over="hour",
    splits=(KIND,),
)
SPENDING_ACCOUNTS = Panel(
    id="usage-anomaly-spending-accounts",
    title="Top accounts by USD/h added",
    form="horizontal_bar",
    pattern=HOURS,
    figures=(ADDED,),
    splits=(ACCOUNT,),
)

# ---- All calls that are watched
FAILED_LOGINS = Panel(
    id="usage-anomaly-failed-logins",
    title="Failed console logins",
    form="table",
    pattern=EVENTS,
    where={"kind": ("console.logins",), "group": ("failed", "failed root")},
    figures=(QUANTITY,),
    splits=(ACCOUNT,),
)
ROOT = Panel(
    id="usage-anomaly-root",
    title="Calls of root",
    form="table",
    pattern=EVENTS,
    where={"actor_type": ("Root",)},
    splits=(ACCOUNT, Split("event_name", "call")),
)
REFUSED = Panel(
    id="usage-anomaly-refused",
    title="Refused calls",
    form="table",
    pattern=EVENTS,
    where={"error_code": ("*AccessDenied*", "*Unauthorized*", "*AuthorizationError*")},
    splits=(ACCOUNT, ACTOR),
)
ACTORS = Panel(id="usage-anomaly-actors", title="Actors", form="table", pattern=EVENTS, splits=(ACTOR, ACCOUNT))
ERROR_CODES = Panel(
    id="usage-anomaly-error-codes",
    title="Error codes of watched calls",
    form="pie",
    pattern=EVENTS,
    splits=(Split("error_code", "error code"),),
)
SOURCES = Panel(
    id="usage-anomaly-sources",
    title="Services of watched calls",
    form="pie",
    pattern=EVENTS,
    splits=(Split("event_source", "service"),),
)
CALLS_OVER_TIME = Panel(
    id="usage-anomaly-calls",
    title="Watched calls over time",
    form="area",
    pattern=EVENTS,
    over="event_time",
    splits=(Split("event_name", "call"),),
)
ACCOUNTS = Panel(
    id="usage-anomaly-accounts", title="Watched calls by account", form="pie", pattern=EVENTS, splits=(ACCOUNT,)
)


def _daily(name: str, title: str, kind: str, figure: Figure, split: Split) -> Panel:
    """A stacked bar for each day, of one kind's use."""
    return Panel(
        id=f"usage-anomaly-{name}",
        title=title,
        form="histogram",
        pattern=EVENTS,
        where={"kind": (kind,), "direction": ("use", "attempt")},
        figures=(figure,),
        over="event_time",
        every="d",
        splits=(split,),
    )


INVOCATIONS, INSTANCES, VOLUMES = "lambda.invocations", "ec2.instances", "ebs.volumes"
INSTANCE_TYPE = Split("group", "instance type")
LAMBDA = (
    _daily("lambda-functions", "Invocations by function", INVOCATIONS, QUANTITY, Split("function_name", "function", 5)),
    _daily(
        "lambda-services", "Invocations by calling service", INVOCATIONS, QUANTITY, Split("invoked_by", "service", 5)
    ),
    _daily("lambda-actors", "Invocations by role or user", INVOCATIONS, QUANTITY, Split("actor_arn", "actor", 5)),
)
EC2 = (
    _daily("ec2-types", "Instances by type", INSTANCES, QUANTITY, INSTANCE_TYPE),
    _daily("ec2-actors", "Instances by role or user", INSTANCES, QUANTITY, Split("actor_arn", "actor", 5)),
    _daily("ec2-vcpus", "vCPUs by type", INSTANCES, Figure("sum", "vcpus", "vCPUs"), INSTANCE_TYPE),
    _daily("ec2-gpus", "GPUs by type", INSTANCES, Figure("sum", "gpus", "GPUs"), INSTANCE_TYPE),
    _daily("ec2-usd", "USD/h added by account", INSTANCES, ADDED, ACCOUNT),
    _daily(
        "ec2-refused", "Refused launches by error", f"{INSTANCES}.attempts", CALLS, Split("error_code", "error code")
    ),
)
EBS = (
    _daily("ebs-actors", "Volumes by role or user", VOLUMES, QUANTITY, Split("actor_arn", "actor", 5)),
    _daily("ebs-gib", "GiB by account", VOLUMES, Figure("sum", "gib", "GiB"), ACCOUNT),
    _daily("ebs-types", "GiB by volume type", VOLUMES, Figure("sum", "gib", "GiB"), Split("group", "volume type")),
)


def _halves(*panels: Panel) -> tuple[Placed, ...]:
    return tuple(Placed(each, 48 // len(panels)) for each in panels)


DASHBOARDS = (
    Dashboard(
        "usage-anomaly-dashboard",
        "Usage anomalies",
        "What is unusual, where, and what it costs per hour",
        "now-7d",
        (
            (Placed(BURNING, 12), Placed(TOP_ACCOUNTS, 36)),
            (Placed(OPEN, 48, 18),),
            _halves(TIMELINE, SEVERITY),
            (Placed(AGAINST_EXPECTED, 24, 18), Placed(ACCOUNT_TYPES, 12, 18), Placed(DETECTORS, 12, 18)),
            _halves(SPENDING, SPENDING_ACCOUNTS),
            (Placed(INGEST_LAG, 48),),
        ),
    ),
    Dashboard(
        "usage-anomaly-dashboard-general",
        "Usage: calls",
        "Logins, refusals, actors and services of the calls that are watched",
        "now-7d",
        (
            _halves(FAILED_LOGINS, ROOT),
            _halves(REFUSED, ACTORS),
            _halves(ERROR_CODES, SOURCES, ACCOUNTS),
            (Placed(CALLS_OVER_TIME, 48),),
        ),
    ),
    Dashboard(
        "usage-anomaly-dashboard-lambda",
        "Usage: Lambda",
        "Invocations a day; only where the trail logs Lambda's data events",
        "now-30d",
        ((Placed(LAMBDA[0], 48),), _halves(*LAMBDA[1:])),
    ),
    Dashboard(
        "usage-anomaly-dashboard-ec2",
        "Usage: EC2",
        "Launches a day: instances, vCPUs, GPUs, list price",
        "now-30d",
        (_halves(*EC2[:2]), _halves(*EC2[2:4]), _halves(*EC2[4:])),
    ),
    Dashboard(
        "usage-anomaly-dashboard-ebs",
        "Usage: EBS",
        "Volumes made a day: number and size",
        "now-30d",
        ((Placed(EBS[0], 48),), _halves(*EBS[1:])),
    ),
)
