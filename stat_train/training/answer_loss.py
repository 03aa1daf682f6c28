"""The SFT loss on a CPU, without scoring the prompts."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trl import SFTTrainer

IGNORED = -100


def answer_loss_trainer() -> "type[SFTTrainer]":
    """An SFTTrainer whose language-model head sees only the columns in which some row has a label.

    The loss is the trainer's own. Without Triton, TRL 1.16 scores every position, prompts included, and
    does it again in the backward pass, which costs a small model on a CPU about a third of its time.
    """
    from torch.nn.functional import cross_entropy
    from trl import SFTTrainer

    class AnswerLossTrainer(SFTTrainer):  # type: ignore[misc]
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            labels = inputs["labels"][:, 1:]
            labelled = labels != IGNORED
            columns = labelled.any(dim=0).nonzero().flatten()
            given = {name: value for name, value in inputs.items() if name != "labels"}
            outputs = model(**given, use_cache=False, logits_to_keep=columns)
            logits, wanted = outputs.logits.float().flatten(0, 1), labels[:, columns].flatten()
            total = cross_entropy(logits, wanted, ignore_index=IGNORED, reduction="sum")
            loss = total / (labelled.sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch)
            if self.args.average_tokens_across_devices and num_items_in_batch is not None:
                loss = loss * self.accelerator.num_processes  # which the processes' average divides again
            return (loss, outputs) if return_outputs else loss

    return AnswerLossTrainer
