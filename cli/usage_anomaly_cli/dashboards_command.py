"""`usage-anomaly dashboards`: what is to be imported into OpenSearch Dashboards?"""

from __future__ import annotations

from typing import BinaryIO

import click

from usage_anomaly.dashboards.saved import ndjson


@click.command()
@click.option("-o", "--output", type=click.File("wb"), default="-", help="File to write; without it they are printed.")
def dashboards(output: BinaryIO) -> None:
    """Write the saved objects of OpenSearch Dashboards: index patterns, panels, dashboards.

    A deployment imports them by itself. Import them by hand (Dashboards Management, Saved objects) where it cannot.
    """
    output.write(ndjson())
