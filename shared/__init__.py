"""The platform library: what every subgraph stands on. No domain rules, no tables of any subgraph."""
