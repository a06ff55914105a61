"""How the platform is set up, started and shipped."""
