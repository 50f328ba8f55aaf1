"""A study as a plan: what it gives out, goes on with and repeats, over both kinds of storage."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl

from hydra_plugins.candelabra_sweeper._errors import SweepError
from hydra_plugins.candelabra_sweeper._grid import GridPlan
from hydra_plugins.candelabra_sweeper._space import SearchSpace, parse_search_space
from hydra_plugins.candelabra_sweeper._study import StudyOptions, StudyPlan, open_storage
from hydra_plugins.candelabra_sweeper.jobs import Job, State

TPE = {"_target_": "optuna.samplers.TPESampler", "seed": 3, "n_startup_trials": 3}
NSGA = {"_target_": "optuna.samplers.NSGAIISampler", "seed": 3, "population_size": 4}
CMAES = {"_target_": "optuna.samplers.CmaEsSampler", "seed": 3}
SAMPLERS = {"tpe": TPE, "nsga2": NSGA, "cmaes": CMAES}
ADDRESS = {"sqlite": "sqlite:///{}/study.db", "journal": "{}/study.journal"}
Make = Callable[..., StudyPlan]


def space(*words: str, **listed: object) -> SearchSpace:
    return parse_search_space(listed, words, ConfigLoaderImpl(ConfigSearchPathImpl()))


@pytest.fixture(params=list(ADDRESS))
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Make:
    def study(
        *jobs: Job, trials: int = 6, sampler: object = TPE, retry: tuple[int, ...] = (), folder: str = "one"
    ) -> StudyPlan:
        (tmp_path / folder).mkdir(exist_ok=True)
        address = ADDRESS[request.param].format(tmp_path)
        options = StudyOptions("study", address, sampler, None, {"score": "maximize"}, trials)
        varied = space("lr=tag(log,interval(1e-4,1e-1))", "width=int(interval(1,64))", "seed=3")
        return StudyPlan(varied, options, tmp_path / folder, jobs, retry)

    return study


def done(job: Job) -> Job:
    lr = float(job.words[1].partition("=")[2])
    return replace(job, state=State.FINISHED, values={"score": -abs(lr - 0.01)})


def run(study: StudyPlan) -> list[Job]:
    found = []
    while (job := study.next()) is not None:
        found.append(study.tell(done(job)))
    return found


@pytest.mark.parametrize(
    ("make", "sampler"),
    [
        pytest.param("sqlite", TPE, id="sqlite-tpe"),
        *(pytest.param("journal", sampler, id=f"journal-{name}") for name, sampler in SAMPLERS.items()),
        *(
            pytest.param("sqlite", SAMPLERS[name], id=f"sqlite-{name}", marks=pytest.mark.slow)
            for name in ("nsga2", "cmaes")
        ),
    ],
    indirect=["make"],
)
def test_a_study_that_goes_on_ends_as_one_that_never_stopped(make: Make, tmp_path: Path, sampler: object) -> None:
    first = run(make(trials=4, sampler=sampler))
    both = first + run(make(*first, trials=9, sampler=sampler))
    address = open_storage(f"sqlite:///{tmp_path}/whole.db")
    options = StudyOptions("whole", address, sampler, None, {"score": "maximize"}, 9)
    whole = run(StudyPlan(make().space, options, tmp_path, (), ()))
    assert [job.words for job in both] == [job.words for job in whole]
    assert len({tuple(job.words) for job in whole}) == 9  # a seed taken literally would draw the first ones again
    assert [job.number for job in whole] == list(range(9))


def test_what_was_running_goes_on_and_what_failed_is_tried_again_once(make: Make) -> None:
    study = make(trials=3)
    killed, failed = (study.next() for _ in range(2))
    assert killed is not None
    assert failed is not None
    failed = study.tell(replace(failed, state=State.FAILED, error="ValueError: no"))
    killed = replace(killed, state=State.RUNNING)

    study = make(killed, failed, trials=3, retry=(1,))
    first, second, third = (study.next() for _ in range(3))
    assert first == killed
    assert second.number == 2
    assert (third.number, third.words, third.trial) == (1, failed.words, 3)
    assert study.next() is None
    for job in (first, second, third):
        study.tell(done(job))
    states = [(trial.number, trial.state.name) for trial in study.study.trials]
    assert states == [(0, "COMPLETE"), (1, "FAIL"), (2, "COMPLETE"), (3, "COMPLETE")]
    assert study.study.trials[1].user_attrs["error"] == "ValueError: no"
    assert make(done(first), done(second), done(third), trials=3).next() is None


def test_a_trial_that_was_lost_between_two_writes_is_found_and_one_that_was_not_told_is_told(make: Make) -> None:
    study = make(trials=2)
    lost, untold = study.next(), study.next()
    assert lost is not None
    assert untold is not None
    study = make(done(untold), trials=2)
    assert study.study.trials[untold.number].state.name == "COMPLETE"
    assert study.next() == lost
    assert study.next() is None


def test_two_machines_share_one_study(make: Make) -> None:
    here, there = make(folder="one"), make(folder="two")
    jobs = [here.next(), there.next(), here.next()]
    assert [job.number for job in jobs] == [0, 1, 2]
    assert make(folder="three").next().number == 3  # what runs elsewhere is left alone
    for job in jobs:
        assert job is not None
        here.tell(done(job))
    assert len(run(there)) == 2
    assert len(there.study.trials) == 6


def with_options(study: StudyPlan, *jobs: Job, **changed: object) -> StudyPlan:
    return StudyPlan(study.space, replace(study.options, name="other", **changed), study.folder, jobs, ())


def test_a_baseline_varies_nothing_and_the_sampler_goes_on_beside_it(make: Make) -> None:
    study = with_options(make(), baseline=True, trials=5)
    first = study.next()
    assert first is not None
    assert (first.number, list(first.words)) == (0, ["seed=3"])
    again = with_options(make(), baseline=True, trials=5).next()  # killed before the job was written
    assert again == first
    study.tell(replace(first, state=State.FINISHED, values={"score": -0.02}))
    rest = run(study)
    assert [len(job.words) for job in rest] == [3] * 4
    assert study.study.best_value == max([-0.02, *(job.values["score"] for job in rest)])


def test_no_trial_begins_that_would_not_end_in_time(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    study = with_options(make(), minutes=1.0, trials=9)
    first = study.next()
    ended = study.tell(replace(done(first), seconds=25.0))
    second = study.next()
    assert second is not None
    study.tell(replace(done(second), seconds=45.0))  # the median is 35 s by now
    with caplog.at_level("INFO", "sweep"):
        third = with_options(make(), ended, replace(done(second), seconds=45.0), minutes=1.0, trials=9)
        assert third.next() is None  # a sweep that goes on has spent its 70 s
    assert "no trial begins: one takes 35 s, and of 1 minutes 0 s are left" in caplog.text
    longer = with_options(make(), ended, replace(done(second), seconds=45.0), minutes=2.0, trials=9)
    assert longer.next() is not None


def test_the_first_trial_begins_however_short_the_time(make: Make) -> None:
    assert with_options(make(), minutes=0.001).next() is not None


def test_pruned_trials_are_told_so(make: Make) -> None:
    study = make()
    job = study.next()
    assert job is not None
    trial = optuna.trial.Trial(study.study, study.study.trials[0]._trial_id)
    trial.report(0.25, 0)
    told = study.tell(replace(job, state=State.PRUNED))
    assert told.values == {"score": 0.25}
    assert study.study.trials[0].state.name == "PRUNED"


def test_spaces_become_distributions() -> None:
    words = ["a=interval(0,1.5)", "b=int(interval(1,9))", "c=range(1,10,3)", "d=x,y", "e=choice(1,2)", "f=1"]
    found = space(*words, g="tag(log,int(interval(1,100)))", a="1").distributions()
    of = optuna.distributions
    assert found == {
        "a": of.FloatDistribution(0, 1.5),
        "b": of.IntDistribution(1, 9),
        "c": of.IntDistribution(1, 7, step=3),
        "d": of.CategoricalDistribution(["x", "y"]),
        "e": of.CategoricalDistribution(["1", "2"]),
        "g": of.IntDistribution(1, 100, log=True),
    }
    with pytest.raises(SweepError, match="no range of values for lr"):
        space("lr=tag(log,interval(0.0,1.0))").distributions()


def test_a_grid_is_every_combination_and_what_is_typed_goes_before_what_is_listed() -> None:
    grid = GridPlan(space("a=1,2", "b=range(0,2)", "+c='x y'", "~d", e="1,2,3"), "name", {"value": "minimize"}, (), ())
    assert grid.total() == 12
    first = grid.next()
    assert first.words == ["+c='x y'", "~d", "e=1", "a=1", "b=0"]
    typed = GridPlan(space("e=5", e="1,2,3"), "name", {"value": "minimize"}, (), ())
    assert [typed.next().words, typed.next()] == [["e=5"], None]


def test_every_choice_is_tried_once_before_a_job_begins() -> None:
    assert list(space("a=1,2", "b=x,y", "c=interval(3,4)", "d=0").samples()) == [
        ["d=0", "a=1", "b=x", "c=3.0"],
        ["d=0", "a=2", "b=x", "c=3.0"],
        ["d=0", "a=1", "b=y", "c=3.0"],
    ]


def test_a_grid_typed_in_another_order_goes_on_with_what_is_left() -> None:
    begun = [Job(number, words, "") for number, words in enumerate(space("a=1,2", "b=3,4").combinations())]
    reversed_ = [Job(each.number, list(reversed(each.words)), "", State.FINISHED) for each in begun[:3]]
    grid = GridPlan(space("a=1,2", "b=3,4"), "sweep", {"score": "maximize"}, reversed_, [])
    assert [(job.number, list(job.words)) for job in iter(grid.next, None)] == [(3, ["a=2", "b=4"])]
    with pytest.raises(SweepError, match="sweep holds jobs that are none of this grid"):
        GridPlan(space("a=1,2", "b=5,6"), "sweep", {"score": "maximize"}, reversed_, [])


def test_a_study_is_not_gone_on_with_for_another_aim_or_from_another_space(make: Make, tmp_path: Path) -> None:
    study = make()
    study.tell(replace(study.next() or Job(0, [], ""), state=State.FINISHED, values={"score": 1.0}))
    other = replace(study.options, objectives={"score": "minimize"})
    with pytest.raises(SweepError, match="begun with maximize, and here it is minimize"):
        StudyPlan(study.space, other, tmp_path, [], [])
    named = StudyPlan(space("width=a,b"), replace(study.options, name="choices"), tmp_path, [], [])
    named.next()
    with pytest.raises(SweepError, match="The study choices has trials of another space"):
        StudyPlan(space("width=b,a"), named.options, tmp_path, [], []).next()


def test_a_study_about_something_else_is_not_joined(make: Make, tmp_path: Path) -> None:
    def join(*words: str, objective: str = "score") -> None:
        options = replace(begun.options, objectives={objective: "maximize"}, local=["data.root"])
        StudyPlan(space("lr=interval(0.1,1)", *words), options, tmp_path / "two", [], [])

    begun = make(folder="one")  # with seed=3
    join("seed=3", "data.root=elsewhere", "hydra.verbose=true")
    with pytest.raises(
        SweepError, match=r"The study study .* begun with score, and here it is accuracy; type the same"
    ):
        join("seed=3", objective="accuracy")
    with pytest.raises(SweepError, match=r"begun with seed=3, and here it is backbone=b, seed=4;"):
        join("seed=4", "backbone=b")
    older = optuna.create_study(
        storage=open_storage(begun.options.storage), study_name="older", directions=["maximize"]
    )
    older.add_trial(optuna.trial.create_trial(value=1.0))
    StudyPlan(space("lr=interval(0.1,1)"), replace(begun.options, name="older"), tmp_path / "two", [], [])


def test_a_grid_retries_after_what_is_stopped_and_new() -> None:
    jobs = [Job(0, ["a=1"], "", State.FAILED), Job(1, ["a=2"], "", State.STOPPED)]
    grid = GridPlan(space("a=1,2,3"), "name", {"value": "minimize"}, jobs, [0])
    assert [job.number for job in iter(grid.next, None)] == [1, 2, 0]
