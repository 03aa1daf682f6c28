"""Embedding many texts so that a killed process loses little."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stat_train.data.atomic import atomic_file
from stat_train.progress import progress

if TYPE_CHECKING:
    from stat_train.embedding.model import SentenceModel, Vectors

PIECE = 2048
"""Texts whose vectors reach the disk together."""


def embed(model: "SentenceModel", texts: Sequence[str], out: Path) -> int:
    """Write the vectors of `texts` to `out` (.npy, fp32, a row a text); how many texts were cut.

    They are written in pieces beside `out`, which stay until `forget_pieces`; a later call with the same
    arguments takes up those that are there, and ends with the same bytes.
    """
    import numpy as np

    pieces = [(start, _piece(out, f"{start:09d}")) for start in range(0, len(texts), PIECE)]
    cut = 0
    with progress(f"embedding {out.stem}", len(texts)) as bar:
        for start, piece in pieces:
            if not piece.exists():
                vectors, too_long = model.encode(texts[start : start + PIECE])
                with atomic_file(piece) as file:
                    np.savez(file, vectors=vectors, cut=too_long)
            with np.load(piece) as kept:
                cut += int(kept["cut"])
            bar.advance(min(PIECE, len(texts) - start))
    with atomic_file(out) as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(texts), model.width)}
        np.lib.format.write_array_header_1_0(file, header)
        for _, piece in pieces:
            with np.load(piece) as kept:
                file.write(kept["vectors"].astype("<f4").tobytes())
    return cut


def forget_pieces(out: Path) -> None:
    """Delete the pieces of what `embed` wrote to `out`."""
    for piece in out.parent.glob(_piece(out, "*").name):
        piece.unlink()


def _piece(out: Path, start: str) -> Path:
    return out.with_name(f".{out.stem}-{start}.npz")


def read_vectors(path: Path) -> "Vectors":
    """What `embed` wrote, read from the disk as it is used."""
    import numpy as np

    vectors: Vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    return vectors
