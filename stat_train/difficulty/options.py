"""How difficult questions are found."""

from typing import Literal

from pydantic import Field

from stat_train.options import Options

Method = Literal["gold", "consistency", "length", "prm"]


class DifficultyOptions(Options):
    """Which validation questions count as difficult for the student (STAT §2.2 and its appendix)."""

    method: Method = Field("consistency", description="gold needs answers, consistency samples, prm a model")
    gold_share: float = Field(
        0.5, gt=0, le=1, description="gold: difficult where fewer of the samples than this are correct"
    )
    min_votes: int = Field(
        2, ge=2, description="consistency: difficult where the most frequent answer has fewer votes"
    )
    words: int = Field(
        800,
        ge=1,
        description="length: difficult where a response has as many words on average (fewer than max_tokens)",
    )
    tau1: float = Field(0.85, ge=0, le=1, description="prm: bound on the last step's and the mean score")
    tau2: float = Field(0.7, ge=0, le=1, description="prm: bound on every other step's score")
    prm_model: str = Field(
        "RLHFlow/Llama3.1-8B-PRM-Mistral-Data",
        description="prm: a hub id or folder, of RLHFlow's '+/-' kind or Qwen2.5-Math-PRM's",
    )
    prm_batch_tokens: int = Field(16384, ge=1, description="prm: tokens a forward pass, padding included")
