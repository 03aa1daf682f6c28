"""A response as a list of steps."""

import re


def split_steps(response: str) -> list[str]:
    """The steps of a response (STAT §2.2): its paragraphs, or its lines where it has one paragraph only.

    The last step holds the final answer. [] for a blank response.
    """
    text = response.strip()
    steps = re.split(r"\n\s*\n", text)
    if len(steps) == 1:
        steps = text.split("\n")
    return [step.strip() for step in steps if step.strip()]
