"""What the chat ``transformers`` says about the weights that it needs."""

from __future__ import annotations

from videoseg.testing import WeightsContract


class TestWeights(WeightsContract):
    kind, name = "chat", "transformers"
    own = {"model": "./mine"}  # noqa: RUF012
