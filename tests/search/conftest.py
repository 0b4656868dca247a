"""The search rooms are tested against a server, never against a stand-in for its answers."""

from tests.search.backfills import backfill, s3
from tests.search.serving import bare, client, server, url

__all__ = ["backfill", "bare", "client", "s3", "server", "url"]
