"""Arguments that many fields of identity take."""

from typing import Annotated

import strawberry

Token = Annotated[str, strawberry.argument(description="The token of the mailed link.")]
