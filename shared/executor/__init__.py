"""A compiled GraphQL executor under Strawberry: the same answers for a fraction of the time.

`CompiledExecutor` is for Strawberry's `execution_context_class`; `CompiledSchema` also leaves out
what stands around an execution. See README.md.
"""

from .documents import Documents
from .entities import Entities
from .executor import CompiledExecutor, Counts, Engine, Settings
from .sampling import Difference, difference
from .schema import CompiledSchema

__all__ = [
    "CompiledExecutor",
    "CompiledSchema",
    "Counts",
    "Difference",
    "Documents",
    "Engine",
    "Entities",
    "Settings",
    "difference",
]
