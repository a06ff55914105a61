"""The rules of learning, by noun. Callers own the transaction; nothing here commits.

Whoever changes seats locks the course's row first, then the enrolment's or the waitlist's.
"""
