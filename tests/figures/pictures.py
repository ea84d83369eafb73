"""Pictures that a test has written."""

import matplotlib.image


def written(folder, name):
    """The bytes of both files; the PNG must be a picture."""
    assert matplotlib.image.imread(folder / f"{name}.png").size > 10_000
    return [(folder / f"{name}.{kind}").read_bytes() for kind in ("svg", "png")]
