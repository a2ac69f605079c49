"""What also runs under `jax.jit`, by products with the adjacency matrix. Imports nothing of the host's encodings."""
