"""The real router against two small subgraphs, its keys, its supergraph and a real Valkey."""
