"""What encodings cost, and what they are good for."""
