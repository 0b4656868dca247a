"""The search rooms are tested against a server, never against a stand-in for its answers; only plugins have stand-ins."""

from tests.search.backfills import backfill, s3
from tests.search.clusters import front, live, plugin_cluster, stand_in
from tests.search.serving import bare, client, cluster, emulator, url, with_plugin

__all__ = [
    "backfill",
    "bare",
    "client",
    "cluster",
    "emulator",
    "front",
    "live",
    "plugin_cluster",
    "s3",
    "stand_in",
    "url",
    "with_plugin",
]
