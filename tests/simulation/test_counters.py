"""Random numbers of trials: published answers of the generator, and what they are turned into."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radioligand.simulation.counters import draw_words, exponentials, mixed, philox

WORD = st.integers(0, 2**32 - 1)


def words_of(*values: int) -> tuple[np.uint64, ...]:
    return tuple(np.uint64(one) for one in values)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [  # known answers of the authors of Philox (Random123, kat_vectors: philox4x32 10)
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_gives_the_published_answers(counter, key, answer):
    assert philox(words_of(*counter), words_of(*key)) == answer


@pytest.mark.reference
def test_mixing_gives_the_published_numbers_of_splitmix():
    golden = 0x9E3779B97F4A7C15  # of seed 0, from the reference implementation
    states = np.array([golden * k % 2**64 for k in (1, 2, 3)], np.uint64)

    found = [int(mixed(state)) for state in states]

    assert found == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.law
@settings(deadline=None)  # the first call compiles
@given(seed=st.integers(0, 2**64 - 1), trial=st.integers(0, 2**40), few=st.integers(1, 20))
def test_a_subject_has_the_same_words_however_many_there_are(seed, trial, few):
    many, some = np.zeros((4, 20), np.uint64), np.zeros((4, few), np.uint64)
    for words in (many, some):
        draw_words(np.uint64(seed), np.uint64(trial), np.uint64(0), words)

    assert (many[:, :few] == some).all()
    assert (many < 2**32).all()


@pytest.mark.law
@settings(deadline=None)  # the first call compiles
@given(st.lists(WORD, min_size=1, max_size=50))
def test_waiting_is_the_logarithm_of_a_uniform_number(drawn):
    words = np.array(drawn, np.uint64)
    waiting = np.empty(words.size)

    exponentials(words, np.empty_like(words), np.empty(words.size, np.int64), waiting)

    assert waiting == pytest.approx(-np.log((words.astype(float) + 0.5) / 2**32), rel=1e-14)


def test_waiting_has_the_moments_of_an_exponential_number():
    words = np.zeros((4, 100_000), np.uint64)
    draw_words(np.uint64(7), np.uint64(3), np.uint64(0), words)
    waiting = np.empty((4, words.shape[1]))
    for row in range(4):
        exponentials(
            words[row],
            np.empty(words.shape[1], np.uint64),
            np.empty(words.shape[1], np.int64),
            waiting[row],
        )

    error = 1 / np.sqrt(waiting.shape[1])
    assert waiting.mean(axis=1) == pytest.approx(np.ones(4), abs=4 * error)
    assert waiting.var(axis=1) == pytest.approx(np.ones(4), abs=4 * np.sqrt(8) * error)
    assert np.abs(np.corrcoef(waiting) - np.eye(4)).max() < 4 * error
