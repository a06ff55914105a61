"""The schema registry: what is exported, composed and checked; see schema/README.md."""
