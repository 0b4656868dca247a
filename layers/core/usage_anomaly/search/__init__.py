"""What is kept in OpenSearch, and what does it answer?

`client` (how is it reached?), `indexes` (which documents lie where?), `events` (are these usage events kept?), `history`
(what was used when, by whom?), `anomalies` (is this the newest state of an anomaly?), `setup` (does the cluster know our
indexes?).
"""
