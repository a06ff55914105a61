"""One flat folder per domain; see CONTRIBUTING.md."""
