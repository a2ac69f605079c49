"""Experiments: each folder is one, run as `python -m experiments.<name>`."""
