"""What happens when a browser opens the page of hostile records?

Behind its own marker: `make test-browser` needs Chromium and its driver, and fails where they are missing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.report import hostile
from tests.report.browser import Browser, started

from usage_anomaly.catalog import Catalog
from usage_anomaly_cli.report import page

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]
NAMES = ("chromium", "chromium-browser", "google-chrome")
PICTURES = "USAGE_ANOMALY_PICTURES"  # a folder for what was seen, to look at


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    driver = shutil.which("chromedriver")
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if driver is None or chromium is None:
        pytest.fail("no Chromium with its driver here; on Debian: apt-get install chromium chromium-driver")
    with started(driver, chromium) as session:
        yield session


@pytest.fixture(scope="module")
def opened(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every hostile text in every field."""
    heading = page.Heading(
        title=hostile.TEXTS[0], facts=[("Gaps", each) for each in hostile.TEXTS], summing_up=hostile.TEXTS
    )
    file = tmp_path_factory.mktemp("browser") / "report.html"
    file.write_text(page.render(heading, [hostile.kept(catalog, each) for each in hostile.TEXTS], catalog), "utf-8")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_runs_nothing_is_fetched_and_all_fits(browser: Browser, opened: Path, width: int, scheme: str) -> None:
    """No script, no request, no complaint on the console, no sideways scrolling, our style accepted, the scheme obeyed."""
    browser.open(opened, width, scheme)
    assert browser.ask("return [typeof window.ran, document.scripts.length]") == ["undefined", 0]
    assert browser.console() == []
    assert browser.requests() == [opened.as_uri()]
    assert browser.ask("return document.documentElement.scrollWidth <= innerWidth")
    dark = browser.ask("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert dark == (scheme == "dark")
    if os.environ.get(PICTURES):
        (Path(os.environ[PICTURES]) / f"hostile-{width}-{scheme}.png").write_bytes(browser.picture())


def test_the_policy_stops_a_script_and_a_style_that_got_in(browser: Browser, opened: Path, tmp_path: Path) -> None:
    """The second wall; and the proof that the test above would see a script, a style or a request."""
    tampered = tmp_path / "tampered.html"
    inside = "<script>window.ran = 1</script><style>body { opacity: 0 }</style><img src='https://127.0.0.1:9/x'></main>"
    tampered.write_text(opened.read_text("utf-8").replace("</main>", inside), "utf-8")
    browser.open(tampered, 1200, "light")
    assert browser.ask("return [typeof window.ran, getComputedStyle(document.body).opacity]") == ["undefined", "1"]
    refused = "\n".join(each["message"] for each in browser.console())
    assert all(word in refused for word in ("script", "style", "image"))


def test_a_link_of_the_table_opens_what_was_folded(browser: Browser, opened: Path) -> None:
    """Without a script, the browser itself unfolds the anomaly that a link leads to."""
    browser.open(opened, 1200, "light")
    folded = "document.getElementById('anomaly-2').closest('details')"
    browser.ask(f"{folded}.open = false; document.querySelector('a[href=\"#anomaly-2\"]').click()")
    assert browser.ask(f"return {folded}.open")
