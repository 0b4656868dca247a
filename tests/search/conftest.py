"""The search rooms are tested against a server, never against a stand-in for its answers; only plugins have stand-ins."""

from tests.search.clusters import cluster, front, live, stand_in
from tests.search.serving import bare, client, server, url

__all__ = ["bare", "client", "cluster", "front", "live", "server", "stand_in", "url"]
