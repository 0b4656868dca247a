"""Unusual usage in AWS accounts, read from CloudTrail records.

The rooms stand in the order the data meets them: envelopes, catalog, usage, series, detection, anomalies, enrichment, alerts.
"""
