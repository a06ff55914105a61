"""The rules of payment, by noun; callers own the transaction and nothing here commits."""
