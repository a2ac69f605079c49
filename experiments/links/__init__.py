"""Links of a knowledge graph: decoders alone, and behind encoders of the graph."""
