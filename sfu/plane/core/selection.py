"""Which layer of a source a slot shall get, from what it wants and what is being sent."""

from __future__ import annotations

from sfu.plane.core.source import Layer, Source


def choose_layer(source: Source, wanted: int) -> Layer | None:
    """The wanted layer, else the nearest lower one that is alive, else the nearest higher one.

    None when nothing of the source is being sent.
    """
    layers = source.layers
    wanted = min(max(wanted, 0), len(layers) - 1)
    by_preference = layers[wanted::-1] + layers[wanted + 1 :]
    return next((layer for layer in by_preference if source.alive(layer)), None)
