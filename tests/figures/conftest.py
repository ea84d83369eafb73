"""What the tests of figures share."""

import matplotlib.image
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


@pytest.fixture
def written():
    """Give a function that reads the bytes of both files; the PNG must be a picture."""

    def read(folder, name):
        assert matplotlib.image.imread(folder / f"{name}.png").size > 10_000
        return [(folder / f"{name}.{kind}").read_bytes() for kind in ("svg", "png")]

    return read
