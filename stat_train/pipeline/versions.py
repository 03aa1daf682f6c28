"""The installed packages that a result depends on."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("stat-train", "torch", "transformers", "trl", "peft", "vllm", "openai", "math-verify")


def versions() -> Iterator[tuple[str, str]]:
    """Name and version of those that are here."""
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue
