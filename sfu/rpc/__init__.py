"""What signalling may ask of a worker, and what a worker tells signalling: msgpack over TCP."""
