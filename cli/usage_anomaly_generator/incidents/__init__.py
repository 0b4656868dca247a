"""What goes wrong, and how does it look in the trail?

Shapes of public incident reports, with invented accounts. An incident is a pure function
`(account, at, rng, *, scale, ...) -> Iterator[Call]`; `at` is the time of its first use (or first refused launch).
To add one, write it and name it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from usage_anomaly_generator.calls import Call
from usage_anomaly_generator.incidents import launches, leaks, takeovers

INCIDENTS: dict[str, Callable[..., Iterator[Call]]] = {
    "leaked_key": launches.leaked_key,
    "lambda_loop": launches.lambda_loop,
    "giant_node": launches.giant_node,
    "provisioner_loop": launches.provisioner_loop,
    "thin_spread": launches.thin_spread,
    "refused_launches": launches.refused_launches,
    "stolen_administrator": takeovers.stolen_administrator,
    "task_miners": takeovers.task_miners,
    "model_theft": takeovers.model_theft,
    "driver_leak": leaks.driver_leak,
}
