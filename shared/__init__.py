"""The platform library that every subgraph stands on: no domain rules, no tables of its own."""
