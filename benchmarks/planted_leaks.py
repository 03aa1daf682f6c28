"""How many evaluation questions, disguised and put into a synthetic set, decontamination finds.

    python benchmarks/planted_leaks.py [--questions 500] [--rows 20000] [--data ../shared/data]

Questions of the MATH test split and of ASDiv are put into a set of MATH's training questions and of the
embedded domain, each in five disguises: exact; white space and case; LaTeX spelling; names changed (people's,
else the letters of the variables); numbers changed. Recall is reported rule by rule. In the JSON of the last
line `recall` is that of the rules by which a recipe with your own data removes (exact, numbers, 13 words in a
row), `false_positive_rate` the share of MATH's training split that they remove: an upper bound, since some of
it are true variants of the test questions. `--data` needs math_train.jsonl, math_val.jsonl and asdiv.jsonl.
"""

import argparse
import json
import random
import re
import string
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from stat_train.data.decontamination import DecontaminationOptions, Hit, remove_contaminated  # noqa: E402
from stat_train.data.duplicates import DuplicateIndex  # noqa: E402
from stat_train.data.jsonl import read_jsonl  # noqa: E402
from stat_train.data.normalise import normalise_question  # noqa: E402
from stat_train.errors import UserError  # noqa: E402
from stat_train.tutor.domain import load_domain  # noqa: E402
from stat_train.tutor.splits import pool  # noqa: E402

REMOVED_BY = ("exact", "numbers", "ngram_13")
RULES = (*REMOVED_BY, "ngram_8")
NEW_NAMES = ("Ngozi", "Bartek", "Aroha", "Tuuli", "Iker", "Zeynep", "Caoimhe", "Ravindra")
NO_NAMES = frozenset(
    re.findall(
        r"\w+",
        """A An After All Also And Are As At Because Before Begin Both But By Can Compute Determine Dr Each
        Evaluate Every Express Find Five For Four From Given How However I If In Is It Let Mr Mrs Ms No Now
        Of On One Only Our Pascal Six She So Solve Some Suppose Ten That The Their Then There These They This
        Those Three Two Up We What When Where Which While Who Why With You Your He His Her Monday Tuesday
        Wednesday Thursday Friday Saturday Sunday January February March April May June July August September
        October November December American""",
    )
)
NAME = re.compile(r"(?<![.?!] )(?<![\w\\$])[A-Z][a-z]{2,}(?![\w}])")
NUMBER = re.compile(r"(?<![\\\w.])\d+(?:\.\d+)?(?![\w])")
INLINE = re.compile(r"(?<![\\$])\$((?:[^$\\]|\\.)+)\$(?!\$)")
VARIABLE = re.compile(r"(?<![a-zA-Z\\])[a-z](?![a-zA-Z])")


LATEX_SPELLINGS = {
    r"\\frac(?![a-z])": r"\dfrac",
    r"\\le(?![a-z])": r"\leq",
    r"\\ge(?![a-z])": r"\geq",
    r"\\cdot(?![a-z])": "·",
    r"\\times(?![a-z])": "×",
    r"\\ldots(?![a-z])": r"\dots",
    r"\^2(?!\d)": "^{2}",
    r"\^3(?!\d)": "³",
    r"(?<!\\)(?<!left)\(": r"\left(",
    r"(?<!\\)(?<!right)\)": r"\right)",
    r"=": r"\;=\;",
}


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    question: str


def exact(question: str, draw: random.Random) -> str:
    return question


def spacing(question: str, draw: random.Random) -> str:
    """Other white space, line breaks and case."""
    words = question.split(" ")
    text = "".join(word + draw.choice((" ", "  ", "\n", " \t")) for word in words)
    return f"  {draw.choice((str.upper, str.lower, str.swapcase))(text)}"


def latex(question: str, draw: random.Random) -> str:
    """The same mathematics written in another of LaTeX's ways."""
    if "$" not in question:
        return NUMBER.sub(lambda match: f"${match[0]}$", question)
    return INLINE.sub(lambda formula: rf"\({_respelled(formula[1])}\)", question)


def _respelled(formula: str) -> str:
    for old, new in LATEX_SPELLINGS.items():
        formula = re.sub(old, lambda match, new=new: new, formula)
    return formula


def names(question: str, draw: random.Random) -> str:
    """Other people; where there are none, other letters for the variables."""
    people = dict.fromkeys(name for name in NAME.findall(question) if name not in NO_NAMES)
    if people:
        others = dict(zip(people, draw.sample(NEW_NAMES, min(len(people), len(NEW_NAMES))), strict=False))
        return NAME.sub(lambda match: others.get(match[0], match[0]), question)
    formulas = [formula[0] for formula in INLINE.finditer(question)]
    used = set(VARIABLE.findall(" ".join(formulas)))
    free = [letter for letter in string.ascii_lowercase if letter not in used]
    draw.shuffle(free)
    letters = dict(zip(sorted(used), free, strict=False))
    return INLINE.sub(
        lambda formula: VARIABLE.sub(lambda match: letters.get(match[0], match[0]), formula[0]), question
    )


def numbers(question: str, draw: random.Random) -> str:
    """Every number another one, of one to three digits."""
    return NUMBER.sub(
        lambda match: str(draw.choice([n for n in range(2, 400) if str(n) != match[0]])), question
    )


DISGUISES: dict[str, Callable[[str, random.Random], str]] = {
    "exact": exact,
    "spacing_and_case": spacing,
    "latex_spelling": latex,
    "names": names,
    "numbers": numbers,
}


def can_be_disguised(question: str) -> bool:
    """Whether each disguise but the first changes something, and only those of spelling keep the question."""
    draw = random.Random(question)
    key = normalise_question(question)
    others = {name: disguise(question, draw) for name, disguise in DISGUISES.items()}
    return all(text != question for name, text in others.items() if name != "exact") and all(
        normalise_question(others[name]) != key for name in ("names", "numbers")
    )


def questions_of(data: Path, name: str) -> list[str]:
    return list(dict.fromkeys(row["question"] for row in read_jsonl(data / f"{name}.jsonl")))


def plant(questions: Sequence[Row], background: Sequence[Row], draw: random.Random) -> list[Row]:
    """The set: the background with every question in every disguise, in random order."""
    planted = [
        Row(f"{name}/{question.id}", disguise(question.question, draw))
        for name, disguise in DISGUISES.items()
        for question in questions
    ]
    mixed = [*background, *planted]
    draw.shuffle(mixed)
    return mixed


def table(hits: Sequence[Hit], near: set[str], questions: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Disguise -> what finds it -> the share of the questions found."""
    found = {rule: {hit.id for hit in hits if hit.rule == rule} for rule in RULES}
    ways = found | {
        "removed": set().union(*(found[rule] for rule in REMOVED_BY)),
        "any": set().union(*found.values()),
        "near": near,
    }
    return {
        name: {
            way: sum(f"{name}/{question.id}" in ids for question in questions) / len(questions)
            for way, ids in ways.items()
        }
        for name in DISGUISES
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--examples", action="store_true", help="show what was missed and removed by mistake")
    arguments = parser.parse_args()
    draw = random.Random(0)
    candidates = [
        text
        for name in ("math_val", "asdiv")
        for text in questions_of(arguments.data, name)
        if can_be_disguised(text)
    ]
    questions = [Row(f"e{n}", text) for n, text in enumerate(draw.sample(candidates, arguments.questions))]
    train = [Row(f"m{n}", text) for n, text in enumerate(questions_of(arguments.data, "math_train"))]
    wanted = arguments.rows - len(DISGUISES) * len(questions)
    real = train[:wanted]
    made = pool(load_domain(), max(1, 2 * (wanted - len(real))), 1.0, 0)
    background = [*real, *(Row(example.id, example.question) for example in made)][:wanted]
    rows = plant(questions, background, draw)
    against = {"test": questions}
    cleaned = remove_contaminated(rows, against, DecontaminationOptions())
    index = DuplicateIndex(0.8)
    index.add([(question.id, question.question) for question in questions])
    asked = {question.id for question in questions}
    repeats = index.add([(row.id, row.question) for row in rows])
    near = {row.id for row, repeat in zip(rows, repeats, strict=True) if repeat and repeat.of in asked}
    recall = table(cleaned.hits, near, questions)
    ways = ("exact", "numbers", "ngram_13", "removed", "ngram_8", "any", "near")
    print(f"{len(rows):,} rows, {len(questions)} evaluation questions in each of {len(DISGUISES)} disguises")
    print(f"{'disguise':18}" + "".join(f"{way:>10}" for way in ways))
    for name, found in recall.items():
        print(f"{name:18}" + "".join(f"{found[way]:>10.1%}" for way in ways))
    print("removed: exact, numbers or 13 words in a row; any: or 8 words; near: Jaccard similarity 0.8")
    wrong = remove_contaminated(train, against, DecontaminationOptions())
    flagged = {rule: {hit.id for hit in wrong.hits if hit.rule == rule} for rule in RULES}
    removed = set().union(*(flagged[rule] for rule in REMOVED_BY))
    share = {rule: len(ids) / len(train) for rule, ids in flagged.items()}
    part = len(removed) / len(train)
    print(f"of {len(train):,} training questions of MATH removed: {len(removed)} ({part:.2%}); by rule:")
    print("  " + ", ".join(f"{rule} {n:.2%}" for rule, n in share.items()))
    if arguments.examples:
        show(questions, rows, train, cleaned.hits, wrong.hits)
    figures = {
        "recall": {name: round(found["removed"], 4) for name, found in recall.items()},
        "recall_any_rule": {name: round(found["any"], 4) for name, found in recall.items()},
        "false_positive_rate": round(part, 5),
        "false_positive_rate_any_rule": round(len(set().union(*flagged.values())) / len(train), 5),
        "questions": len(questions),
        "rows": len(rows),
    }
    print(json.dumps(figures))


def show(
    questions: Sequence[Row],
    rows: Sequence[Row],
    train: Sequence[Row],
    hits: Sequence[Hit],
    wrong: Sequence[Hit],
) -> None:
    """Some that no removing rule found, and some training questions that one removed."""
    asked = {question.id: question.question for question in questions}
    texts = {row.id: row.question for row in (*rows, *train)}
    found = {hit.id for hit in hits if hit.rule in REMOVED_BY}
    missed = [
        row for row in rows if "/" in row.id and row.id.split("/")[0] in DISGUISES and row.id not in found
    ]
    for row in missed[:12]:
        print(f"missed, {row.id.split('/')[0]}:\n  {asked[row.id.split('/')[1]]!r}\n  {row.question!r}")
    for hit in [hit for hit in wrong if hit.rule in REMOVED_BY][:12]:
        print(f"removed by {hit.rule}:\n  {texts[hit.id]!r}\n  {asked[hit.matched_id]!r}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
