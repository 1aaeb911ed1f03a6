"""CSV: what a writer wrote comes back; what is no record costs itself, and is named."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.api.inputs import format_of_name
from curate.errors import RecipeError
from curate.sources.base import Damage, Document, InputFile, Note, Piece, Skip
from curate.sources.delimited import Csv
from tests.examples import examples


def stored(data, name="x.csv"):
    return InputFile(name, name, len(data), content=data)


def read(data, name="x.csv", **options):
    return list(Csv(**options).read(stored(data, name), Piece(0, len(data))))


def texts(records):
    return [record.text for record in records if isinstance(record, Document)]


def reasons(records):
    return [record.reason for record in records if isinstance(record, Damage | Skip)]


VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)


@examples(200)
@given(
    rows=st.lists(st.tuples(VALUES, VALUES.filter(bool)), max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    ends=st.sampled_from(["\n", "\r\n"]),
    packed=st.booleans(),
)
def test_what_a_writer_wrote_comes_back(rows, delimiter, ends, packed):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=ends)
    writer.writerows([("title", "text"), *rows])
    data = file.getvalue().encode()
    records = read(gzip.compress(data) if packed else data, "x.csv.gz" if packed else "x.csv")
    assert texts(records) == [text for _, text in rows]
    assert [json.loads(record.meta)["title"] for record in records] == [title for title, _ in rows]
    for record, (_, text) in zip(records, rows, strict=True):
        begin = data[int(record.locator) :].decode()
        assert next(csv.reader(io.StringIO(begin, newline=""), delimiter=delimiter))[1] == text


@examples(200)
@given(data=st.binary(max_size=60), head=st.sampled_from([b"text,n\n", b"", b'text\n"a\n']))
def test_no_bytes_raise_anything(data, head):
    for record in read(head + data, max_record_bytes=40):
        assert isinstance(record, Document | Damage | Skip | Note)


def test_a_broken_record_costs_its_first_line_only():
    data = b'id,text\r\n1,"two\r\nlines"\r\n\r\n2\r\n3,"not closed\r\n4,good\r\n5,"x"y\r\n6,last'
    records = read(data)
    assert texts(records) == ["two\r\nlines", "good", "last"]
    assert reasons(records) == ["blank_line", "field_count", "bad_csv", "bad_csv"]
    damages = [record for record in records if isinstance(record, Damage)]
    lines = [data[each.offset : each.offset + each.length] for each in damages]
    assert lines == [b"2\r", b'3,"not closed\r', b'5,"x"y\r']
    assert damages[0].error == "1 fields, the header has 2"


def test_a_record_over_the_cap_is_damage_and_a_stray_quote_is_not_sought_further():
    records = read(b"text\n" + b"x" * 50 + b'\n"' + b"a\n" * 30 + b"ok\n", max_record_bytes=45)
    assert reasons(records) == ["too_large", "bad_csv"]
    assert texts(records) == ["a"] * 29 + ["ok"]


@pytest.mark.parametrize(
    ("data", "options"),
    [
        ("id;text\n1;ä, b\n".encode(), {}),
        ("id|text\n1|ä, b\n".encode(), {"delimiter": "|"}),
        ("\ufeffid\ttext\n1\tä, b\n".encode(), {}),
        ("id\ttext\n1\tä, b\n".encode("utf-16"), {}),
        ("id\ttext\r1\tä, b\r".encode(), {}),
        ('id,text\n1,"ä, b"\n'.encode("windows-1254"), {"encoding": "windows-1254"}),
        ('1,"ä, b"\n'.encode(), {"names": ("id", "text")}),
        ('id,text\n1,"ä, b"\n'.encode(), {"names": ("id", "text")}),
    ],
)
def test_delimiters_encodings_and_names(data, options):
    (record,) = read(data, id="id", url="link", **options)
    assert record.text == "ä, b"
    assert record.locator.endswith("~1")


def test_a_line_that_names_the_delimiter():
    for head in (b"sep=|\r\n", b"\xef\xbb\xbfSEP=|\n", b'"sep=|"\n'):
        assert texts(read(head + b"id|text\n1|a, b; c\n")) == ["a, b; c"]
    assert texts(read(b"sep=,\ntext;id\na, b;1\n", delimiter=";")) == ["a, b"]
    assert read(b"sep=;\n") == []


def test_joined_files_have_their_header_again():
    data = "\ufefftext,id\na,1\n\ufefftext,id\nb,2\ntext,id\n".encode()
    records = read(data)
    assert texts(records) == ["a", "b"]
    assert reasons(records) == ["repeated_header"] * 2
    quoted = '\ufeff"text","id"\n"a","1"\n\ufeff"text","id"\n\ufeff"b","2"\n'.encode()
    assert texts(read(quoted)) == ["a", "b"]


def test_delimiters_at_the_ends_of_lines_are_no_columns():
    assert texts(read(b"text,id\na,1,\nb,2,,\n")) == ["a", "b"]
    assert reasons(read(b"text,id\na,1,x\n")) == ["field_count"]
    (record,) = read(b",text,,\n0,a,1,\n")
    assert (record.text, record.meta) == ("a", '{"":"0","column_3":"1","column_4":""}')


def test_quotes_may_be_letters_and_signs_may_be_escaped():
    raw = b'text\tid\n"It begins\t1\nhere" it ends\t2\n5" disk\t3\n'
    assert texts(read(raw, "x.tsv", quote="")) == ['"It begins', 'here" it ends', '5" disk']
    spark = b'text,id\n"she said \\"yes\\", twice",1\n'
    assert texts(read(spark, escape="\\")) == ['she said "yes", twice']
    (damage,) = read(spark)
    assert damage.reason == "bad_csv"
    assert damage.error.endswith("(quote = '\"', escape = '')")
    mysql = b"text\tid\na\\\tb\t1\n"
    assert texts(read(mysql, "x.tsv", quote="", escape="\\")) == ["a\tb"]


def test_bytes_that_are_no_text_cost_the_text_or_are_replaced():
    assert reasons(read(b"text,n\na\xff,1\n")) == ["invalid_utf8"]
    document, note = read(b"text,n\na,\xff\n")
    assert document.meta == '{"n":"\ufffd"}'
    assert note == Note("damaged_fields", 1)


def test_headers_that_cannot_be_used():
    assert reasons(read(b"text,text\na,b\n")) == ["duplicate_column"]
    assert reasons(read(b"body,n\na,1\nb,2\n")) == ["missing_text", "missing_text"]
    assert read(b"") == []


def test_columns_are_of_numbers_where_they_hold_nothing_else():
    data = b"text,score,zip,n\na,0.5,01234,1\nb,,94110,2\nc,2,x,3\n"
    every = Csv(columns=("*",))
    kinds = every.typed_columns([stored(data)])
    assert kinds == {"score": pa.float64(), "zip": pa.string(), "n": pa.int64()}
    named = Csv(columns={"quality": "score"})
    assert named.typed_columns([stored(data)]) == {"quality": pa.float64()}
    with pytest.raises(RecipeError, match="field 'scor' of columns"):
        Csv(columns=("scor",)).typed_columns([stored(data)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": "::"}, "is not one character"),
        ({"delimiter": '"'}, "is not one character"),
        ({"quote": "''"}, "quote = \"''\" is neither one character nor empty"),
        ({"escape": ",", "delimiter": ","}, "escape = ',' is neither one"),
        ({"encoding": "latin-99"}, "encoding = 'latin-99' is not known"),
        ({"encoding": "utf-16"}, "cannot be cut at newlines"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(RecipeError, match=message):
        Csv(**options)


def test_endings():
    assert [format_of_name(name) for name in ("A.CSV.gz", "b.tsv")] == ["csv", "csv"]


def test_records_of_very_many_fields_are_not_held_in_memory():
    many = b",".join([b"a"] * 2_500_000)
    records = read(b"text,x\nbefore,1\n" + many + b"\nbehind,2\n")
    assert texts(records) == ["before", "behind"]
    assert reasons(records) == ["too_complex"]
    prose = "yes, no, " * 200_000
    assert texts(read(f'text,x\n"{prose}",1\n'.encode())) == [prose]
    header = ",".join(["text", *map(str, range(10_000))])
    assert reasons(read(f"{header}\na\n".encode())) == ["too_many_columns"]
