"""Answering with any OpenAI-compatible chat server."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

ATTEMPTS = 6
BYTES_PER_TOKEN = 4
FIRST_WAIT_S = 0.5  # doubled after each failed attempt
SHOWN = 80
ABOUT_THE_QUESTION = (400, 413, 422)
"""Statuses by which a server refuses a request for what it holds."""


class NoCompletion(Exception):
    """A body that came with HTTP 200 and is no chat completion."""


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
                        response = await self._complete(client, batch, sampling)
                    journal.commit(batch, [response])
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

    async def _complete(self, client: "AsyncOpenAI", batch: Batch, sampling: Sampling) -> Response:
        import openai

        passing = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError, NoCompletion)
        unit = batch.units[0]
        for attempt in range(ATTEMPTS):
            try:
                answered = await client.chat.completions.with_raw_response.create(
                    model=self.options.model,
                    messages=json.loads(str(unit.prompt)),
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    max_tokens=sampling.max_tokens,
                    seed=batch.seed,
                )
                return _response(unit, answered.content)
            except passing as error:
                if attempt == ATTEMPTS - 1:
                    away = not isinstance(error, NoCompletion)
                    mend = "start the server" if away else "check student.base_url and the server"
                    raise self._failed(error, f"{mend}, and run again") from error
                await asyncio.sleep(FIRST_WAIT_S * 2**attempt)
            except openai.APIStatusError as error:
                mend = f"check student.model, and the key in ${self.options.api_key_env}"
                if error.status_code in ABOUT_THE_QUESTION:
                    mend = f"it was asked question {unit.question_id!r}: mend or remove it, or {mend}"
                raise self._failed(error, mend) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _failed(self, error: Exception, mend: str) -> UserError:
        reason = str(error).splitlines()[0]
        return UserError(f"student server {self.options.base_url}: {reason}; {mend}")


def _response(unit: Unit, body: bytes) -> Response:
    """The answer in a chat completion; NoCompletion where the body is none."""
    try:
        completion = json.loads(body)
        choice, usage = completion["choices"][0], completion.get("usage") or {}
        text = _text(choice["message"].get("content"))
        tokens = int(usage.get("completion_tokens") or 0)
        reason = choice.get("finish_reason")
    except (ValueError, LookupError, TypeError, AttributeError):
        begins = " ".join(body[:SHOWN].decode(errors="replace").split())
        raise NoCompletion(f"the answer is no chat completion, it begins {begins!r}") from None
    return Response(unit.question_id, unit.sample, text, "length" if reason == "length" else "stop", tokens)


def _text(content: Any) -> str:
    if content is not None and not isinstance(content, str):
        raise TypeError("no text")
    return content or ""
