"""Encoders with parameters, and the loss that trains positions. May import `device`."""
