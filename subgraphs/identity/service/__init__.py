"""The rules of identity, one module per noun. Callers own the transaction; nothing here commits."""
