"""Which habits can an account have?

A habit is a pure function `(account, span, rng, *, scale, ...) -> Iterator[Call]`; to add one, write it and name it
here. Its calls come in any order, and some may lie outside the span (they are left out).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from usage_anomaly_generator.calls import Call
from usage_anomaly_generator.habits import background, compute, storage

HABITS: dict[str, Callable[..., Iterator[Call]]] = {
    "auto_scaling_mornings": compute.auto_scaling_mornings,
    "nightly_batch": compute.nightly_batch,
    "ci_runs": compute.ci_runs,
    "spot_replacement": compute.spot_replacement,
    "node_group_rotation": compute.node_group_rotation,
    "workbench": compute.workbench,
    "eks_probes": compute.eks_probes,
    "volume_churn": storage.volume_churn,
    "nightly_snapshots": storage.nightly_snapshots,
    "preview_environment": storage.preview_environment,
    "lambda_day_and_night": background.lambda_day_and_night,
    "config_sweeps": background.config_sweeps,
    "refused_log_delivery": background.refused_log_delivery,
    "legacy_key": background.legacy_key,
}
