"""A session and its clients in an abstract network, small enough to be searched to the end."""
