"""Exact encodings, in numpy and SciPy on the host: once per graph, in the data pipeline. Imports neither other room."""
