"""The search rooms are tested against a server, never against a stand-in for its answers."""

from tests.search.serving import bare, client, server, url

__all__ = ["bare", "client", "server", "url"]
