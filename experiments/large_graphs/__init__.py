"""One network on one graph, trained on all of it and on samples."""
