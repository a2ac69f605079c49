"""Sorted pairs of questions and answers, and the numbers that are no answers."""

from __future__ import annotations

import numpy as np


class Known:
    """Sorted pairs (question, answer), each a number below `num_answers`.

    The u-th number that is no answer of a question is u plus how many of its answers a_0 < a_1 < ... have a_k - k ≤ u:
    one search in a sorted list.
    """

    def __init__(self, questions: np.ndarray, answers: np.ndarray, num_answers: int):
        self._width = max(num_answers, 1)
        self._keys = np.unique(questions.astype(np.int64) * self._width + answers)
        first = self._first(self._keys // self._width)
        self._shifted = self._keys - (np.arange(len(self._keys)) - first)

    def _first(self, questions: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._keys, questions * self._width)

    def count(self, questions: np.ndarray) -> np.ndarray:
        """How many answers each question has."""
        return self._first(questions + 1) - self._first(questions)

    def contains(self, questions: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Whether a pair is known."""
        keys = questions * self._width + answers
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return self._keys[place] == keys if len(self._keys) else np.zeros(keys.shape, bool)

    def other(self, questions: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """The number of this rank among those that are no answers."""
        found = np.searchsorted(self._shifted, questions * self._width + rank, side="right")
        return rank + found - self._first(questions)

    def answers(self, questions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of a vector of questions: places in it, and the answers there."""
        count = self.count(questions)
        row = np.repeat(np.arange(len(questions)), count)
        within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        return row, self._keys[self._first(questions)[row] + within] % self._width
