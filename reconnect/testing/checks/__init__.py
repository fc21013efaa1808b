"""What `check_store`, `check_signaling` and `check_link` are made of."""
