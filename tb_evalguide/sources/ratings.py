"""A person's ratings of sample predictions, `sample_ratings.csv`: read and written."""

from __future__ import annotations

import csv
from pathlib import Path

from tb_evalguide.errors import BadRatings
from tb_evalguide.i18n import N_
from tb_evalguide.model import SampleRating, Text

FILE_NAME = "sample_ratings.csv"
COLUMNS = ("step", "rating", "note")
RATINGS = ("poor", "fair", "good", "very good")  # guide K5 speaks of fair, good, very good


def normal_rating(rating: str) -> str | None:
    """`rating` as one of RATINGS, whatever its case, spaces, dashes and underscores; None when it is none of them."""
    plain = " ".join(rating.replace("_", " ").replace("-", " ").split()).casefold()
    return plain if plain in RATINGS else None


def read_ratings(path: str | Path) -> tuple[SampleRating, ...]:
    """One rating a step, by step; the later row of a step wins. Raises BadRatings with the line that is wrong."""
    shown = str(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip().casefold() for name in next(reader, [])]
            missing = [name for name in COLUMNS[:2] if name not in header]
            if missing:
                raise BadRatings(
                    path=shown, reason=Text(N_("the first line lacks the column {name}"), {"name": missing[0]})
                )
            ratings: dict[int, SampleRating] = {}
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                cells = dict(zip(header, row))
                rating = _rating(cells, shown, reader.line_num)
                ratings[rating.step] = rating
    except OSError as error:
        raise BadRatings(
            path=shown, reason=Text(N_("cannot be read ({reason})"), {"reason": error.strerror or str(error)})
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRatings(path=shown, reason=Text(N_("it is no CSV file in UTF-8"))) from error
    return tuple(ratings[step] for step in sorted(ratings))


def write_rating(path: str | Path, step: int, rating: str, note: str = "") -> Path:
    """Adds one row to the file, which is made with its header when it is not there; a folder means FILE_NAME in it.

    Rows are only added: the later one of a step wins, and the history of opinions is kept. Returns the file.
    """
    target = Path(path)
    if target.is_dir():
        target = target / FILE_NAME
    known = normal_rating(rating)
    if known is None:
        raise BadRatings(path=str(target), reason=Text(N_("{rating} is no rating"), {"rating": rating}))
    if step < 0:
        raise BadRatings(path=str(target), reason=Text(N_("{step} is no step"), {"step": str(step)}))
    try:
        fresh = not target.exists() or target.stat().st_size == 0
        header = list(COLUMNS) if fresh else _header(target)
        row = {"step": str(step), "rating": known, "note": " ".join(note.split())}
        with open(target, "a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if fresh:
                writer.writerow(header)
            elif not _ends_with_newline(target):
                file.write("\n")
            writer.writerow([row.get(name.strip().casefold(), "") for name in header])
    except OSError as error:
        raise BadRatings(
            path=str(target), reason=Text(N_("cannot be written ({reason})"), {"reason": error.strerror or str(error)})
        ) from error
    return target


def _rating(cells: dict[str, str], path: str, line: int) -> SampleRating:
    raw = cells.get("step", "").strip()
    # isdecimal also takes other scripts' digits, which int() reads as well
    if not raw.isdecimal() or len(raw) > 18:
        reason = Text(N_("line {line}: {value} is no step"), {"line": line, "value": repr(raw[:40])})
        raise BadRatings(path=path, reason=reason)
    known = normal_rating(cells.get("rating", ""))
    if known is None:
        reason = Text(
            N_("line {line}: {value} is no rating"), {"line": line, "value": repr(cells.get("rating", "")[:40])}
        )
        raise BadRatings(path=path, reason=reason)
    return SampleRating(int(raw), known, cells.get("note", "").strip())


def _header(path: Path) -> list[str]:
    """The header of an existing file, after making sure that the file can be read as a whole."""
    read_ratings(path)
    with open(path, encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _ends_with_newline(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, 2)
        return file.read(1) in (b"\n", b"\r")
