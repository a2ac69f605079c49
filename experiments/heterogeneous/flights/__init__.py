"""How late does a flight arrive? Gradient boosting on joined tables, and networks on the graph of the tables."""
