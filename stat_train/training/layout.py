"""All epochs of a training, laid out in the order in which its examples are seen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stat_train.errors import UserError
from stat_train.student.prompt import MASKED
from stat_train.training.options import SFTOptions
from stat_train.training.order import training_order
from stat_train.training.preflight import Tokenized

if TYPE_CHECKING:
    from datasets import Dataset


def laid_out(tokenized: Sequence[Tokenized], options: SFTOptions, processes: int = 1) -> "Dataset":
    """The rows of a training in order: `input_ids`, `labels`, and of a pack its examples' `seq_lengths`.

    With several processes the last batch is filled up with rows that are masked throughout, so that each
    process has as many batches as the others and the loss is that of one process.
    """
    from datasets import Dataset, concatenate_datasets

    lengths = [len(ids) for ids, _ in tokenized]
    batch = options.effective_batch
    order = training_order(lengths, options.epochs, batch, options.seed, options.group_by_length)
    examples = [{"input_ids": tokenized[i][0], "labels": tokenized[i][1]} for i in order]
    if options.packing:
        epochs = [examples[i : i + len(tokenized)] for i in range(0, len(examples), len(tokenized))]
        packed = [_packed(epoch, options, number) for number, epoch in enumerate(epochs)]
        data = concatenate_datasets(packed)
    else:
        data = Dataset.from_list(examples)
    missing = -len(data) % batch if processes > 1 else 0
    return concatenate_datasets([data, *[_nothing(data)] * missing])


def steps(rows: int, options: SFTOptions) -> int:
    """Optimizer steps for so many laid-out rows."""
    whole = -(-rows // options.effective_batch)
    return whole if options.max_steps is None else min(whole, options.max_steps)


def shares(options: SFTOptions, processes: int) -> tuple[int, int]:
    """`(batch_size, gradient_accumulation)` of each process, for the same effective batch.

    Raises UserError where it cannot be divided.
    """
    if options.gradient_accumulation % processes == 0:
        return options.batch_size, options.gradient_accumulation // processes
    if options.batch_size % processes == 0:
        return options.batch_size // processes, options.gradient_accumulation
    raise UserError(
        f"sft: {processes} processes cannot share batches of {options.batch_size} x "
        f"{options.gradient_accumulation}; make batch_size or gradient_accumulation a multiple of {processes}"
    )


def _packed(epoch: list[dict[str, list[int]]], options: SFTOptions, number: int) -> "Dataset":
    """Whole examples, best fit first, in rows of up to `max_length`; the rows in random order."""
    from datasets import Dataset, disable_progress_bars
    from trl import pack_dataset

    disable_progress_bars()
    together = {"batch_size": len(epoch)}
    packed = pack_dataset(Dataset.from_list(epoch), options.max_length, "bfd", together)
    return packed.shuffle(seed=options.seed + number)


def _nothing(data: "Dataset") -> "Dataset":
    from datasets import Dataset

    row = {"input_ids": data[0]["input_ids"][:2], "labels": [MASKED] * 2}
    if "seq_lengths" in data.column_names:
        row["seq_lengths"] = [2]
    return Dataset.from_list([row], features=data.features)
