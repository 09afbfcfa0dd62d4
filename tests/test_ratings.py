"""sample_ratings.csv: read, written, and refused with one clear line."""

import pytest

from tb_evalguide.errors import BadRatings
from tb_evalguide.model import SampleRating
from tb_evalguide.sources.ratings import normal_rating, read_ratings, write_rating


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "sample_ratings.csv"
    write_rating(path, 150, "Good", 'answers, "mostly" right\nsecond line')
    write_rating(path, 100, "very-good")
    assert read_ratings(path) == (
        SampleRating(100, "very good"),
        SampleRating(150, "good", 'answers, "mostly" right second line'),
    )
    assert path.read_text().splitlines()[0] == "step,rating,note"


def test_a_folder_gets_the_usual_file_name(tmp_path):
    assert write_rating(tmp_path, 1, "poor") == tmp_path / "sample_ratings.csv"
    assert read_ratings(tmp_path / "sample_ratings.csv") == (SampleRating(1, "poor"),)


def test_the_later_row_of_a_step_wins_and_the_earlier_is_kept_in_the_file(tmp_path):
    path = tmp_path / "r.csv"
    write_rating(path, 5, "poor")
    write_rating(path, 5, "fair")
    assert read_ratings(path) == (SampleRating(5, "fair"),)
    assert "5,poor," in path.read_text()


def test_a_spreadsheet_s_file_is_read_and_continued_in_its_own_column_order(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes("\ufeffNote,Step,Rating\r\nfine,50,GOOD\r\n\r\n,60,poor".encode())
    assert read_ratings(path) == (SampleRating(50, "good", "fine"), SampleRating(60, "poor"))
    write_rating(path, 70, "fair", "so so")
    assert read_ratings(path)[-1] == SampleRating(70, "fair", "so so")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,good\n", "the first line lacks the column step"),
        ("", "the first line lacks the column step"),
        ("step,note\n1,good\n", "the first line lacks the column rating"),
        ("step,rating\nabc,good\n", "line 2: 'abc' is no step"),
        ("step,rating\n-5,good\n", "line 2: '-5' is no step"),
        ("step,rating\n5,good\n6,splendid\n", "line 3: 'splendid' is no rating"),
        ("step,rating\n5\n", "line 2: '' is no rating"),
    ],
)
def test_a_wrong_file_is_refused_with_one_line_that_names_the_place(tmp_path, text, said):
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(BadRatings) as caught:
        read_ratings(path)
    message = str(caught.value)
    assert said in message and str(path) in message and "\n" not in message
    assert "poor, fair, good, very good" in message


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes(b"step,rating\n\xff\xfe,good\n")
    with pytest.raises(BadRatings, match="no CSV file in UTF-8"):
        read_ratings(path)


def test_nothing_is_added_to_a_file_that_is_no_ratings_file(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BadRatings):
        write_rating(path, 1, "good")
    assert path.read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize(("step", "rating"), [(1, "superb"), (-1, "good")])
def test_a_wrong_rating_or_step_writes_nothing(tmp_path, step, rating):
    with pytest.raises(BadRatings):
        write_rating(tmp_path / "r.csv", step, rating)
    assert not (tmp_path / "r.csv").exists()


def test_a_missing_or_unwritable_place_is_one_clear_line(tmp_path):
    with pytest.raises(BadRatings, match="cannot be read"):
        read_ratings(tmp_path / "none.csv")
    with pytest.raises(BadRatings, match="cannot be written"):
        write_rating(tmp_path / "none" / "r.csv", 1, "good")


def test_spellings_of_a_rating():
    assert [normal_rating(r) for r in (" Very_Good", "FAIR", "bad", "")] == ["very good", "fair", None, None]
