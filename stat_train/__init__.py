"""Find the skills a small language model lacks, train on exactly those, and show what it changed.

The public names are imported when they are first used, so that `import stat_train` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stat_train.data.columns import Columns
    from stat_train.data.example import Example
    from stat_train.data.reading import read_examples
    from stat_train.errors import Unfinished, UserError
    from stat_train.metacognition.diagnosis import Diagnosis, DiagnosisOptions, diagnose
    from stat_train.metacognition.labelling import LabellingOptions, label
    from stat_train.metacognition.profile import MissingSkillProfile
    from stat_train.metacognition.skill_map import SkillMap
    from stat_train.metacognition.taxonomy import Skill, SkillTaxonomy
    from stat_train.methods.adaptmi import AdaptMI
    from stat_train.methods.options import StatSelOptions
    from stat_train.methods.stat_sel import stat_sel
    from stat_train.methods.training_set import TrainingSet
    from stat_train.pipeline import run_recipe
    from stat_train.recipe import Recipe
    from stat_train.recipe_file import read_recipe
    from stat_train.student.response import Response
    from stat_train.teacher.client import Teacher
    from stat_train.teacher.options import TeacherOptions
    from stat_train.teacher.prompts import Prompts

_HOMES = {
    "AdaptMI": "methods.adaptmi",
    "Columns": "data.columns",
    "Diagnosis": "metacognition.diagnosis",
    "DiagnosisOptions": "metacognition.diagnosis",
    "Example": "data.example",
    "LabellingOptions": "metacognition.labelling",
    "MissingSkillProfile": "metacognition.profile",
    "Prompts": "teacher.prompts",
    "Recipe": "recipe",
    "Response": "student.response",
    "Skill": "metacognition.taxonomy",
    "SkillMap": "metacognition.skill_map",
    "SkillTaxonomy": "metacognition.taxonomy",
    "StatSelOptions": "methods.options",
    "Teacher": "teacher.client",
    "TeacherOptions": "teacher.options",
    "TrainingSet": "methods.training_set",
    "Unfinished": "errors",
    "UserError": "errors",
    "diagnose": "metacognition.diagnosis",
    "label": "metacognition.labelling",
    "read_examples": "data.reading",
    "read_recipe": "recipe_file",
    "run_recipe": "pipeline",
    "stat_sel": "methods.stat_sel",
}

__all__ = [
    "AdaptMI",
    "Columns",
    "Diagnosis",
    "DiagnosisOptions",
    "Example",
    "LabellingOptions",
    "MissingSkillProfile",
    "Prompts",
    "Recipe",
    "Response",
    "Skill",
    "SkillMap",
    "SkillTaxonomy",
    "StatSelOptions",
    "Teacher",
    "TeacherOptions",
    "TrainingSet",
    "Unfinished",
    "UserError",
    "diagnose",
    "label",
    "read_examples",
    "read_recipe",
    "run_recipe",
    "stat_sel",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stat_train' has no attribute {name!r}")
    return getattr(import_module(f"stat_train.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
