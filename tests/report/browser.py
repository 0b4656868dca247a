"""How does a test open a page in Chromium and ask what happened there?

Speaks the WebDriver protocol to chromedriver with the standard library: one session, one new profile, no network.
"""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Browser:
    """One session of chromedriver."""

    def __init__(self, address: str, chromium: str, profile: str) -> None:
        options = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self._address = address
        self._session = ""
        self._session = (
            "/session/" + self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        )

    def open(self, page: Path, width: int, scheme: str) -> None:
        """Open a file at this width, with `scheme` (light, dark) as the reader's preference."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.console(), self.requests()
        self._call("POST", f"{self._session}/url", {"url": page.as_uri()})

    def ask(self, script: str) -> Any:
        """What a script of the test, which the page's policy does not concern, returns."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def console(self) -> list[dict[str, Any]]:
        """What the console was told since it was last asked: errors, refused styles and scripts."""
        return list(self._call("POST", f"{self._session}/se/log", {"type": "browser"}))

    def requests(self) -> list[str]:
        """Every address that was asked for since this was last asked."""
        entries = self._call("POST", f"{self._session}/se/log", {"type": "performance"})
        messages = [json.loads(each["message"])["message"] for each in entries]
        return [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]

    def picture(self, height: int = 8_000) -> bytes:
        """The page as PNG, down to `height`."""
        width, whole = self.ask("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, whole), "scale": 1}
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self._call("POST", f"{self._session}/goog/cdp/execute", {"cmd": name, "params": parameters})

    def end(self) -> None:
        self._call("DELETE", self._session)

    def _call(self, method: str, path: str, content: object = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        with urlopen(
            Request(self._address + path, body, {"Content-Type": "application/json"}, method=method), timeout=60
        ) as answer:
            return json.load(answer)["value"]


@contextmanager
def started(driver: str, chromium: str) -> Iterator[Browser]:
    """A browser, ended in any case. The driver takes a free port and names it."""
    with subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = next(
                line.rsplit(" ", 1)[1].strip(".\n") for line in process.stdout if "successfully on port" in line
            )
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                browser = Browser(f"http://127.0.0.1:{port}", chromium, profile)
                try:
                    yield browser
                finally:
                    browser.end()
        finally:
            process.terminate()
