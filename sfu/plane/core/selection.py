"""Which layer of a source a slot shall get, from what it wants and what is being sent."""

from __future__ import annotations

from sfu.plane.core.source import Layer, Source


def choose_layer(source: Source, wanted: int) -> Layer | None:
    """The wanted layer, else the nearest lower one that is alive, else the nearest higher one.

    None when nothing of the source is being sent.
    """
    layers: tuple[Layer, ...] = source.layers
    wanted = min(max(wanted, 0), len(layers) - 1)
    for index in (*range(wanted, -1, -1), *range(wanted + 1, len(layers))):
        if source.alive(layers[index]):
            return layers[index]
    return None
