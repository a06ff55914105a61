"""Errors that a service raises on purpose. Anything else is a bug and is masked.

A subclass named as a fact (`CourseFull(Conflict)`) stands next to the function that raises it; its
`code` appears in the subgraph's `ProblemCode` enum with the first line of its docstring. A mutation
answers it as a `Problem`, a query as a top-level error that carries the general code above it.
"""

from typing import ClassVar


class DomainError(Exception):
    """A refusal that the caller can understand and mend."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    @classmethod
    def general_code(cls) -> str:
        """The code of the general error this one specialises, as top-level errors carry it."""
        for base in cls.__mro__:
            if DomainError in base.__bases__:
                return base.code  # type: ignore[attr-defined, no-any-return]
        return DomainError.code


class Unauthenticated(DomainError):
    """There is no valid access token."""

    code = "UNAUTHENTICATED"


class Forbidden(DomainError):
    """The viewer may not do this."""

    code = "FORBIDDEN"


class EmailNotVerified(Forbidden):
    """The e-mail address must be verified first."""

    code = "EMAIL_NOT_VERIFIED"


class NotFound(DomainError):
    """The thing does not exist, or not for this viewer."""

    code = "NOT_FOUND"


class Conflict(DomainError):
    """The present state does not allow this."""

    code = "CONFLICT"


class InvalidInput(DomainError):
    """A value breaks a rule; `field` names it."""

    code = "INVALID_INPUT"


class RateLimited(DomainError):
    """Too many tries; `retry_after` says in how many seconds the next one counts."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_after: int, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.retry_after = retry_after


class Unavailable(DomainError):
    """A part that is needed does not answer; the same request may succeed later."""

    code = "UNAVAILABLE"


class Timeout(DomainError):
    """A part that is needed took too long."""

    code = "TIMEOUT"
