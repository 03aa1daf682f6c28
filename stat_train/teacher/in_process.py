"""Rows asked of vLLM in this process: for large offline work on one machine."""

from collections.abc import Sequence
from typing import Any

from stat_train.errors import UserError, one_line
from stat_train.gpu import give_back, load_llm
from stat_train.teacher.budget import Budget, Reservation
from stat_train.teacher.dialect import Dialect
from stat_train.teacher.failures import LEAST_REFUSED, TransportError
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Reply
from stat_train.teacher.rows import Row, Rows
from stat_train.teacher.sending import UNCOUNTED_TOKENS
from stat_train.teacher.structured import json_schema

CHUNK = 1024
"""Rows that are generated, then committed, together; vLLM schedules its own batches inside."""
DROPPED = ("abort", "error")
"""How vLLM ends an answer that it did not finish: its engine hears Ctrl-C too."""
DRAIN_S = 3600
"""How long the engine may finish what is under way at Ctrl-C; by default it drops it."""


class Engine:
    """`teacher.model` in `vllm.LLM`, loaded when it is first asked."""

    def __init__(self, options: TeacherOptions) -> None:
        self._options = options
        self._dialect = Dialect.of(options)
        self._llm: Any = None

    def close(self) -> None:
        """Gives the memory back."""
        if self._llm is not None:
            self._llm = None
            give_back()

    def replies(self, rows: Sequence[Row]) -> list[Reply | TransportError | None]:
        """One a row, in order; none where the engine dropped the answer.

        A prompt that vLLM refuses (too long) is a TransportError. UserError where vLLM is not
        installed, cannot load the model, or fails.
        """
        try:
            return self._chat(rows)
        except _refusals() as error:
            if len(rows) > 1:  # vLLM refuses the whole call for one bad prompt
                half = len(rows) // 2
                return [*self.replies(rows[:half]), *self.replies(rows[half:])]
            return [TransportError("refused", f"vLLM refuses the prompt ({one_line(error)})")]

    def prompt_bound(self, row: Row) -> int:
        """The most tokens that the row's prompt may have."""
        return len(self._dialect.body(row.request, row.messages, self._options)) + UNCOUNTED_TOKENS

    def _chat(self, rows: Sequence[Row]) -> list[Reply | TransportError | None]:
        llm = self._load()
        conversations = [list(self._dialect.messages(row.request, row.messages)) for row in rows]
        try:
            outputs = llm.chat(conversations, [self._sampling(row) for row in rows], use_tqdm=False)
        except _refusals():
            raise
        except Exception as error:
            raise UserError(f"teacher.mode vllm: {type(error).__name__}: {one_line(error)}") from error
        return [_reply(output) for output in outputs]

    def _sampling(self, row: Row) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        parameters = self._options.parameters(row.request.temperature)
        set_ones = {name: value for name, value in parameters.items() if value is not None}
        if self._dialect.structured == "json_schema":
            set_ones["structured_outputs"] = StructuredOutputsParams(json=json_schema(row.request.schema))
        elif self._dialect.structured == "json_object":
            set_ones["structured_outputs"] = StructuredOutputsParams(json_object=True)
        return SamplingParams(seed=row.request.sample, **set_ones)

    def _load(self) -> Any:
        if self._llm is None:
            options = self._options.vllm.model_dump() | {"shutdown_timeout": DRAIN_S}
            self._llm = load_llm("teacher.mode vllm", self._options.model, **options)
        return self._llm


async def ask_in_process(rows: Rows, engine: Engine, budget: Budget) -> None:
    """Until every row has a result; whole chunks are generated and committed before an interrupt counts."""
    refused = 0
    while await rows.refill(CHUNK):
        rows.require_readable()
        most = min(CHUNK, len(rows.ready))
        bounds = [engine.prompt_bound(rows.ready[place]) for place in range(most)]
        count, held = budget.hold(bounds)
        chunk = [rows.ready.popleft() for _ in range(count)]
        outcomes = engine.replies(chunk)
        spent = [
            budget.cost(outcome, bound)
            for outcome, bound in zip(outcomes, bounds, strict=False)
            if isinstance(outcome, Reply)
        ]
        total = Reservation(sum(cost.tokens for cost in spent), sum(cost.usd for cost in spent))
        budget.settle_held(held, total, book=True)
        await rows.answer(
            [(row, reply) for row, reply in zip(chunk, outcomes, strict=True) if isinstance(reply, Reply)]
        )
        for row, outcome in zip(chunk, outcomes, strict=True):
            if isinstance(outcome, TransportError):
                refused += 1
                if refused >= LEAST_REFUSED and not rows.proven:
                    raise UserError(f"teacher.mode vllm: {outcome.reason}")
                await rows.refused(row, outcome.reason)
        if dropped := outcomes.count(None):
            raise UserError(f"teacher.mode vllm: its engine dropped {dropped} answers under way; run again")


def _reply(output: Any) -> Reply | None:
    made = output.outputs[0]
    if made.finish_reason in DROPPED:
        return None
    return Reply(
        content=made.text,
        finish_reason=made.finish_reason or "stop",
        prompt_tokens=len(output.prompt_token_ids or ()),
        completion_tokens=len(made.token_ids),
    )


def _refusals() -> tuple[type[Exception], ...]:
    """What vLLM raises for a prompt, rather than for itself."""
    try:
        from vllm.exceptions import VLLMClientError
    except ImportError:
        return (ValueError,)
    return ValueError, VLLMClientError
