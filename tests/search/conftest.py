"""The search rooms are tested against a server, never against a stand-in for its answers."""

from tests.search.serving import bare, client, emulator, url

__all__ = ["bare", "client", "emulator", "url"]
