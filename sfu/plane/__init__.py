"""The data plane: packets, keys, addresses; one UDP port."""
