"""What may import what, and what must not be imported early."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stat_train"
HEAVY = {
    *("torch", "transformers", "trl", "peft", "vllm", "datasets", "pandas", "openai", "scipy", "matplotlib"),
    *("pyarrow", "numpy", "accelerate", "math_verify", "gguf", "huggingface_hub", "rensa"),
}
LEVEL = {
    **dict.fromkeys(
        ("errors", "options", "assets", "progress", "intervals", "yaml_file", "data", "run", "wheels", "hub"),
        0,
    ),
    **dict.fromkeys(("precision", "api_key", "gpu"), 0),
    **dict.fromkeys(("teacher", "student", "grading", "embedding"), 1),
    **dict.fromkeys(("difficulty", "metacognition"), 2),
    **dict.fromkeys(("methods", "training", "evaluation", "report"), 3),
    "tutor": 3,
    **dict.fromkeys(("recipe", "recipe_file", "recipe_fault", "recipe_keys", "pipeline"), 4),
    **dict.fromkeys(("cli", "cli_evaluation", "cli_tools", "__main__"), 5),
}
TUTOR_MAY_USE = {"errors", "options", "assets", "progress", "data", "teacher", "tutor"}
KNOW_THE_TUTOR = {"tutor", "recipe", "pipeline", "cli_tools"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> list[str]:
    """The dotted names that a module imports anywhere."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.append(node.module or "")
    return found


def rooms_used(path: Path) -> set[str]:
    names = imported(ast.parse(path.read_text()))
    return {name.split(".")[1] for name in names if name.startswith("stat_train.")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down_only(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    assert here in LEVEL, f"give the room {here} a level, here and in docs/architecture.md"
    above = {other for other in rooms_used(path) if LEVEL[other] > LEVEL[here]}
    assert not above, f"{here} imports {above} from above"
    if here == "tutor":
        assert rooms_used(path) <= TUTOR_MAY_USE
    if here not in KNOW_THE_TUTOR:
        assert "tutor" not in rooms_used(path)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_inside_functions_only(path: Path) -> None:
    tree = ast.parse(path.read_text())
    early = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name.split(".")[0] for node in early for name in imported(node)}
    assert not names & HEAVY


@pytest.mark.parametrize(
    "code",
    [
        "import stat_train",
        "import sys; sys.argv = ['stat-train', '--help']; from stat_train.cli import main; main()",
        "import sys; sys.argv = ['stat-train', 'run', '--help']; from stat_train.cli import main; main()",
        "import stat_train; stat_train.SkillTaxonomy; stat_train.MissingSkillProfile; stat_train.Teacher",
    ],
    ids=["import", "help", "run-help", "names"],
)
def test_the_quick_ways_in_import_nothing_heavy(code: str) -> None:
    asked = (
        f"import atexit, sys\natexit.register(lambda: print('LOADED', *sys.modules, file=sys.stderr))\n{code}"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stderr.partition("LOADED")[2].split()}
    assert "stat_train" in loaded
    assert not loaded & HEAVY


def test_every_public_name_is_there_and_no_other() -> None:
    import stat_train

    for name in stat_train.__all__:
        assert getattr(stat_train, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = stat_train.nonsense
