"""What is kept in OpenSearch, and what does it answer?

`client` (how is it reached?), `indexes` (which documents lie where?), `events` (are these usage events kept?), `history`
(what was used when, by whom?), `anomalies` (is this the newest state of an anomaly?), `learned` (what have the learned
detectors found?). Each deployment asks `setup` (is the cluster what this version needs?), by way of `asking` (while there is
time left): `access` (who may do what?), `policies` (when are old events deleted?), `detectors` (what are they told?),
`plugin` (do they run?), `dashboards` (do ours stand there?); `resource` tells CloudFormation.
"""
