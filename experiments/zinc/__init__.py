"""Graph transformers on ZINC with their published settings."""
