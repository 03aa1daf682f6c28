"""Made-up results and hostile text for the tests of the report."""

from typing import Any

from stat_train.report.extras import Extras

HOSTILE = (
    "</details><script>alert(1)</script> ``` [x](http://e.vil) ![y](z.png) | **b** _c_ \x1b[31m \u202e $q$"
)


def split_score(accuracy: float, skills: dict[str, float], n: int = 200) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "ci95": [max(0, accuracy - 0.07), min(1, accuracy + 0.07)],
        "n": n,
        "per_skill": {skill: {"accuracy": right, "n": 40} for skill, right in skills.items()},
        "cut_off": 0,
        "metrics": {},
    }


def profile_row(skill: str, missing: int, difficult: int, subject: str = "") -> dict[str, Any]:
    return {
        "subject": subject,
        "skill": skill,
        "missing": missing,
        "difficult": difficult,
        "rate": missing / difficult,
        "ci95": [max(0, missing / difficult - 0.1), min(1, missing / difficult + 0.1)],
    }


def pair(difference: float, low: float, high: float, **names: str) -> dict[str, Any]:
    named = {"arm": "stat-sel", "against": "random", "split": "test"} | names
    return {
        **named,
        "difference": difference,
        "ci95": [low, high],
        "p": 0.0004 if low > 0 or high < 0 else 0.2,
    }


def raw_results() -> dict[str, Any]:
    return {
        "arms": {
            "random": {"test": split_score(0.58, {"ratio": 0.4, "carrying": 0.7, "units": 0.6, "area": 0.8})},
            "start": {"test": split_score(0.55, {"ratio": 0.3, "carrying": 0.7, "units": 0.65, "area": 0.8})},
            "stat-sel": {
                "test": split_score(0.66, {"ratio": 0.6, "carrying": 0.8, "units": 0.6, "area": 0.8})
            },
        },
        "paired": [
            pair(0.11, 0.05, 0.17, against="start"),
            pair(0.08, -0.01, 0.17),
            pair(-0.06, -0.1, -0.02, arm="random", against="start"),
        ],
        "profile": [
            profile_row("area", 1, 1),
            profile_row("units", 3, 30),
            profile_row("carrying", 10, 25),
            profile_row("ratio", 15, 20),
        ],
        "rounds": [],
        "grpo": [],
        "timings": {"label": 4.0, "sft-random": 75.2},
        "versions": {"torch": "2.13.0"},
        "seed": 3,
    }


def hostile_extras() -> Extras:
    return Extras.model_validate(
        {
            "name": HOSTILE,
            "student": HOSTILE,
            "teacher": HOSTILE,
            "data": HOSTILE,
            "commands": [HOSTILE],
            "warnings": [HOSTILE],
            "sets": {HOSTILE: {"rows": 4, "unique_questions": 3, "back_offs": 1, "notes": [HOSTILE]}},
            "counts": [{"stage": HOSTILE, "rows_in": 3, "rows_out": 2, "quarantined": 1}],
            "diagnoses": [
                {"question": HOSTILE, "response": HOSTILE, "missing_skills": [HOSTILE], "reason": HOSTILE}
            ],
            "selected": [
                {
                    "arm": HOSTILE,
                    "question": HOSTILE,
                    "solution": HOSTILE,
                    "missing_skill": HOSTILE,
                    "difficult_question": HOSTILE,
                }
            ],
        }
    )
