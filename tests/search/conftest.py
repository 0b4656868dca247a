"""The search rooms are tested against a server, never against a stand-in for its answers."""

from tests.search.serving import bare, client, cluster, emulator, url, with_plugin

__all__ = ["bare", "client", "cluster", "emulator", "url", "with_plugin"]
