"""Made-up facts of a report: everything that one can hold, of as many breeds as are asked for."""

from __future__ import annotations

import functools
import io
import itertools
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from components.evaluator.results.values import (
    Answer,
    Bound,
    BreedRow,
    Calibration,
    CalibrationBin,
    Changed,
    Confusion,
    Evaluation,
    Figure,
    Interval,
    Kept,
    MajorityClass,
    Robustness,
    SliceRow,
)
from components.report.facts import (
    ArtifactRow,
    Audit,
    ConfusedPair,
    Data,
    Drift,
    DriftTable,
    Finding,
    FoundFile,
    Gallery,
    Histogram,
    ModelPicture,
    Picture,
    Provenance,
    ReportFacts,
    SplitCounts,
    Training,
    Verdict,
)
from ingestion.toy_dogs.sample import BREEDS, _picture
from trainer.training.history import Epoch

HOSTILE_NAMES = (
    "<script>document.title='taken'</script>",
    "O'Brien's \"Söhne\" & Hündchen",
    '<a href="https://evil.example">Läufer</a>',
)
"""Names of breeds that a careless page would take for its own markup."""
_KINDS = ("poodle", "spitz", "terrier", "hound", "setter", "spaniel",
          "pointer", "mastiff", "collie", "retriever", "pinscher", "husky")  # fmt: skip
_SORTS = ("Toy", "Miniature", "Standard", "Giant", "Italian", "Irish", "Welsh", "Norwegian",
          "Long-haired", "Wire-haired")  # fmt: skip
_PER_BREED = 20


def make_facts(
    num_breeds: int = 6, *, blessed: bool = True, baseline: bool = True, hostile: bool = False
) -> ReportFacts:
    """Makes up a report.

    Args:
        num_breeds: at least 3, at most 120.
        blessed: whether every bound was kept.
        baseline: whether there was a served model to compare with.
        hostile: whether the first breeds and a file have names that are markup.
    """
    rng = np.random.default_rng(num_breeds)
    every_name = [f"{sort} {kind}" for kind, sort in itertools.product(_KINDS, _SORTS)]
    names = tuple(
        (*HOSTILE_NAMES, *every_name)[:num_breeds] if hostile else every_name[:num_breeds]
    )
    counts = _counts(num_breeds, rng)
    evaluation = _evaluation(names, counts, baseline, blessed, rng)
    pairs = _pairs(names, counts, hostile)
    return ReportFacts(
        title="sample",
        created_at="2026-11-21T18:33:35Z",
        verdict=_verdict(evaluation, blessed, baseline),
        evaluation=evaluation,
        training=_training(rng),
        data=_data(names, rng),
        provenance=_provenance(),
        pairs=pairs,
        galleries=_galleries(names, baseline),
    )


def without_extras(facts: ReportFacts) -> ReportFacts:
    """Takes away all that a run need not have."""
    return replace(
        facts,
        evaluation=replace(facts.evaluation, slices=(), robustness=None),
        training=replace(facts.training, epochs=(), pictures=(), num_parameters=None),
        data=Data(facts.data.breeds, (), (), (), ()),
        provenance=Provenance((), (), "", ()),
        pairs=(),
        galleries=(),
    )


def _counts(num_breeds: int, rng: np.random.Generator) -> np.ndarray:
    """Confusions mostly within neighbours of ten, as breeds of one kind are confused."""
    counts = np.zeros((num_breeds, num_breeds), int)
    for truth in range(num_breeds):
        known = rng.beta(4, 2)
        near = np.arange(num_breeds) // 10 == truth // 10
        weights = np.where(near, rng.exponential(1.0, num_breeds), 0.02)
        weights[truth] = 0
        shares = weights / weights.sum() * (1 - known)
        shares[truth] = known
        counts[truth] = rng.multinomial(_PER_BREED, shares)
    return counts


def _interval(value: float, half: float = 0.02) -> Interval:
    return Interval(max(0.0, value - half), min(1.0, value + half))


def _evaluation(
    names: tuple[str, ...], counts: np.ndarray, baseline: bool, blessed: bool,
    rng: np.random.Generator,
) -> Evaluation:  # fmt: skip
    accuracy = float(np.trace(counts) / counts.sum())
    rows = []
    for label, name in enumerate(names):
        recall = counts[label, label] / counts[label].sum()
        named = counts[:, label].sum()
        errors = counts[label].copy()
        errors[label] = 0
        worst = int(errors.argmax())
        served = float(np.clip(recall + rng.normal(-0.04, 0.08), 0, 1)) if baseline else None
        rows.append(
            BreedRow(
                breed=name, num_train=80 + int(rng.integers(0, 60)), num_eval=_PER_BREED,
                precision=float(counts[label, label] / named) if named else None,
                recall=float(recall), interval=_interval(float(recall), 0.15),
                baseline_recall=served,
                confused_with=names[worst] if errors[worst] else None,
                confused_count=int(errors[worst]),
            )
        )  # fmt: skip

    def figure(name: str, title: str, value: float, meaning: str, higher: bool = True) -> Figure:
        worse = value - 0.03 if higher else value * 1.1
        half = 0.02 if higher else 0.06
        return Figure(
            name=name, title=title, value=value, interval=Interval(value - half, value + half),
            baseline=worse if baseline else None,
            baseline_interval=Interval(worse - half, worse + half) if baseline else None,
            higher_is_better=higher, meaning=meaning,
        )  # fmt: skip

    bins = []
    for low in np.arange(0.1, 1.0, 0.1):
        confidence = float(low + 0.05)
        bins.append(
            CalibrationBin(
                float(low), float(low + 0.1), confidence,
                float(np.clip(confidence - 0.06 + rng.normal(0, 0.02), 0, 1)),
                int(rng.integers(20, 300)),
            )
        )  # fmt: skip
    slices = [
        SliceRow(feature, value, size, share, _interval(share, 0.05),
                 share - 0.02 if baseline else None, 0.5, share >= 0.5)
        for feature, value, size, share in (
            ("picture_size", "under 200 px", 21, 0.55 if blessed else 0.431),
            ("picture_size", "200 to 500 px", 64, 0.71),
            ("picture_size", "over 500 px", 35, 0.74),
            ("file_source", "camera", 90, 0.70),
            ("file_source", "web", 30, 0.66),
        )
    ]  # fmt: skip
    order = tuple(int(label) for label in rng.permutation(len(names) // 10 + 1))
    clustered = tuple(
        label for group in order for label in range(group * 10, min(group * 10 + 10, len(names)))
    )
    return Evaluation(
        num_eval=int(counts.sum()),
        majority=MajorityClass(names[0], _PER_BREED / int(counts.sum())),
        figures=(
            figure("accuracy", "Accuracy", accuracy, "The share of pictures whose breed is named."),
            figure("top_5_accuracy", "Top-5 accuracy", min(0.97, accuracy + 0.25),
                   "The share of pictures whose breed is among the five most probable."),
            figure("loss", "Loss", 1.214, "Cross-entropy: what training makes smaller.", False),
            figure("macro_recall", "Mean recall", accuracy - 0.004,
                   "The mean of the breeds' recalls, whatever their number of pictures."),
        ),
        breeds=tuple(rows),
        slices=tuple(slices),
        confusion=Confusion(names, tuple(map(tuple, counts.tolist())), clustered),
        calibration=Calibration(
            tuple(bins), 0.058, Interval(0.049, 0.071), 0.083 if baseline else None,
            kept=(Kept(0.9, 0.4, 0.99), Kept(0.5, 0.8, 0.93), Kept(0.1, 1.0, accuracy)),
            known_share=0.987,
        ),
        robustness=Robustness(
            100, accuracy, _interval(accuracy, 0.1),
            (
                Changed("rotation", "Rotated by 15°", accuracy - 0.02,
                        _interval(accuracy - 0.02, 0.1), 0.02, None, True),
                Changed("darkness", "Darkened to 30%", accuracy - 0.31,
                        _interval(accuracy - 0.31, 0.1), 0.31, 0.4 if blessed else 0.1, blessed),
            ),
        ),
    )  # fmt: skip


def _verdict(evaluation: Evaluation, blessed: bool, baseline: bool) -> Verdict:
    accuracy = evaluation.figures[0].value
    bound = accuracy - 0.05 if blessed else accuracy + 0.0312
    bounds = [
        Bound("Accuracy", accuracy, bound, True, blessed),
        Bound("Top-5 accuracy", evaluation.figures[1].value, 0.85, True, True),
        Bound("Latency", 12.4, 50.0, False, True, "ms"),
        Bound("Accuracy where picture_size is under 200 px", evaluation.slices[0].accuracy, 0.5,
              True, blessed),
    ]  # fmt: skip
    if baseline:
        bounds.append(Bound("Drop against the served model", -0.03, 0.02, False, True))
    reasons = []
    if blessed:
        reasons.append("Every bound was kept, and the canary answered as it did in training.")
    else:
        reasons += [
            f"Its accuracy of {accuracy:.3f} misses the bound of {bound:.3f} by 0.031.",
            "Its accuracy of 0.431 where picture_size is under 200 px misses 0.500 by 0.069.",
            "What was served before stays.",
        ]
    reasons.append(
        "It is better than the served model by 0.030."
        if baseline
        else "This is the first model: nothing was served before."
    )
    version = "1795286378" if blessed else None
    return Verdict(
        blessed=blessed,
        pushed_version=version,
        pushed_path=f"runs/sample/served/{version}" if version else None,
        headline=f"Blessed and pushed as version {version}"
        if blessed
        else "Refused: two bounds were missed",
        reasons=tuple(reasons),
        bounds=tuple(bounds),
    )


def _training(rng: np.random.Generator) -> Training:
    epochs = [
        Epoch(
            epoch=epoch,
            loss=4.5 * 0.85**epoch + 0.2,
            accuracy=1 - 0.9 * 0.87**epoch,
            val_loss=4.5 * 0.88**epoch + 0.6 + float(rng.normal(0, 0.03)),
            val_accuracy=(1 - 0.9 * 0.89**epoch) * 0.85 if epoch % 2 == 0 else None,
            learning_rate=0.005 * (0.5 + 0.5 * np.cos(np.pi * epoch / 16)),
            elapsed_s=1.2 * epoch,
            step=75 * epoch,
        )
        for epoch in range(1, 17)
    ]
    epochs[2] = replace(epochs[2], loss=float("nan"))
    noise = [
        Image.fromarray(rng.integers(0, 255, (6, 12, 3), np.uint8)).resize((360, 180), 0)
        for _ in range(3)
    ]
    gif = io.BytesIO()
    noise[0].save(gif, "GIF", save_all=True, append_images=noise[1:], duration=400, loop=0)
    return Training(
        network="residual",
        num_parameters=175_142,
        epochs=tuple(epochs),
        pictures=(
            ModelPicture("First-layer filters", "The filters of the first layer, as a grid",
                         "image/png", _encoded(noise[0], "PNG")),
            ModelPicture("Filters over the epochs", "The filters, changing from epoch to epoch",
                         "image/gif", gif.getvalue()),
        ),
    )  # fmt: skip


def _data(names: tuple[str, ...], rng: np.random.Generator) -> Data:
    train = tuple(int(count) for count in rng.integers(60, 140, len(names)))
    histograms = [
        Histogram(feature, split, tuple(np.linspace(low, high, 11).tolist()),
                  tuple(rng.multinomial(size, rng.dirichlet(np.ones(10) * 3)).tolist()),
                  low, (low + high) / 2, high)
        for feature, low, high in (("width", 100, 900), ("height", 97, 1024), ("bytes", 4e3, 3e5))
        for split, size in (("train", 600), ("eval", 120))
    ]  # fmt: skip
    return Data(
        breeds=names,
        splits=(
            SplitCounts("train", sum(train), train),
            SplitCounts("eval", _PER_BREED * len(names), (_PER_BREED,) * len(names)),
        ),
        histograms=tuple(histograms),
        drifts=(
            DriftTable("Eval split against train split", (
                Drift("width", "Width", "Jensen-Shannon divergence", 0.012, "more of 300 to 400"),
                Drift("breed", "Breed", "L-infinity", 0.004, f"more of {names[0]}"),
            )),
        ),
        anomalies=(),
        decisions="3 relabelled, 1 dropped, 2 kept by decision",
        audit=Audit(
            (Finding("near-copy", "almost like others", 1234, (
                FoundFile(f"<b>{names[0]}</b>/1.jpg", names[0], "looks like group 1"),)),),
            (("Too Rare", 1),),
            ("/records/audit.csv", "/records/rejected.csv"),
        ),
    )  # fmt: skip


def _pairs(names: tuple[str, ...], counts: np.ndarray, hostile: bool) -> tuple[ConfusedPair, ...]:
    errors = counts.copy()
    np.fill_diagonal(errors, 0)
    worst = np.argsort(-errors, axis=None, kind="stable")[:30]
    pairs = []
    for truth, named in (divmod(int(cell), len(names)) for cell in worst):
        count = int(errors[truth, named])
        if not count:
            break
        pictures = tuple(
            _shown(names[truth], ((names[named], 0.61), (names[truth], 0.22)), number,
                   baseline=None, hostile=hostile)
            for number in range(min(3, count))
        )  # fmt: skip
        pairs.append(ConfusedPair(names[truth], names[named], count, count / _PER_BREED, pictures))
    return tuple(pairs)


def _galleries(names: tuple[str, ...], baseline: bool) -> tuple[Gallery, ...]:
    served = (names[2], 0.34) if baseline else None

    def gallery(title: str, meaning: str, first: float, right: bool) -> Gallery:
        pictures = []
        for number in range(12):
            truth, other = names[number % len(names)], names[(number + 1) % len(names)]
            guesses = ((truth, first), (other, (1 - first) / 2), (names[-1], (1 - first) / 4))
            if not right:
                guesses = ((other, first), (truth, (1 - first) / 2), (names[-1], 0.01))
            picture = _shown(truth, guesses, number, baseline=served)
            pictures.append(picture if right else replace(picture, saliency=_heat(number)))
        return Gallery(title, meaning, tuple(pictures))

    return (
        gallery("Best", "Right, and surest of it.", 0.97, True),
        gallery("Worst", "Wrong, and the truth least probable.", 0.62, False),
        gallery("Most surprised", "Wrong, and surest of it.", 0.93, False),
    )


def _shown(
    truth: str, guesses: tuple[tuple[str, float], ...], number: int, *,
    baseline: tuple[str, float] | None, hostile: bool = False,
) -> Picture:  # fmt: skip
    filename = f"n90000001_{number}.jpg"
    if hostile:
        filename = '"><img src=x onerror=alert(1)>.jpg'
    probability = dict(guesses)[truth]
    return Picture(Answer(filename, truth, guesses, probability, baseline), _dog(number))


@functools.cache
def _dog_picture(number: int) -> Image.Image:
    return _picture(BREEDS[number % len(BREEDS)], np.random.default_rng(number), 128)


@functools.cache
def _dog(number: int) -> bytes:
    return _encoded(_dog_picture(number), "JPEG")


@functools.cache
def _heat(number: int) -> bytes:
    picture = _dog_picture(number)
    heat = Image.new("RGB", picture.size, (20, 20, 90))
    heat.paste((250, 60, 20), (40, 30, 95, 90))
    return _encoded(Image.blend(picture, heat.filter(ImageFilter.GaussianBlur(14)), 0.45), "JPEG")


def _encoded(picture: Image.Image, picture_format: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, picture_format)
    return buffer.getvalue()


def _provenance() -> Provenance:
    return Provenance(
        facts=(
            ("Git commit", "3c3ac73c0ffee3c3ac73c0ffee3c3ac73c0ffee0"),
            ("Seed", "0"),
            ("Data fingerprint", "8b3e39c87a8df9e3"),
            ("TensorFlow", "2.16.2"),
            ("TFX", "1.16.0"),
        ),
        artifacts=tuple(
            ArtifactRow(f"{node}.{key}", kind, str(number), f"runs/sample/artifacts/{node}/{key}/3")
            for number, (node, key, kind) in enumerate(
                (("Trainer", "model", "Model"), ("Evaluator", "evaluation", "ModelEvaluation"),
                 ("StatisticsGen", "statistics", "ExampleStatistics")), 3,
            )
        ),
        configuration="name: sample\ntrainer:\n  network:\n    name: residual\n  epochs: 16\n",
        commands=(
            ("Repeat this run", "dogbreed run --config sample.yaml --root runs/sample"),
            ("Serve the model", "dogbreed serve --model_base_path=runs/sample/served"),
        ),
    )  # fmt: skip
