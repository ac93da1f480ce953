"""What forwarding must read and rewrite in the payload of each codec; pure."""
