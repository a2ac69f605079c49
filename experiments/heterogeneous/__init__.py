"""Networks of typed graphs on data with types."""
