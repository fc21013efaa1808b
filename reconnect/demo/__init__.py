"""What `reconnect demo` runs: a real game over real WebRTC, whose wire is cut."""
