"""Is a client made when it is first asked, and once?"""

from __future__ import annotations

from usage_anomaly.on_demand import OnDemand


def test_a_client_is_made_at_its_first_call_and_once() -> None:
    """A cold start must not pay for what it does not use, nor a warm function twice."""
    made: list[str] = []

    class Client:
        def publish(self) -> str:
            return "told"

    def make() -> Client:
        made.append("once")
        return Client()

    client = OnDemand(make)
    assert made == []
    assert (client.publish(), client.publish()) == ("told", "told")
    assert made == ["once"]
