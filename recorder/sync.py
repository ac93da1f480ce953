"""RTP timestamps to server time, by sender reports (RFC 3550 section 6.4.1) and the smallest delay.

Three clocks meet: a layer's RTP clock, its publisher's wall clock (NTP, maybe wrong by years) and the
server's. A publisher's sender reports pair the first two. Between the publisher's clock and the server's lies
the receive time of a report less its NTP time, less what it was delayed: so the least that was seen. That
difference is one for all that a connection publishes, so that its sound and picture keep together whatever
the network did to them, and it is the least of the last minute, so that a clock that runs too fast is
followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recorder.tracks import Report, Times, Track

WINDOW_US: Final = 60_000_000
"""So far back delays are compared."""
STEP_US: Final = 5_000_000
"""A difference that changes by more at once is no delay: somebody set the clock."""
EARLIEST_US: Final = -1_000_000
LATEST_US: Final = 10_000_000
"""What was received so much after it was made, or so much before, carries a time without sense."""
_STAYS: Final = 4


@dataclass(frozen=True, slots=True)
class Clock:
    """Server time is RTP time plus an offset that follows lines through knots and stays level beyond them."""

    clock_rate: int
    at_us: Times
    """RTP times of the knots, ascending."""
    offset_us: NDArray[np.float64]

    def server_us(self, rtp: Times) -> Times:
        """Server times (us since 1970) of extended RTP timestamps."""
        at_us = rtp_us(rtp, self.clock_rate)
        base = int(self.offset_us[0])
        shift = np.interp(at_us, self.at_us, self.offset_us - base)
        result: Times = at_us + base + np.rint(shift).astype(np.int64)
        return result


def rtp_us(rtp: Times, clock_rate: int) -> Times:
    """RTP times in us, on the RTP clock's own scale."""
    return rtp * 1_000_000 // clock_rate


@dataclass(frozen=True, slots=True)
class Layer:
    """What one RTP stream brings: extended timestamps and receive times of its packets or frames, reports."""

    clock_rate: int
    rtp: Times
    receive_us: Times
    reports: Sequence[Report]


def clocks(layers: Sequence[Layer]) -> list[Clock | None]:
    """The clocks of all layers of one publisher's connection; None for a layer without packets.

    They hold for the newest minute of what is given (WINDOW_US, and what lies ahead): of more, each minute's
    least delay is a knot of its own.

    A layer without reports goes by its packets' smallest delay.
    """
    told = [_told(layer) for layer in layers]
    offsets = _server_times(
        np.concatenate([each.receive_us for each in told]), np.concatenate([each.sent_us for each in told])
    )
    found: list[Clock | None] = []
    begin = 0
    for layer, each in zip(layers, told, strict=True):
        end = begin + len(each.at_us)
        if not len(layer.rtp):
            found.append(None)
        elif begin == end:
            at_us = rtp_us(layer.rtp, layer.clock_rate)
            found.append(Clock(layer.clock_rate, *_ascending(*least_delays(layer.receive_us, at_us))))
        else:
            knots = _ascending(each.at_us, (offsets[begin:end] - each.at_us).astype(np.float64))
            found.append(Clock(layer.clock_rate, *knots))
        begin = end
    return found


def give_times(tracks: Iterable[Track], settled_us: int) -> None:
    """Give what the tracks hold its server times, as far as they are not settled; tracks of one connection
    share a publisher's clock."""
    connections: dict[tuple[str, int, int], list[Track]] = {}
    for track in tracks:
        head = track.head
        connections.setdefault((head.participant, head.epoch, head.connection), []).append(track)
    for members in connections.values():
        if any(_is_open(track, settled_us) for track in members):
            _give_times(members, settled_us)


def _is_open(track: Track, settled_us: int) -> bool:
    return len(track.columns) > len(track.time_us) or bool((track.time_us >= settled_us).any())


def _give_times(tracks: Sequence[Track], settled_us: int) -> None:
    layers: list[Layer] = []
    columns = [
        (
            np.array(track.columns.layer, dtype=np.int64),
            np.array(track.columns.rtp, dtype=np.int64),
            np.array(track.columns.receive_us, dtype=np.int64),
        )
        for track in tracks
    ]
    for track, (of_layer, rtp, receive_us) in zip(tracks, columns, strict=True):
        for layer, reports in enumerate(track.reports):
            chosen = of_layer == layer
            layers.append(Layer(track.head.clock_rate, rtp[chosen], receive_us[chosen], reports))
    found = iter(server_times(layers))
    for track, (of_layer, rtp, _) in zip(tracks, columns, strict=True):
        times = np.empty(len(rtp), dtype=np.int64)
        for layer in range(len(track.reports)):
            times[of_layer == layer] = next(found)
        track.set_times(times, settled_us)


def server_times(layers: Sequence[Layer]) -> list[Times]:
    """When each packet or frame of one publisher's connection was made, by its layer's clock.

    Where that cannot be, because timestamps or reports lie, it goes by what was received: a whole layer by
    its packets' smallest delay when most of it is wrong, a single packet by the usual delay.
    """
    return [
        np.empty(0, dtype=np.int64) if clock is None else _believable(layer, clock)
        for layer, clock in zip(layers, clocks(layers), strict=True)
    ]


def _believable(layer: Layer, clock: Clock) -> Times:
    times = _same_turn(clock.server_us(layer.rtp), layer)
    sense = _makes_sense(layer.receive_us - times)
    if 2 * np.count_nonzero(sense) < len(sense):
        at_us = _same_turn(rtp_us(layer.rtp, layer.clock_rate) + _usual_us(layer), layer)
        usual = np.abs(layer.receive_us - at_us) <= LATEST_US
        if np.any(usual):
            knots = _ascending(*least_delays(layer.receive_us[usual], at_us[usual]))
            times = at_us + np.rint(np.interp(at_us, *knots)).astype(np.int64)
            sense = _makes_sense(layer.receive_us - times)
    if np.all(sense):
        return times
    delays = layer.receive_us[sense] - times[sense]
    delay_us = int(np.median(delays)) if len(delays) else 0
    return np.where(sense, times, layer.receive_us - delay_us)


def _makes_sense(late_us: Times) -> NDArray[np.bool_]:
    return (late_us >= EARLIEST_US) & (late_us <= LATEST_US)


def _usual_us(layer: Layer) -> int:
    return int(np.median(layer.receive_us - rtp_us(layer.rtp, layer.clock_rate)))


def _same_turn(times: Times, layer: Layer) -> Times:
    """Times whose RTP timestamps were extended from one without sense are whole turns of it away."""
    turn_us = (1 << 32) * 1_000_000 // layer.clock_rate
    turns = np.rint((layer.receive_us - times) / turn_us).astype(np.int64)
    return times + turns * turn_us


@dataclass(frozen=True, slots=True)
class _Told:
    """What a layer's reports say: RTP time, NTP time and receive time of each."""

    at_us: Times
    sent_us: Times
    receive_us: Times


def _told(layer: Layer) -> _Told:
    reports = sorted(layer.reports, key=lambda report: (report.receive_us, report.sent_us, report.rtp))
    extended = np.empty(len(reports), dtype=np.int64)
    last = _rtp_at(layer, reports[0].receive_us) if reports and len(layer.rtp) else 0
    for index, report in enumerate(reports):
        ahead = (report.rtp - last) & 0xFFFFFFFF
        last += ahead if ahead < 0x80000000 else ahead - 0x100000000
        extended[index] = last
    at_us = rtp_us(extended, layer.clock_rate)
    sent_us = np.array([report.sent_us for report in reports], dtype=np.int64)
    return _Told(
        at_us,
        at_us + _median(sent_us - at_us),
        np.array([report.receive_us for report in reports], dtype=np.int64),
    )


def _rtp_at(layer: Layer, receive_us: int) -> int:
    """The extended timestamp of what was received about then."""
    index = int(np.searchsorted(layer.receive_us, receive_us))
    return int(layer.rtp[min(index, len(layer.rtp) - 1)])


def _server_times(receive_us: Times, sent_us: Times) -> Times:
    """What the server's clock showed when the publisher's showed ``sent_us``."""
    times = np.empty(len(sent_us), dtype=np.int64)
    if not len(sent_us):
        return times
    order = np.argsort(receive_us, kind="stable")
    receive_us, sent_us = receive_us[order], sent_us[order]
    begins = _steps((receive_us - sent_us).tolist())
    for begin, end in zip(begins, [*begins[1:], len(order)], strict=True):
        knots, delays = least_delays(receive_us[begin:end], sent_us[begin:end])
        received = knots + delays.astype(np.int64)
        least = np.interp(receive_us[begin:end], received, delays - delays[0]) + delays[0]
        times[order[begin:end]] = sent_us[begin:end] + np.rint(least).astype(np.int64)
    return times


def _steps(differences: Sequence[int]) -> list[int]:
    """Where a new setting of the publisher's clock begins, 0 first. A difference that grows may be a delay:
    it is a step only if it stays."""
    begins, floor = [0], differences[0]
    for index, difference in enumerate(differences):
        later = differences[index : index + _STAYS]
        if difference < floor - STEP_US or (len(later) == _STAYS and min(later) > floor + STEP_US):
            begins.append(index)
            floor = min(later)
        elif difference < floor:
            floor = difference
    return begins


def least_delays(receive_us: Times, sent_us: Times) -> tuple[Times, NDArray[np.float64]]:
    """The least difference (receive less sent time, in us) of each minute: (sent times, differences).

    A last piece of less than half a minute counts to the minute before. Both arrays are of one length, at
    least 1, ``receive_us`` nearly ascending.
    """
    differences = receive_us - sent_us
    windows = (receive_us - receive_us.min()) // WINDOW_US
    last = windows.max()
    if last and receive_us.max() - receive_us.min() - last * WINDOW_US < WINDOW_US // 2:
        windows = np.minimum(windows, last - 1)
    chosen = []
    for window in np.unique(windows):
        members = np.flatnonzero(windows == window)
        chosen.append(members[np.argmin(differences[members])])
    return sent_us[chosen], differences[chosen].astype(np.float64)


def _ascending(at_us: Times, offsets: NDArray[np.float64]) -> tuple[Times, NDArray[np.float64]]:
    order = np.argsort(at_us, kind="stable")
    at_us, offsets = at_us[order], offsets[order]
    kept = np.concatenate([[True], at_us[1:] > at_us[:-1]])
    return at_us[kept], offsets[kept]


def _median(values: Times) -> Times:
    """Each value by the median of it and its neighbours: one report that lies moves nothing.

    Near the ends by fewer neighbours, as many on each side, so that a steady slope stays what it is; the
    first and the last go with the one beside them.
    """
    result = values.copy()
    for reach in (1, 2):
        size = 2 * reach + 1
        if len(values) >= size:
            windows = np.lib.stride_tricks.sliding_window_view(values, size)
            result[reach : len(values) - reach] = np.sort(windows, axis=1)[:, reach]
    if len(values) > 2:
        result[0], result[-1] = result[1], result[-2]
    return result
