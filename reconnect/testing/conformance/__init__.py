"""What the vectors for clients in other languages are made of."""
