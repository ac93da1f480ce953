"""One source's gate, layers and counts."""

from __future__ import annotations

import pytest

from sfu.answer import Negotiated
from sfu.model import Source
from sfu.plane.api import Codec, ExtensionIds, SetGate, SourceHandle, SourceState
from sfu.publication import Publication

HANDLE = SourceHandle(7)
OPUS = Negotiated(Codec.OPUS, 48_000, 111, None, ExtensionIds())


@pytest.mark.parametrize(
    ("source", "layers", "wanted", "layer"),
    [
        (Source.CAMERA, 3, 0, 0),
        (Source.CAMERA, 3, 2, 2),
        (Source.CAMERA, 3, 9, 2),
        (Source.CAMERA, 3, -1, 0),
        (Source.CAMERA, 2, 2, 1),
        (Source.CAMERA, 0, 2, 0),
        (Source.SCREEN, 0, 0, 0),
        (Source.SCREEN, 2, 0, 0),
        (Source.SCREEN, 2, 2, 1),
        (Source.MICROPHONE, 0, 2, 0),
    ],
)
def test_the_layer_exists(source: Source, layers: int, wanted: int, layer: int) -> None:
    assert Publication(source, HANDLE, layers, OPUS).layer(wanted) == layer


def test_a_gate_is_told_only_when_it_changes() -> None:
    publication = Publication(Source.CAMERA, HANDLE, 1, OPUS)
    assert publication.set_open(open_=False, now_us=0) == []
    assert publication.set_open(open_=True, now_us=0) == [SetGate(HANDLE, True)]
    assert publication.set_open(open_=True, now_us=0) == []
    assert publication.set_open(open_=False, now_us=0) == [SetGate(HANDLE, False)]


def test_a_report_counts_since_the_last_one() -> None:
    publication = Publication(Source.MICROPHONE, HANDLE, 1, OPUS)
    for _ in range(2):
        publication.count(SourceState(HANDLE, 50, 1, (1,)), 0)
    assert publication.report()[:2] == (100, 2)
    assert publication.report()[:2] == (0, 0)


def test_a_source_is_silent_only_after_a_whole_report_without_packets() -> None:
    publication = Publication(Source.MICROPHONE, HANDLE, 1, OPUS)
    assert not publication.report()[2]
    publication.set_open(open_=True, now_us=0)
    assert not publication.report()[2], "it was opened just now"
    assert publication.report()[2]
    publication.set_open(open_=False, now_us=0)
    publication.set_open(open_=True, now_us=0)
    assert not publication.report()[2], "it was opened again"
    publication.count(SourceState(HANDLE, 1, 0, (1,)), 0)
    assert not publication.report()[2]
