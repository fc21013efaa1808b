"""Control links over the libraries that servers and clients already use."""
