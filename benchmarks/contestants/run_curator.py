"""bespokelabs-curator 0.1.31: a structured LLM over a list of prompts, its cache in a fresh folder."""

import os
import tempfile
from pathlib import Path
from typing import Any

import litellm

os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers")
os.environ |= {"CURATOR_DISABLE_RICH_DISPLAY": "1", "TELEMETRY_ENABLED": "0", "OPENAI_API_KEY": "none"}

from bespokelabs import curator
from common import measure
from pydantic import BaseModel
from workload import messages


class Item(BaseModel):
    id: str
    solution: str
    answer: str


class Solve(BaseModel):
    answers: list[Item]


class Solver(curator.LLM):
    response_format = Solve

    def prompt(self, row: dict[str, Any]) -> list[dict[str, str]]:
        return messages(row["n"])

    def parse(self, row: dict[str, Any], response: Solve) -> dict[str, Any]:
        return {"n": row["n"], "answer": response.answers[0].answer}


def ask(url: str, requests: int, places: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        limits = {"max_concurrent_requests": places, "max_requests_per_minute": 10_000_000}
        limits |= {"max_tokens_per_minute": 10_000_000_000}
        solver = Solver(
            model_name="gpt-4o-mini",
            backend="openai",
            generation_params={"temperature": 0.0, "max_tokens": 64},
            backend_params={"base_url": url, "max_retries": 0, **limits},  # type: ignore[arg-type]
        )
        made = solver([{"n": n} for n in range(requests)], working_dir=folder)
        rows = getattr(made, "dataset", made)
        return [answer for _, answer in sorted((row["n"], row["answer"]) for row in rows)]


if __name__ == "__main__":
    measure(ask)
