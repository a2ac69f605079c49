"""Every symmetry treatment of attention side by side, on node classification."""
