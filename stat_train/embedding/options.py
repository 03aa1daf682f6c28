"""What a recipe says about sentence embeddings."""

from pydantic import Field

from stat_train.options import Options

EMBEDDED = "embedded"


class EmbeddingOptions(Options):
    """The model behind the controls that go by similar wording."""

    model: str = Field(
        EMBEDDED,
        description="`embedded` (all-MiniLM-L6-v2 out of a PyPI wheel), or an encoder's folder or hub id",
    )
    batch_size: int = Field(64, ge=1, description="texts at once")
