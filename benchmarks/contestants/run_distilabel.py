"""distilabel 1.5.3: its OpenAILLM with a structured output, batch by batch as its steps work.

A batch is as large as there are places. The pipeline's own processes and queues are left out, which is
in its favour.
"""

import json
import warnings

warnings.filterwarnings("ignore")

from common import measure  # noqa: E402
from distilabel.models import OpenAILLM  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from workload import messages  # noqa: E402


class Item(BaseModel):
    id: str
    solution: str
    answer: str


class Solve(BaseModel):
    answers: list[Item]


def ask(url: str, requests: int, places: int) -> list[str]:
    llm = OpenAILLM(
        model="m",
        base_url=url,
        api_key="none",
        timeout=600,
        structured_output={"schema": Solve},
        generation_kwargs={"max_new_tokens": 64, "temperature": 0.0},
    )
    llm.load()
    answers = []
    for start in range(0, requests, places):
        inputs = [messages(n) for n in range(start, min(requests, start + places))]
        for output in llm.generate(inputs=inputs, **llm.generation_kwargs):
            answers.append(json.loads(output["generations"][0])["answers"][0]["answer"])
    return answers


if __name__ == "__main__":
    measure(ask)
