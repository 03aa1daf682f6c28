"""A bare AsyncOpenAI loop: no cache, no validation, no retries."""

import asyncio
import itertools
import json

import httpx2
from common import measure
from openai import AsyncOpenAI
from workload import messages

from stat_train.teacher.schemas import Solve
from stat_train.teacher.structured import json_schema


async def loop(url: str, requests: int, places: int) -> list[str]:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=places)
    named = {"name": "solve", "strict": True, "schema": json_schema(Solve)}
    texts = [""] * requests
    numbers = itertools.count()
    http = httpx2.AsyncClient(limits=limits, timeout=600)
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=http) as client:

        async def work() -> None:
            while (n := next(numbers)) < requests:
                answer = await client.chat.completions.create(
                    model="m",
                    messages=messages(n),  # type: ignore[arg-type]
                    temperature=0.0,
                    max_tokens=64,
                    response_format={"type": "json_schema", "json_schema": named},  # type: ignore[typeddict-item]
                )
                texts[n] = answer.choices[0].message.content or ""

        await asyncio.gather(*(work() for _ in range(places)))
    return texts


def ask(url: str, requests: int, places: int) -> list[str]:
    return [json.loads(text)["answers"][0]["answer"] for text in asyncio.run(loop(url, requests, places))]


if __name__ == "__main__":
    measure(ask)
