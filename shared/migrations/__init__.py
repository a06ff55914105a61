"""Alembic's environment, used by every section of alembic.ini, and what migrations share."""
