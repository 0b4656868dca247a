"""What do people see of usage and anomalies in OpenSearch Dashboards?

`patterns` (which indexes and fields are there to be shown?), `panels` (what does a panel show?), `contents` (which panels
stand on which dashboard?), `saved` (how is all of it written, so that an import takes it?).
"""
