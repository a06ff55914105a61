"""Journeys through the whole platform; a package, so that platforms end with its last test."""
