"""Mixed voices keep their loudness, their time and their neighbours whole."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from loadtest.bench._journals import encode_sound
from recorder import mixing, opus

RATE = opus.SAMPLE_RATE


def tone(hertz: float, seconds: float, level: float = 0.3) -> NDArray[np.int16]:
    times = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(level * 32_000 * np.sin(2 * np.pi * hertz * times), dtype=np.int16)


def click(at_s: float, seconds: float) -> NDArray[np.int16]:
    samples = np.zeros(round(seconds * RATE), dtype=np.int16)
    first = round(at_s * RATE)
    samples[first : first + 480] = tone(2_000, 0.01, 0.9)
    return samples


def part(samples: NDArray[np.int16], start_us: int = 0) -> mixing.Part:
    packets = encode_sound(samples, bps=64_000)
    return mixing.Part(
        [
            (start_us + index * opus.FRAME_US - opus.ENCODER_DELAY_US, packet)
            for index, packet in enumerate(packets)
        ]
    )


def mixed(parts: list[mixing.Part], at_us: int, count: int) -> list[bytes]:
    return list(mixing.Mix(at_us, stereo=mixing.any_stereo(parts)).frames(parts, count))


def decoded(packets: list[bytes]) -> NDArray[np.float32]:
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate, decoder.layout = RATE, "mono"
    pieces = [frame.to_ndarray() for packet in packets for frame in decoder.decode(av.Packet(packet))]
    return np.concatenate([piece.reshape(-1) for piece in pieces]).astype(np.float32) / np.float32(32_768)


def amplitude(samples: NDArray[np.float32], hertz: float) -> float:
    turn = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / RATE)
    return float(2 * np.abs(samples @ turn) / len(samples))


def test_both_are_heard_as_loud_as_alone() -> None:
    out = mixed([part(tone(440, 3)), part(tone(700, 3))], 500_000, 100)
    assert len(out) == 100
    sound = decoded(out)[RATE // 2 :]
    assert amplitude(sound, 440) == pytest.approx(0.29, abs=0.03)
    assert amplitude(sound, 700) == pytest.approx(0.29, abs=0.03)


@pytest.mark.parametrize("at_us", [200_000, 207_500, 1_090_000])
def test_what_sounded_then_sounds_then(at_us: int) -> None:
    """Across block borders too: a click at 1.5 s is at 1.5 s."""
    out = mixed([part(click(1.5, 8)), part(tone(200, 8, 0.01))], at_us, 320)
    sound = np.abs(decoded(out))
    loud = int(np.argmax(sound > 0.3))
    assert at_us / 1e6 + loud / RATE == pytest.approx(1.5, abs=0.004)


def test_a_lost_packet_is_concealed() -> None:
    whole, holed = part(tone(440, 2)), part(tone(440, 2))
    holed.packets = [each for index, each in enumerate(holed.packets) if index not in (40, 41)]
    for voice in (whole, holed):
        sound = decoded(mixed([voice, part(tone(100, 2, 0.001))], 300_000, 70))
        assert amplitude(sound[24_000:28_000], 440) > 0.2


def test_a_pause_is_silent_and_what_follows_is_in_time() -> None:
    samples = np.concatenate([tone(440, 1), np.zeros(RATE, np.int16), tone(440, 1)])
    voice = part(samples)
    voice.packets = [each for each in voice.packets if not 1_000_000 < each[0] < 1_980_000]
    sound = decoded(mixed([voice, part(tone(100, 3, 0.001))], 100_000, 140))
    assert amplitude(sound[round(1.3 * RATE) : round(1.7 * RATE)], 440) < 0.01
    assert amplitude(sound[round(2.1 * RATE) : round(2.6 * RATE)], 440) > 0.25


def test_too_loud_is_bent_not_cut() -> None:
    loud = np.linspace(-3, 3, 1001, dtype=np.float32).reshape(1, -1)
    bent = mixing.soft_clip(loud)
    assert float(np.abs(bent).max()) <= 1.0
    assert (np.diff(bent) >= 0).all()
    quiet = loud / np.float32(10)
    assert mixing.soft_clip(quiet) is quiet


def test_garbage_is_silence() -> None:
    garbage = mixing.Part([(index * 20_000, bytes((255, 255, index))) for index in range(50)])
    out = mixed([garbage, part(tone(440, 1))], 0, 45)
    assert amplitude(decoded(out)[10_000:40_000], 440) > 0.2


def test_nothing_to_mix_is_nothing() -> None:
    assert mixed([], 0, 0) == []
