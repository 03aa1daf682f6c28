"""The requests of the benchmarks: a prompt of usual length with a number as its question."""

SYSTEM = "You are an experienced teacher. " + "Solve each question step by step and answer with JSON. " * 30


def messages(n: int) -> list[dict[str, str]]:
    """The n-th request; about 1.7 kB."""
    question = f'<question id="q1">{n}</question>'
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
