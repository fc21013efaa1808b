"""What a test needs: virtual time, a network with faults, checks for adapters."""
