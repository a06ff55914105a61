"""Arguments that many fields take."""

from typing import Annotated

import strawberry

First = Annotated[
    int | None,
    strawberry.argument(description="So many from the start; 0 to 100, or 20."),
]
After = Annotated[str | None, strawberry.argument(description="Only what follows this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="So many from the end, 0 to 100.")]
Before = Annotated[str | None, strawberry.argument(description="Only what precedes this cursor.")]
IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description="8 to 128 characters; repeating the call with it gives the first result."
    ),
]
Token = Annotated[str, strawberry.argument(description="The token of the mailed link.")]
