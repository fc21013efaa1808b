"""The protocol, without a clock, a loop, a thread, a socket, a log or chance."""
