"""Taxonomies: what people write, what is refused, and edits that leave a trail."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.metacognition.skill import Change, Skill, normalise
from stat_train.metacognition.skill_map import SkillMap
from stat_train.metacognition.taxonomy import SkillTaxonomy

YAML = """
skills:
  - name: adding_fractions
    description: Adds fractions with unlike denominators.
    subject: prealgebra
    aliases: [Fraction Addition]
    parent: arithmetic
  - {name: arithmetic, subject: prealgebra}
  - {name: polynomial_skills, subject: algebra}
  - {name: polynomial_skills, subject: intermediate_algebra, description: Of any degree.}
  - reading_the_question
"""


@pytest.fixture
def taxonomy(tmp_path):
    path = tmp_path / "taxonomy.yaml"
    path.write_text(YAML)
    return SkillTaxonomy.read(path)


def test_a_file_is_read_and_written_without_loss(taxonomy, tmp_path):
    assert taxonomy.subjects == ("prealgebra", "algebra", "intermediate_algebra")
    assert taxonomy.skills("prealgebra")[0] == Skill(
        "adding_fractions",
        "Adds fractions with unlike denominators.",
        "prealgebra",
        ("Fraction Addition",),
        "arithmetic",
    )
    edited = taxonomy.rename("arithmetic", "basic arithmetic – é", "prealgebra")
    edited.write(tmp_path / "again" / "t.yaml")
    again = SkillTaxonomy.read(tmp_path / "again" / "t.yaml")
    assert (again.entries, again.log) == (edited.entries, edited.log)
    assert again.fingerprint == edited.fingerprint != taxonomy.fingerprint


def test_a_skill_without_a_subject_serves_every_subject(taxonomy):
    assert taxonomy.names("algebra") == ("polynomial_skills", "reading_the_question")
    assert SkillTaxonomy.from_names(["a", "b"]).names("anything") == ("a", "b")
    assert SkillTaxonomy.from_names({"x": ["a"], "y": ["a", "b"]}).names("Y") == ("a", "b")


def test_equal_names_of_two_subjects_are_two_skills(taxonomy):
    assert taxonomy.skills("algebra")[0] != taxonomy.skills("intermediate_algebra")[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Adding-Fractions", "adding_fractions"),
        ("  adding   FRACTIONS ", "adding_fractions"),
        ("adding__fractions", "adding_fractions"),
        ("adding‑fractions", "adding_fractions"),
        ("fraction_addition", "adding_fractions"),
        ("Reading the question", "reading_the_question"),
        ("polynomial_skills", None),
        ("adding_fraction", None),
        ("", None),
    ],
)
def test_names_resolve_whatever_their_spelling_within_their_subject(taxonomy, written, meant):
    assert taxonomy.resolve(written, "Pre-Algebra".replace("-", "")) == meant


def test_an_unknown_subject_is_said_with_those_there_are():
    taxonomy = SkillTaxonomy.from_names({"algebra": ["a"], "geometry": ["b"]})
    with pytest.raises(UserError, match=r"no skills for subject 'topology'.*algebra, geometry"):
        taxonomy.names("topology")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("skills: []", "no skills; list one"),
        ("- a\n- b", "begin the file with `skills:`"),
        ("skills:\n  a: b", "begin the file with `skills:`"),
        ("skills: [a\n", "line 2.*mend the YAML"),
        ("skills: [a]\nskill: [b]", "unknown field 'skill'"),
        ("skills: [a, {nam: b}]", "skill 2: unknown field 'nam'"),
        ("skills: [a, {description: b}]", "skill 2: no name"),
        ("skills: [a, 12]", "skill 2: 12 is neither a name nor a mapping"),
        ("skills: [{name: yes}]", "skill 1: field 'name' is True; make it a string"),
        ("skills: [{name: a, aliases: b}]", "skill 1: field 'aliases' is 'b'; make it a list of strings"),
        ("skills: [{name: a, aliases: ['--']}]", "skill 1: an empty name or alias"),
        ("skills: [a, b, A]", "skill 3 'A': 'a' is already the name or an alias of skill 1 'a'"),
        ("skills: [a, {name: b, aliases: [a]}]", "skill 2 'b': 'a' is already"),
        ("skills: [a, {name: a, subject: s}]", "skill 2 'a': 'a' is already"),
        ("skills: [{name: a, parent: z}]", "skill 1 'a': parent 'z' is no skill"),
        ("skills: [{name: a, subject: s}, {name: b, subject: t, parent: a}]", "skill 2 'b': parent 'a'"),
        (
            "skills: [{name: a, parent: b}, {name: b, parent: c}, {name: c, parent: b}]",
            "skill 2 'b': its parents go round in a circle \\(b -> c -> b\\)",
        ),
        ("skills: [a]\nlog: [{change: eat, before: [a], after: [b]}]", "log entry 1: needs `change`"),
        ("skills: [!!python/object/apply:os.system [id]]", "mend the YAML"),
    ],
)
def test_what_cannot_be_used_is_one_line_naming_file_entry_and_mend(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        SkillTaxonomy.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        SkillTaxonomy.read(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        SkillTaxonomy.read(tmp_path / "binary.yaml")


def test_a_string_is_no_list_of_names():
    with pytest.raises(UserError, match="put it into a list"):
        SkillTaxonomy.from_names({"algebra": "polynomials"})


def test_rename_keeps_old_labels_working_and_children_in_place():
    taxonomy = SkillTaxonomy((Skill("sums"), Skill("carrying", parent="sums")))
    renamed = taxonomy.rename("Sums", "addition")
    assert renamed.resolve("sums") == "addition"
    assert renamed.parents == {("", "carrying"): "addition"}
    assert renamed.log == (Change("rename", "", ("sums",), ("addition",)),)
    assert taxonomy.log == ()


def test_merge_gathers_names_descriptions_and_children():
    taxonomy = SkillTaxonomy(
        (
            Skill("root"),
            Skill("mean", "Finds the mean.", aliases=("average",), parent="root"),
            Skill("other"),
            Skill("median", "Finds the median.", parent="mean"),
            Skill("trimmed", parent="median"),
        )
    )
    merged = taxonomy.merge(["mean", "median"], "central_tendency")
    assert merged.names() == ("root", "central_tendency", "other", "trimmed")
    assert merged.entries[1] == Skill(
        "central_tendency",
        "Finds the mean.; Finds the median.",
        aliases=("mean", "average", "median"),
        parent="root",
    )
    assert merged.parents["", "trimmed"] == "central_tendency"
    assert merged.log == (Change("merge", "", ("mean", "median"), ("central_tendency",)),)
    into_itself = taxonomy.merge(["mean", "median"], "mean", description="The middle.")
    assert into_itself.skills()[1].aliases == ("average", "median")
    assert into_itself.skills()[1].description == "The middle."


def test_split_replaces_a_skill_in_its_subject_only():
    taxonomy = SkillTaxonomy.from_names({"a": ["subtraction", "x"], "b": ["subtraction"]})
    split = taxonomy.split("subtraction", ["borrowing", Skill("small", "Below ten.")], "a")
    assert split.names("a") == ("borrowing", "small", "x")
    assert split.names("b") == ("subtraction",)
    assert split.resolve("subtraction", "a") is None
    assert split.log == (Change("split", "a", ("subtraction",), ("borrowing", "small")),)


def test_what_stood_under_a_split_skill_is_named_in_the_log(tmp_path: Path):
    under = [Skill("root"), Skill("sums", parent="root"), Skill("carrying", parent="sums")]
    parts = ["small sums", "long sums"]
    for skills, parent in ((under, "root"), ([Skill("sums"), under[2]], None)):
        split = SkillTaxonomy(tuple(skills)).split("sums", parts)
        assert split.entries[-1] == Skill("carrying", parent=parent)
        assert split.log == (Change("split", "", ("sums",), tuple(parts), ("carrying",)),)
        split.write(tmp_path / "skills.yaml")
        assert SkillTaxonomy.read(tmp_path / "skills.yaml").log == split.log


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.rename("z", "y"), "no skill 'z'"),
        (lambda t: t.rename("a", "b"), "already the name"),
        (lambda t: t.merge(["a"], "c"), "needs two skills"),
        (lambda t: t.split("a", ["c"]), "needs two new skills"),
        (lambda t: t.split("a", ["b", "c"]), "already the name"),
    ],
)
def test_edits_that_cannot_be_made_are_refused(edit, message):
    with pytest.raises(UserError, match=message):
        edit(SkillTaxonomy.from_names(["a", "b"]))


def test_the_fingerprint_follows_the_skills_and_not_the_log():
    plain = SkillTaxonomy.from_names(["a", "b"])
    logged = SkillTaxonomy(plain.entries, (Change("rename", "", ("z",), ("a",)),))
    assert plain.fingerprint == logged.fingerprint
    assert plain.fingerprint != SkillTaxonomy.from_names(["b", "a"]).fingerprint
    assert plain.fingerprint != SkillTaxonomy((Skill("a", "described"), Skill("b"))).fingerprint


def test_normalise_is_idempotent_on_odd_names():
    for name in ("ＡＢ c", "__x__", "Straße", "a–b", "\tq\n"):
        assert normalise(normalise(name)) == normalise(name)


def test_a_skill_map_keeps_input_order_subjects_apart_and_each_id_once():
    skill_map = SkillMap(
        [
            Example("q3", "?", subject="a", skills=("s", "t", "s")),
            Example("q1", "?", subject="b", skills=("s",)),
            Example("q2", "?", subject="a", skills=("s",)),
            Example("q4", "?", subject="a"),
        ]
    )
    assert dict(skill_map) == {("a", "s"): ["q3", "q2"], ("a", "t"): ["q3"], ("b", "s"): ["q1"]}
    assert list(skill_map.counts()) == [("a", "s"), ("a", "t"), ("b", "s")]
    assert skill_map.get(("b", "t"), ()) == ()


def test_a_skill_map_costs_a_reference_a_label():
    examples = [
        Example(f"q{n}", "?", skills=(f"skill{n % 97}", f"skill{n % 89}", "all")) for n in range(50_000)
    ]
    tracemalloc.start()
    skill_map = SkillMap(examples)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    labels = sum(len(set(example.skills)) for example in examples)
    assert sum(map(len, skill_map.values())) == labels
    assert size < 16 * labels


def test_the_room_is_imported_without_heavy_libraries():
    heavy = "torch transformers pandas scipy datasets openai numpy matplotlib"
    code = (
        "import sys, stat_train.metacognition.profile, stat_train.metacognition.audit, "
        "stat_train.metacognition.discovery, stat_train.difficulty.prm_models\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_parents_are_named_as_listed():
    taxonomy = SkillTaxonomy((Skill("Adding Up"), Skill("carrying", subject="a", parent="adding_up")))
    assert taxonomy.parents == {("a", "carrying"): "Adding Up"}
