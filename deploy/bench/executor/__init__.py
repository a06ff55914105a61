"""The executor alone: compiled, as Strawberry comes, and graphql-js, over one graph in memory."""
