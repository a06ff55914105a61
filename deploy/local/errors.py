"""The one error of the embedded services."""


class LocalServiceError(Exception):
    """A local service cannot run; the message is one line that says why and how to mend it."""
