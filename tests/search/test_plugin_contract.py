"""Does the stand-in answer what the plugin answered?"""

from __future__ import annotations

from typing import Any

import pytest
from tests.search.plugin_stand_in import PREFIX, PluginStandIn
from tests.search.recorded import EXCHANGES

# What the clock, the plugin's draws or the other documents of its index decide.
BY_CHANCE = {"feature_id", "last_update_time", "_seq_no", "_primary_term", "took", "max_score", "detector_count"}
# Of what is recorded only as far as the stand-in keeps it: a task's course, the nodes, the models.
PLUGIN = [
    number
    for number, each in EXCHANGES.items()
    if each.request.path.startswith(PREFIX) and "_topAnomalies" not in each.request.path
]


class Cluster:
    """The stand-in in the state that the recordings have come to, and its ids beside theirs."""

    def __init__(self) -> None:
        self.count = 1
        self.plugin = PluginStandIn(lambda pattern: self.count if pattern == "usage-events-*" else None)
        self.ids: dict[str, str] = {}

    def replay(self, number: int) -> tuple[tuple[int, Any], tuple[int, Any]]:
        """What the stand-in says to a recorded request, and what was recorded, with the stand-in's ids."""
        each = EXCHANGES[number]
        self.count = 0 if "no-document" in each.name else 1
        self.plugin.state = "INIT" if each.name == "profile-after-start" else "RUNNING"
        path = self.ours(each.request.path)
        said = self.plugin.answer(each.request.method, path, each.request.body)
        assert said is not None, each.name
        if isinstance(said[1], dict) and isinstance(each.response.body, dict):
            self.ids.setdefault(str(each.response.body.get("_id")), str(said[1].get("_id")))
        return said, (each.response.status, self.ours(each.response.body))

    def ours(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.ours(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.ours(each) for each in value]
        for theirs, own in self.ids.items():
            value = value.replace(theirs, own) if isinstance(value, str) else value
        return value


def differences(said: Any, recorded: Any, where: str = "") -> list[str]:
    """What the stand-in says and the plugin did not."""
    if isinstance(said, dict) and isinstance(recorded, dict):
        names = [name for name in said if name not in BY_CHANCE]
        lacking = [f"{where}.{name}: never said" for name in names if name not in recorded]
        return lacking + [
            line
            for name in names
            if name in recorded
            for line in differences(said[name], recorded[name], f"{where}.{name}")
        ]
    if isinstance(said, list) and isinstance(recorded, list) and len(said) == len(recorded):
        return [
            line
            for place, pair in enumerate(zip(said, recorded, strict=True))
            for line in differences(*pair, f"{where}[{place}]")
        ]
    return [] if said == recorded else [f"{where}: {said!r}, recorded {recorded!r}"]


def test_every_recorded_answer_is_given_in_its_turn() -> None:
    """Tests on a stand-in that is kinder than the plugin prove nothing; this one says nothing that the plugin did not say."""
    cluster = Cluster()
    wrong = []
    for number in PLUGIN:
        (status, body), (recorded_status, recorded_body) = cluster.replay(number)
        found = differences(body, recorded_body)
        wrong += [f"{number} {EXCHANGES[number].name}: {line}" for line in found]
        if status != recorded_status:
            wrong.append(f"{number} {EXCHANGES[number].name}: {status}, recorded {recorded_status}")
    assert wrong == []
    assert len(PLUGIN) > 45


@pytest.mark.parametrize("name", ["create", "create-of-ours", "update-after-stop"])
def test_a_body_comes_back_whole_and_otherwise(name: str) -> None:
    """Whoever compares bodies to find out what changed has to know what else the plugin says of them."""
    cluster = Cluster()
    for number in PLUGIN:
        said, recorded = cluster.replay(number)
        if EXCHANGES[number].name == name:
            assert set(said[1]["anomaly_detector"]) | BY_CHANCE >= set(recorded[1]["anomaly_detector"])
            assert said[1]["anomaly_detector"] != EXCHANGES[number].request.body
            return
    raise AssertionError(name)


def test_a_refusal_may_stand_in_an_answer_of_200() -> None:
    """Starting twice, stopping twice and validating nonsense are no errors of HTTP."""
    told = {each.name: each.response for each in EXCHANGES.values()}
    assert (told["start-realtime-again"].status, "error" in told["start-realtime-again"].body) == (200, True)
    assert (told["stop-again"].status, "error" in told["stop-again"].body) == (200, True)
    assert (told["validate-bad-feature"].status, "detector" in told["validate-bad-feature"].body) == (200, True)
