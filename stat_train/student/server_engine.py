"""Answering with any OpenAI-compatible chat server."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stat_train.api_key import read_api_key
from stat_train.errors import UserError
from stat_train.progress import progress
from stat_train.student.answering import Items, Shots, check_ids
from stat_train.student.journal import Batch, Journal, Unit, plan_batches
from stat_train.student.options import Sampling, StudentOptions
from stat_train.student.response import Response
from stat_train.student.template import Exemplar, StudentTemplate

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletion

ATTEMPTS = 6
BYTES_PER_TOKEN = 4
FIRST_WAIT_S = 0.5  # doubled after each failed attempt


class ServerStudent:
    """A `Student` behind `options.base_url`; the server renders the messages with its own chat template.

    Its answers are replayed from `out`, never computed again; another run of the same server may differ.
    """

    def __init__(self, template: StudentTemplate, options: StudentOptions) -> None:
        self.template, self.options = template, options

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of the model's name: a server does not show its weights."""
        return hashlib.sha256(f"server\0{self.options.model}".encode()).hexdigest()

    @property
    def context(self) -> int | None:
        """See `Student.context`: `student.max_model_len`, if it is set."""
        return self.options.max_model_len

    def prompt_tokens(self, question: str, exemplars: Sequence[Exemplar] = ()) -> int:
        """See `Student.prompt_tokens`."""
        return len(json.dumps(self.template.messages(question, exemplars))) // BYTES_PER_TOKEN

    def close(self) -> None:
        """See `Student.close`: nothing is held here."""

    def answer(
        self, items: Items, sampling: Sampling, out: Path, exemplars: Shots | None = None
    ) -> list[Response]:
        """See `Student.answer`; each answer is its own batch. `UserError` where the server stays away."""
        check_ids(items)
        shots = exemplars or {}
        units = [
            Unit(i, sample, json.dumps(self.template.messages(question, shots.get(i, ()))))
            for i, question in items
            for sample in range(sampling.n)
        ]
        depends_on = {"model": self.fingerprint} | sampling.model_dump(exclude={"batch_size"})
        batches = plan_batches(units, 1, depends_on)
        journal = Journal(out, batches)
        asyncio.run(self._answer_missing(batches, sampling, journal))
        return journal.finish([question_id for question_id, _ in items])

    async def _answer_missing(self, batches: list[Batch], sampling: Sampling, journal: Journal) -> None:
        places = asyncio.Semaphore(self.options.concurrency)
        with progress("answering", total=len(batches)) as bar:
            async with self._client() as client:

                async def one(batch: Batch) -> None:
                    async with places:
                        completion = await self._complete(client, batch, sampling)
                    journal.commit(batch, [_response(batch.units[0], completion)])
                    bar.advance(1)

                missing = [batch for batch in batches if batch.key not in journal.done]
                bar.advance(len(batches) - len(missing))
                try:
                    async with asyncio.TaskGroup() as group:
                        for batch in missing:
                            group.create_task(one(batch))
                except* UserError as errors:
                    raise errors.exceptions[0] from None

    def _client(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI

        key = read_api_key(self.options.api_key_env, "student.api_key_env")
        return AsyncOpenAI(base_url=self.options.base_url, api_key=key or "none", max_retries=0)

    async def _complete(self, client: "AsyncOpenAI", batch: Batch, sampling: Sampling) -> "ChatCompletion":
        import openai

        passing = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)
        for attempt in range(ATTEMPTS):
            try:
                return await client.chat.completions.create(
                    model=self.options.model,
                    messages=json.loads(str(batch.units[0].prompt)),
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    max_tokens=sampling.max_tokens,
                    seed=batch.seed,
                )
            except passing as error:
                if attempt == ATTEMPTS - 1:
                    raise self._failed(error, "start the server and run again") from error
                await asyncio.sleep(FIRST_WAIT_S * 2**attempt)
            except openai.APIStatusError as error:
                mend = f"check student.model, and the key in ${self.options.api_key_env}"
                raise self._failed(error, mend) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _failed(self, error: Exception, mend: str) -> UserError:
        reason = str(error).splitlines()[0]
        return UserError(f"student server {self.options.base_url}: {reason}; {mend}")


def _response(unit: Unit, completion: "ChatCompletion") -> Response:
    choice = completion.choices[0]
    tokens = completion.usage.completion_tokens if completion.usage else 0
    text = choice.message.content or ""
    if choice.finish_reason == "length":
        return Response(unit.question_id, unit.sample, text, "length", tokens)
    return Response(unit.question_id, unit.sample, text, "stop", tokens)
