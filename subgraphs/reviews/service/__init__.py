"""The rules of reviews, by noun. Callers own the transaction; nothing here commits.

Locks are taken in this order: lesson or purchase, review, rating summary.
"""
