"""The embedded services of `make dev` and of the tests: one module each, none of them in production."""
