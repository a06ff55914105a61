"""Does a change of the schema break anybody? Ten tasks over two registries, without a server."""
