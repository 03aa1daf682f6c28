"""A few-shot prompt: a question and the worked examples that are shown before it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stat_train.assets import asset
from stat_train.data.example import Example
from stat_train.student.template import Exemplar, Message, StudentTemplate

Fits = Callable[[str, Sequence[Exemplar]], bool]
"""Whether a question with these exemplars fits the student's context."""


@dataclass(frozen=True, slots=True)
class FewShotPrompt:
    """`exemplars` in the order in which they are shown, and why they are.

    `skills` are those they were chosen by (none: the fixed prompt, or at random); `backed_off`: id of an
    exemplar -> the neighbouring skill it stands for; `filled`: how many fixed exemplars took the places that
    no skill could; `dropped`: how many did not fit the context.
    """

    question: Example
    exemplars: tuple[Example, ...]
    skills: tuple[str, ...] = ()
    backed_off: Mapping[str, str] = field(default_factory=dict)
    filled: int = 0
    dropped: int = 0

    @property
    def shots(self) -> list[Exemplar]:
        """(question, solution) of each exemplar."""
        return [(example.question, example.solution or "") for example in self.exemplars]

    def messages(self, template: StudentTemplate | None = None) -> list[Message]:
        """Chat messages, for a server or a tokenizer's chat template; none: prompts/student.jinja."""
        shown = template or StudentTemplate(asset("prompts/student.jinja"))
        return shown.messages(self.question.question, self.shots)

    def fitted(self, fits: Fits) -> "FewShotPrompt":
        """The prompt without its last exemplars, as many as it takes until it `fits`."""
        left = len(self.exemplars)
        while left and not fits(self.question.question, self.shots[:left]):
            left -= 1
        kept, dropped = self.exemplars[:left], len(self.exemplars) - left
        ids = {example.id for example in kept}
        backed_off = {id: skill for id, skill in self.backed_off.items() if id in ids}
        filled = max(0, self.filled - dropped)  # they stand last
        return replace(self, exemplars=kept, backed_off=backed_off, filled=filled, dropped=dropped)
