"""Which failures does a caller act on?

Each class is one reaction: a person mends the input (`UnusableInput`), a developer mends the catalog (`CatalogError`).
One record that cannot be read is no exception at all but a counted `Rejection` (see `envelopes`).
"""


class UsageAnomalyError(Exception):
    """Base of every error this package raises on purpose; its text names the input and the remedy."""


class UnusableInput(UsageAnomalyError):
    """Nothing can be done with what was given (no such folder, no readable record, a malformed accounts file)."""


class CatalogError(UsageAnomalyError):
    """A catalog file breaks its schema or its own samples."""
