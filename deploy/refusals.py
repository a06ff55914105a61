"""Which failures of a command its caller can mend; they are told in lines, never as tracebacks."""

from dataclasses import dataclass

BAD_CONFIGURATION = 3
UNKNOWN_NAME = 2


@dataclass(frozen=True)
class Refusal:
    """What is printed, and the exit code."""

    about: str
    lines: list[str]
    exit_code: int


def refusal(error: Exception) -> Refusal | None:
    """What to tell of an error; None for an accident."""
    # Imported once something failed: together they are most of the platform.
    import psycopg
    from kafka.errors import KafkaError
    from sqlalchemy.exc import OperationalError as SqlError

    from deploy.local.errors import LocalServiceError
    from schema.compose import CompositionError
    from schema.documents import DocumentError
    from schema.registry import RegistryError
    from shared.config import SettingsError
    from shared.contracts import ContractsError
    from shared.errors import DomainError

    match error:
        case SettingsError():
            return Refusal("configuration", list(error.lines), BAD_CONFIGURATION)
        case LocalServiceError():
            return Refusal("error", [str(error)], 1)
        case LookupError():
            return Refusal("error", [str(error)], UNKNOWN_NAME)
        case (
            RegistryError()
            | CompositionError()
            | ContractsError()
            | DocumentError()
            | DomainError()
        ):
            return Refusal("error", [str(error)], BAD_CONFIGURATION)
        case psycopg.OperationalError() | SqlError():
            return Refusal("database", [str(error).splitlines()[0]], 1)
        case KafkaError():
            return Refusal("Kafka", [f"{error}: is it running?"], 1)
    return None
