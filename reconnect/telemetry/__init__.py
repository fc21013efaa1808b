"""What happened, kept for research and for bug reports."""
