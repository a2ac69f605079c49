"""Random calls of the library against its equations in plain NumPy: `python -m tests.fuzz --help`."""
