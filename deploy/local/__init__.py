"""The embedded services of `make dev` and of the tests, one module each; not for production."""
