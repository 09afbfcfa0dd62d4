"""Every frozen dataclass that passes between two stages, and nothing else."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from tb_evalguide.case import Case

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Text:
    """A sentence for a person, still untranslated: an English template and the values it names.

    The template is the gettext message id; `params` may hold other `Text`s. Only `i18n.render` turns it into a string.
    """

    template: str
    params: Mapping[str, object] = field(default_factory=dict)


# --- sources: what the files say -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReadNote:
    """Something a reader of the logs should know about one file: damage, a restart, sampling.

    kind: restart, truncated, corrupt, duplicate_steps, reused_directory, not_event_file, unreadable, sampled, …
    offset: byte where it starts, or None. step: training step it concerns, or None.
    """

    kind: str
    message: Text
    offset: int | None = None
    step: int | None = None


@dataclass(frozen=True)
class Source:
    """One file that was read. path: as shown to the user. events: scalar events taken from it."""

    path: str
    kind: str  # tfevents | trainer_state | csv | jsonl | wandb | log, as in the report contract
    events: int
    notes: tuple[ReadNote, ...] = ()
    first_wall_time: float | None = None
    last_wall_time: float | None = None


@dataclass(frozen=True)
class Restart:
    """A place where writing went back: the points after `step` had been written before, up to `last_step`."""

    step: int  # first step written again
    last_step: int  # highest step that had been written before
    wall_time: float  # when the writing went on, seconds since the epoch
    gap_seconds: float  # wall time between the last old and the first new write
    new_file: bool  # the writing went on in another file
    forward: bool = False  # the new file goes on after last_step: a clean resume, nothing overwritten


@dataclass(frozen=True, eq=False)
class Series:
    """One tag of one run. steps: strictly increasing (n,) int64; values: (n,) float64; wall_times: (n,) seconds.

    The later write of a step wins. Points that a restart wrote again are in `superseded_*`, in write order.
    """

    tag: str
    run: str
    steps: Ints
    values: Floats
    wall_times: Floats
    superseded_steps: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    superseded_values: Floats = field(default_factory=lambda: np.empty(0))
    superseded_wall_times: Floats = field(default_factory=lambda: np.empty(0))
    restarts: tuple[Restart, ...] = ()
    parts: tuple[str, ...] = ()  # the tags whose sum this is; none for a tag of the log itself

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the log that it is made of."""
        return self.parts or (self.tag,)


@dataclass(frozen=True)
class TextPoint:
    """One text summary. text is hostile: never markup, path or code."""

    tag: str
    step: int
    wall_time: float
    text: str


@dataclass(frozen=True, eq=False)
class Run:
    """One run as TensorBoard spells it (or one table file): series by tag, and what else the files say."""

    name: str
    series: Mapping[str, Series]
    sources: tuple[Source, ...] = ()
    directory: str | None = None  # the folder that holds its files; None when it comes from memory
    texts: tuple[TextPoint, ...] = ()
    hparams: Mapping[str, Any] = field(default_factory=dict)  # flat: HF args, hparams plugin, hparams.yaml
    model_config: Mapping[str, Any] = field(default_factory=dict)
    plugins: Mapping[str, str] = field(default_factory=dict)  # tag → plugin name, for tags that hold no scalars
    has_graph: bool = False
    status: str | None = None  # of the hparams session or SessionLog, when written
    sampled: bool = False  # read through a data provider that drops points

    def to_frame(self) -> pd.DataFrame:
        """tbparse's long form: step, tag, value, wall_time, dir_name."""
        from tb_evalguide.frames import run_to_frame

        return run_to_frame(self)


@dataclass(frozen=True)
class TrainerState:
    """What Hugging Face's `trainer_state.json` adds to the curves."""

    path: str
    best_model_checkpoint: str | None = None
    best_metric: float | None = None
    global_step: int | None = None
    max_steps: int | None = None
    num_train_epochs: float | None = None
    epoch: float | None = None
    eval_steps: int | None = None
    logging_steps: int | None = None
    save_steps: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LogFault:
    """An error found in a plain log file beside a run. kind: out_of_memory, cuda, nccl, disk_full, python, killed."""

    kind: str
    path: str
    line_number: int
    line: str  # hostile text, cut to 500 characters
    wall_time: float | None = None  # modification time of the file


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint on disk; its weights are never loaded. step or epoch is None where the name does not say."""

    path: str  # as shown to the user: relative to the logdir where it lies below it
    step: int | None
    epoch: float | None
    size: int  # bytes, of all files below it
    modified: float  # seconds since the epoch
    kind: str  # hf | lightning | keras | torch | safetensors | final
    value: float | None = None  # a metric value that its file name states


@dataclass(frozen=True, eq=False)
class Training:
    """One training: the runs it is made of and what lies beside them. One entry of the report."""

    name: str
    runs: tuple[Run, ...]
    directory: str | None = None
    framework: str | None = None  # hf | lightning | keras | tf_estimator | yolo | detectron2 | … as the files say
    arguments: Mapping[str, Any] = field(
        default_factory=dict
    )  # flat hyper-parameters and arguments, all sources merged
    model_config: Mapping[str, Any] = field(default_factory=dict)
    trainer_state: TrainerState | None = None
    log_faults: tuple[LogFault, ...] = ()
    log_files: tuple[str, ...] = ()  # plain log files beside the run that were searched for faults
    checkpoint_files: tuple[CheckpointFile, ...] = ()
    result_files: tuple[str, ...] = ()  # eval_results.json, all_results.json, test_*.json beside the run
    ratings: tuple[SampleRating, ...] = ()
    notes: tuple[ReadNote, ...] = ()

    @property
    def sampled(self) -> bool:
        return any(run.sampled for run in self.runs)

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(source for run in self.runs for source in run.sources)

    @property
    def texts(self) -> tuple[TextPoint, ...]:
        """Sample predictions and the like. The settings that Hugging Face logs as text are in `arguments`."""
        settings = ("args", "model_config")
        return tuple(text for run in self.runs for text in run.texts if text.tag.split("/")[0] not in settings)


@dataclass(frozen=True)
class SampleRating:
    """A person's word on sample predictions at a step (sample_ratings.csv). rating: poor | fair | good | very good."""

    step: int
    rating: str
    note: str = ""


# --- roles: which series is what -----------------------------------------------------------------------------------


class Role(str, enum.Enum):
    """What a series means. The value is its key in the report's `roles`."""

    TRAIN_LOSS = "train_loss"
    EVAL_LOSS = "eval_loss"
    LEARNING_RATE = "learning_rate"
    GRAD_NORM = "grad_norm"
    EPOCH = "epoch"
    TRAIN_PERPLEXITY = "train_perplexity"
    EVAL_PERPLEXITY = "eval_perplexity"
    TRAIN_ACCURACY = "train_accuracy"
    EVAL_ACCURACY = "eval_accuracy"
    EVAL_METRIC = "eval_metric"  # the quality metric evaluated beside the loss (f1, rouge, mAP, wer …)
    LOSS_SCALE = "loss_scale"
    MEMORY = "memory"
    THROUGHPUT = "throughput"
    STEP_TIME = "step_time"
    REWARD = "reward"
    TOKENS = "tokens"


@dataclass(frozen=True)
class RoleChoice:
    """A series in its role, and why."""

    role: Role
    series: Series
    reason: Text
    greater_is_better: bool | None = None  # for metrics; None where it is not known
    certain: bool = True  # False: another tag would have done as well

    @property
    def tag(self) -> str:
        """The tag of the log; that of the first part where its parts were added."""
        return self.series.tags[0]


@dataclass(frozen=True)
class Roles:
    """All roles found in one training."""

    choices: Mapping[Role, RoleChoice]
    metrics: tuple[RoleChoice, ...] = ()  # every evaluated quality metric, EVAL_METRIC's choice first
    extra_eval_losses: tuple[RoleChoice, ...] = ()  # further validation sets
    notes: tuple[Text, ...] = ()  # ambiguity, said
    framework: str | None = None  # the naming convention that spoke

    def get(self, role: Role) -> Series | None:
        choice = self.choices.get(role)
        return choice.series if choice else None


@dataclass(frozen=True)
class Profile:
    """Which numbers speak: guide, llm-sft, pretrain, classification, vision, rl, generic."""

    id: str
    reason: Text
    chosen_by: str = "auto"  # auto | user


# --- rules: what is checked ----------------------------------------------------------------------------------------


class Severity(str, enum.Enum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    INFO = "info"


class Tier(enum.IntEnum):
    """Order of causes: a lower number explains a higher one (failure-modes.md, One headline)."""

    INTEGRITY = 1
    DEAD_OR_SCHEDULE = 2
    INSTABILITY = 3
    NOT_LEARNING = 4
    GENERALISATION = 5
    CONVERGENCE = 6
    COST = 7


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a rule saw: where, in which tags, which numbers. Never prose, never markup.

    variant picks one of the rule's other messages; severity, label and remedies override the rule's own where the rule
    knows a milder, sharper or different case.
    """

    steps: tuple[int, int]
    tags: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, str] = field(
        default_factory=dict
    )  # hostile strings a message may quote (a file name, a log line)
    confidence: float = 0.9
    severity: Severity | None = None
    label: str | None = None
    variant: str = ""
    rival: str | None = None  # label of a close competing explanation
    tier: Tier | None = None  # where this case of the rule stands, when not with the rule's others
    remedies: tuple[Remedy, ...] | None = None


@dataclass(frozen=True)
class Skip:
    """A check that could not be made, and why."""

    reason: Text


@dataclass(frozen=True)
class Remedy:
    """One thing to change. `to` computes the new value from the present one; `example` is the guide's own from → to.

    text: message id. setting: the argument's name as Hugging Face spells it, None for advice without a setting.
    move: what it does to the training ("lr down"), so that contradictory advice is never given together.
    """

    text: str
    setting: str | None = None
    to: Callable[[Any], Any] | None = None
    example: tuple[Any, Any] | None = None
    guide: tuple[str, ...] = ()
    move: str | None = None
    applied: Callable[[Mapping[str, Any]], bool] | None = None
    already: str | None = None  # message id said in its place when it is already applied
    companion: str | None = None  # a setting changed by the inverse factor, so that the product stays
    code: str | None = None  # a line to copy, for advice without a setting; fills {code} in `text`


@dataclass(frozen=True)
class Need:
    """At least `points` finite points of a role, or the check is skipped."""

    role: Role
    points: int


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One check: its documentation, limits, function, message and remedies. One file each."""

    id: str
    label: str
    severity: Severity
    tier: Tier
    doc: str  # the module's docstring
    check: Callable[[Case, Any], Sequence[Evidence] | Skip]
    message: str  # message id; may name {first}, {last} and the evidence's numbers and words
    variants: Mapping[str, str] = field(default_factory=dict)
    limits: Any = None
    needs: tuple[Need, ...] = ()
    guide: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    profiles: tuple[str, ...] = ()  # only in these profiles; empty = all
    not_in: tuple[str, ...] = ()  # never in these profiles

    @property
    def title(self) -> str:
        """Message id: the docstring's first line, without its full stop."""
        return self.doc.strip().splitlines()[0].strip().rstrip(".")


# --- verdict: what comes out ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Advice:
    """A remedy in the run's own numbers."""

    text: Text
    setting: str | None = None
    old: Any = None
    new: Any = None
    snippet: str | None = None  # copyable line of configuration
    example: bool = False  # the numbers are the guide's, not the run's


@dataclass(frozen=True)
class Finding:
    rule: str
    label: str
    guide: tuple[str, ...]
    severity: Severity
    tier: Tier
    confidence: float
    steps: tuple[int, int]
    tags: tuple[str, ...]
    evidence: Mapping[str, float]
    message: Text
    remedies: tuple[Advice, ...] = ()
    explained_by: str | None = None


@dataclass(frozen=True)
class CheckResult:
    rule: str
    outcome: str  # fired | passed | skipped | error
    reason: Text


@dataclass(frozen=True)
class Verdict:
    label: str
    level: str  # ok | info | warn | bad | unknown
    confidence: float
    headline: Text
    onset_step: int | None = None


@dataclass(frozen=True)
class Judgement:
    step: int
    train_loss: float | None
    eval_loss: float | None
    gap: float | None
    perplexity: float | None
    level: str  # ok | warn | bad
    reason: Text


@dataclass(frozen=True)
class Signal:
    id: str  # Z1 … Z7
    state: str  # pass | fail | unknown
    reason: Text


@dataclass(frozen=True)
class ChecklistItem:
    id: str  # L1 … L5
    item: Text
    state: str  # pass | fail | unknown
    reason: Text


@dataclass(frozen=True)
class RankedCheckpoint:
    rank: int
    step: int
    path: str | None
    on_disk: bool
    metric: str
    value: float | None
    gap: float | None
    perplexity: float | None
    quality: str | None
    tied: bool
    recommended: bool
    level: str  # ok | warn | bad
    reason: Text
    size: int | None = None
    modified: float | None = None


@dataclass(frozen=True)
class Ranking:
    """Checkpoints, best first, and what is to be said of the ranking as a whole."""

    checkpoints: tuple[RankedCheckpoint, ...] = ()
    metric: str | None = None  # tag that was ranked by
    greater_is_better: bool = False
    best_evaluated: int | None = None  # step
    best_on_disk: int | None = None  # step
    regret: float | None = None  # metric difference between the two, ≥ 0
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Status:
    """Where the run is: state finished | running | stalled | crashed | unknown; phase L1 … L5."""

    state: str
    phase: str
    reason: Text
    last_step: int | None = None
    last_wall_time: float | None = None
    planned_steps: int | None = None
    epoch: float | None = None
    progress: float | None = None  # 0 … 1
    remaining_seconds: float | None = None


@dataclass(frozen=True)
class Cost:
    """Time of the run, pauses taken out; seconds, None where the log does not tell."""

    wall_seconds: float | None = None
    active_seconds: float | None = None
    seconds_per_step: float | None = None
    seconds_per_epoch: float | None = None
    eval_share: float | None = None  # 0 … 1 of active wall time
    slowdown: float | None = None  # late step time / early step time


@dataclass(frozen=True)
class RunReport:
    """Everything said about one training; `report.to_dict` writes the contract from it."""

    training: Training
    roles: Roles
    profile: Profile
    verdict: Verdict
    findings: tuple[Finding, ...]
    checks: tuple[CheckResult, ...]
    judgements: tuple[Judgement, ...]
    signals: tuple[Signal, ...]
    checklist: tuple[ChecklistItem, ...]
    ranking: Ranking
    status: Status
    cost: Cost

    @property
    def run(self) -> str:
        return self.training.name

    @property
    def checkpoints(self) -> tuple[RankedCheckpoint, ...]:
        return self.ranking.checkpoints

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)


def display_path(path: str | Path, root: str | Path | None) -> str:
    """`path` relative to `root` where it lies below it, else as it is."""
    try:
        return str(Path(path).relative_to(root)) if root is not None else str(path)
    except ValueError:
        return str(path)
