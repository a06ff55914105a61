"""The rules of matching, by noun. Callers own the transaction; nothing here commits.

Locks are taken in this order: the user's reference, tutors' profiles by id, what hangs on them.
Whatever changes what a tutor offers does so under the lock of the profile's row.
"""
