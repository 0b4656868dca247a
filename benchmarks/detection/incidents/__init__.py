"""Which incidents have to be told?

Rows 1-10 are those of the scenarios that must be told, the rows with care follow, then more of the same spirit. The last,
a habit that does three times as much, is made by the habit itself.
"""

from __future__ import annotations

from benchmarks.detection.incidents import launches, loops, takeovers
from benchmarks.detection.incidents.cast import IncidentRow

TRIPLED = "habit tripled"
INSTANCES, BOTH = ("ec2.instances",), ("ec2.instances", "ebs.volumes")
SMALL = ("development", "sandbox", "staging", "unknown")
WORKING = ("production", "staging", "development", "unknown")

_ROWS = (
    IncidentRow(name="1 leaked key", make=launches.leaked_key, kinds=INSTANCES, stages=SMALL),
    IncidentRow(
        name="2 stolen administrator", make=takeovers.stolen_administrator, kinds=("ecs.tasks", "ec2.instances")
    ),
    IncidentRow(name="3 fargate miners", make=takeovers.fargate_miners, kinds=("ecs.tasks",)),
    IncidentRow(
        name="4 lambda loop", make=loops.lambda_loop, kinds=("lambda.invocations",), stages=SMALL, hours=60, night=True
    ),
    IncidentRow(name="5 model theft", make=takeovers.model_theft, kinds=("bedrock.invocations",), hours=6),
    IncidentRow(name="6 giant node", make=launches.giant_node, kinds=BOTH, stages=WORKING),
    IncidentRow(name="7 provisioner loop", make=launches.provisioner_loop, kinds=BOTH, stages=WORKING, hours=14),
    IncidentRow(name="8 thin spread", make=launches.thin_spread, kinds=INSTANCES),
    IncidentRow(
        name="9 volume leak", make=loops.volume_leak, kinds=("ebs.volumes", "ebs.snapshots"), stages=WORKING, hours=70
    ),
    IncidentRow(name="10 refused launches", make=launches.refused_launches, kinds=("ec2.instances.attempts",)),
    IncidentRow(name="unknown price", make=launches.unknown_price, kinds=INSTANCES),
    IncidentRow(name="change window", make=launches.change_window, kinds=BOTH, stages=WORKING),
    IncidentRow(name="brand-new account", make=launches.brand_new_account, kinds=INSTANCES, newcomer=True),
    IncidentRow(name="truncated launch", make=launches.truncated_launch, kinds=INSTANCES),
    IncidentRow(name="slow ramp", make=launches.slow_ramp, kinds=BOTH, stages=WORKING, hours=31),
    IncidentRow(name="new image everywhere", make=launches.new_image_everywhere, kinds=INSTANCES, accounts=7),
    IncidentRow(name="training jobs", make=takeovers.training_jobs, kinds=("sagemaker.instances",)),
    IncidentRow(name="snapshot copies", make=loops.snapshot_copies, kinds=("ebs.snapshots",), stages=WORKING, hours=20),
    IncidentRow(name="broken stack", make=loops.broken_stack, kinds=("nat.gateways", "elastic.ips"), hours=5),
    IncidentRow(name="database clones", make=loops.database_clones, kinds=("rds.instances",), stages=WORKING, hours=9),
    IncidentRow(name="cache fleet", make=loops.cache_fleet, kinds=("elasticache.nodes",)),
    IncidentRow(name="commitment", make=loops.commitment, kinds=("commitments",)),
)
INCIDENTS: dict[str, IncidentRow] = {row.name: row for row in _ROWS}
