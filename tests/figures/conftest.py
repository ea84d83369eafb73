"""What the tests of figures share."""

import matplotlib.pyplot as plt
import pytest

from dnastudents.figures import style


@pytest.fixture
def drawn(monkeypatch):
    """Keep figures open after they are written, to look into them."""
    figures = []
    monkeypatch.setattr(style.plt, "close", figures.append)
    yield figures
    monkeypatch.undo()
    plt.close("all")
