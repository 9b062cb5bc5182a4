"""Tables of patches as LArSoft's PointIdTrainingData dumps them."""

import numpy as np

from data_gen.larsoft.dump_numpy import ROW_DTYPE
from lartpc.served.contract import PATCH_SIZE


def table(patches: int, seed: int = 0, **columns: int) -> np.ndarray:
    """Rows of PointIdTrainingData's table: classes in turn, pixels in [-5, 15] that float16 holds."""
    random = np.random.default_rng(seed)
    rows = np.zeros(patches, ROW_DTYPE)
    rows["run"], rows["evt"], rows["plane"] = 7, 3, 2
    rows["wire"] = np.arange(patches) % 400 + 30
    rows["tck"] = np.arange(patches) // 400 + 30
    for name, value in columns.items():
        rows[name] = value
    kind = np.arange(patches) % 4
    rows["y0"], rows["y1"], rows["y2"], rows["y3"] = (
        kind == 0,
        (kind == 1) | (kind == 2),
        kind == 2,
        kind == 3,
    )
    for i in range(PATCH_SIZE**2):
        rows[f"x{i}"] = random.integers(-640, 1920, patches) / 128
    return rows
