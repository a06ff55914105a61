"""What mutations answer: the thing or a Problem, in a union that is named after the mutation."""

import strawberry
from strawberry.types.union import StrawberryUnion


def result_of(mutation: str) -> StrawberryUnion:
    """The union of a mutation, `<Mutation>Result`."""
    name = f"{mutation[0].upper()}{mutation[1:]}Result"
    union: StrawberryUnion = strawberry.union(
        name, description=f"What {mutation} answers: the result, or why there is none."
    )
    return union
