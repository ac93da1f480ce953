"""Fuzzing a target for some time; what fails is made small, kept and named."""

from __future__ import annotations

import os
import time
from random import Random
from typing import Final

from tests.fuzz.kept import keep
from tests.fuzz.mutation import Input, inputs, smaller
from tests.fuzz.targets import Target

SEED_VARIABLE: Final = "ZVONOK_FUZZ_SEED"
"""Set to a failure's seed, the same inputs come again."""
SHRINK_TRIES: Final = 400


def new_seed() -> int:
    """Another one each time, unless the environment says which."""
    return int(os.environ.get(SEED_VARIABLE) or int.from_bytes(os.urandom(6), "big"))


def fuzz(target: Target, seed: int, duration_s: float) -> int:
    """Play inputs for so long, at least the seeds; how many records there were.

    Raises AssertionError that names the seed and the file of the failing input.
    """
    seeds = target.seeds()
    until_s = time.monotonic() + duration_s
    records = 0
    for number, found in enumerate(inputs(seeds, Random(seed))):
        if number >= len(seeds) and time.monotonic() >= until_s:
            return records
        error = failure(target, found)
        if error is None:
            records += len(found)
            continue
        small = smaller(found, lambda each: failure(target, each) is not None, SHRINK_TRIES)
        error = failure(target, small) or error
        path = keep(target.name, small, f"{type(error).__name__}: {error}"[:200])
        raise AssertionError(
            f"{target.name}: {type(error).__name__} with {SEED_VARIABLE}={seed}, input {number}; kept: {path}"
        ) from error
    raise AssertionError("mutation ended")


def failure(target: Target, found: Input) -> BaseException | None:
    """What playing the input raises; a panic of the native plane too, which is no Exception."""
    try:
        target.play(found)
    except Exception as error:
        return error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return error
    return None
