"""How is a workflow started once, however often it is asked for?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from usage_anomaly.ticking import NotStarted


def starter(client: Any, state_machine_arn: str) -> Callable[[str, bytes], None]:
    """A function that starts an execution of that name with that input, or raises NotStarted.

    A name that was started before counts as started, also when its input differs: a snapshot is immutable, so it cannot.
    """

    def start(name: str, snapshot: bytes) -> None:
        try:
            client.start_execution(stateMachineArn=state_machine_arn, name=name, input=snapshot.decode())
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise NotStarted(f"{name}: {error.response['Error']['Code']}") from error

    return start
