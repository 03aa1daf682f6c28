"""A small domain without mathematics: grammar in two topics, its files, and a teacher who knows it."""

import html
import json
import re
from pathlib import Path

from scripted_server import Body, Say

NOUNS = [
    "cat",
    "dog",
    "lamp",
    "chair",
    "tree",
    "river",
    "cloud",
    "stone",
    "glove",
    "bridge",
    "candle",
    "ladder",
]
VERBS = [
    "walk",
    "jump",
    "paint",
    "climb",
    "open",
    "listen",
    "clean",
    "borrow",
    "order",
    "follow",
    "answer",
    "repair",
]
SKILL = {"plural": "form_plurals", "past": "form_past_tenses", "opposite": "name_opposites"}
COLUMNS = "columns: {question: prompt, solution: worked, answer: key, subject: topic, id: ''}"


def question(word: str, kind: str, right_first: bool) -> dict[str, str]:
    """One row, in columns of its own names."""
    ending, wrong = {"plural": ("s", "en"), "past": ("ed", "ing"), "opposite": ("less", "ful")}[kind]
    choices = [word + ending, word + wrong] if right_first else [word + wrong, word + ending]
    key = "A" if right_first else "B"
    return {
        "prompt": f"Choose the {kind} of '{word}': (A) {choices[0]} (B) {choices[1]}",
        "worked": f"The {kind} of {word} is {word}{ending}.\nThe answer is {key}.",
        "key": key,
        "topic": "verbs" if kind == "past" else "nouns",
    }


def write_domain(folder: Path) -> Path:
    """Data files and a recipe that maps their columns and discovers the skills; returns the recipe."""
    asked = [(noun, kind) for noun in NOUNS for kind in ("plural", "opposite")]
    asked += [(verb, "past") for verb in VERBS]
    rows = [question(word, kind, (len(word) + n) % 2 == 0) for n, (word, kind) in enumerate(asked)]
    splits = {"test": rows[::6], "val": rows[1::6], "train": [row for n, row in enumerate(rows) if n % 6 > 1]}
    splits["train"].append(dict(rows[0], prompt=rows[0]["prompt"].upper()))  # a leak, in another spelling
    for split, its in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in its))
    recipe = folder / "grammar.yaml"
    recipe.write_text(f"""
name: grammar
data:
  pool: train.jsonl
  validation: val.jsonl
  evaluation: {{test: test.jsonl}}
  {COLUMNS}
taxonomy: discover
grader: choice
sampling: {{max_tokens: 8}}
difficulty: {{method: gold, gold_share: 1.0}}
arms: [random, stat-sel]
selection: {{size: 6}}
sft: {{max_steps: 1}}
evaluation: {{sampling: {{max_tokens: 8}}}}
""")
    return recipe


def write_anew(body: Body, task: str, number: int) -> Say:
    """New questions about words of their own, and solutions of them; each third solution is wrong."""
    user = body["messages"][-1]["content"]
    if task == "synthesize":
        [skill] = re.findall(r'<skill id="([^"]+)">', user)
        kind = next(kind for kind, its in SKILL.items() if its == skill)
        stem = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        asked = [question(f"{first}{stem}o", kind, first == "k") for first in ("k", "z")]
        return Say(json.dumps({"questions": [{"question": its["prompt"]} for its in asked]}))
    answers = []
    for id_, text in re.findall(r'<question id="([^"]+)">(.*?)</question>', user):
        kind, first = re.findall(r"Choose the (\w+) of .*?: \(A\) (\w+)", html.unescape(text))[0]
        right = first.endswith({"plural": "s", "past": "ed", "opposite": "less"}[kind])
        key = "AB"[right == (body.get("seed") == 1)]
        answers.append({"id": id_, "solution": f"The rule says so.\nThe answer is {key}.", "answer": key})
    return Say(json.dumps({"answers": answers}))


def teach(body: Body, number: int) -> Say:
    """The teacher: finds the skill by the word in the question."""
    task = body["response_format"]["json_schema"]["name"]
    if task in ("synthesize", "solve"):
        return write_anew(body, task, number)
    user = body["messages"][-1]["content"]
    blocks = [
        (tag, id_, html.unescape(text))
        for tag, id_, text in re.findall(r'<(\w+) id="([^"]+)">(.*?)</\1>', user)
    ]
    questions = [(id_, text) for tag, id_, text in blocks if tag == "question"]
    skills = {
        id_: next(skill for word, skill in SKILL.items() if f" {word} " in text) for id_, text in questions
    }
    if task == "discover_skills":
        answer = {"answers": [{"id": id_, "skills": [skill]} for id_, skill in skills.items()]}
    elif task == "cluster_skills":
        names = [text for tag, _, text in blocks if tag == "fine_skill"]
        answer = {
            "clusters": [{"name": name, "description": f"To {name}.", "members": [name]} for name in names]
        }
    elif task == "label_skills":
        labels = {id_: [{"reason": "it asks for it", "skill": skill}] for id_, skill in skills.items()}
        answer = {"answers": [{"id": id_, "skills": its} for id_, its in labels.items()]}
    else:
        judged = [
            {"id": id_, "reason": "no choice made", "verdict": "wrong", "missing_skills": [skill]}
            for id_, skill in skills.items()
        ]
        answer = {"answers": judged}
    return Say(json.dumps(answer))
