"""What metrics of a ranking start from."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.typing import ArrayLike


def two_classes(
    scores: ArrayLike, labels: ArrayLike, where: ArrayLike | None
) -> tuple[Any, Any, Any, Any, Any]:
    """Scores, positive and negative rows of a ranking metric, whether it is defined, and numpy or jnp.

    Host arrays are in float64, and what leaves the metric undefined raises; else all is float32.
    """
    _checks.shape("scores", scores, (None,))
    _checks.floating("scores", scores)
    _checks.shape("labels", labels, scores.shape)
    if where is not None:
        _checks.mask("where", where, scores.shape[0])

    on_host = all(x is None or isinstance(x, np.ndarray) for x in (scores, labels, where))
    xp: Any = np if on_host else jnp
    scores = xp.asarray(scores).astype(np.float64 if on_host else np.float32)
    mask: Any = xp.ones(scores.shape, bool) if where is None else where
    positive = mask & (labels == 1)
    negative = mask & (labels == 0)
    num_positive, num_negative = xp.sum(positive), xp.sum(negative)
    binary = xp.all(positive | negative | ~mask)
    ordered = ~xp.any(mask & xp.isnan(scores))

    if on_host:
        _refuse(
            ~binary,
            "labels must be bool, 0 or 1 where counted. "
            "Fix: where= without the missing ones, such as labels >= 0 or ~np.isnan(labels)",
        )
        _refuse(~ordered, "scores must not be NaN where counted; look for the step that diverged")
        _refuse(
            num_positive == 0 or num_negative == 0,
            f"labels must hold both classes, got {num_positive} positives and {num_negative} "
            "negatives; skip this task or evaluate on more rows",
        )
    defined = binary & ordered & (num_positive > 0) & (num_negative > 0)
    return scores, positive, negative, defined, xp


def _refuse(bad: Any, message: str) -> None:
    if bad:
        raise ValueError(f"{message}.")
