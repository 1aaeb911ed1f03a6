"""Records and archives as Wikimedia's HTML dumps have them, with pages in Parsoid's shape."""

import gzip
import io
import json
import tarfile

#: Prose of our own with a number that a template renders, by language: text, and what is in it.
SENTENCES = {
    "kk": ("Қаланың халқы {} адам, ал ауданы {} км².", "2 161 000", "682"),
    "ar": ("يبلغ عدد سكان المدينة {} نسمة، ومساحتها {} كم².", "9٬540٬000", "3٬085"),
    "ja": ("市の人口は{}人で、面積は{}平方キロメートルである。", "1,396,000", "827.9"),
    "ko": ("도시의 인구는 {}명이며 면적은 {}km²이다.", "9,386,000", "605.2"),
    "en": ("The town has {} inhabitants and an area of {} km².", "48,213", "61.7"),
    "ru": ("Население города — {} человек, площадь — {} км².", "1 620 000", "501"),
    "tr": ("Kentin nüfusu {} kişi, yüzölçümü {} km²'dir.", "5.803.482", "25.632"),
    "zh": ("该市人口为{}人，面积为{}平方公里。", "21,893,095", "16,410.5"),
}

REFERENCE = (
    '<sup about="#mwt3" class="mw-ref reference" rel="dc:references" typeof="mw:Extension/ref">'
    '<a href="./X#cite_note-1"><span class="mw-reflink-text">[1]</span></a></sup>'
)


def math(tex, shown="<mi>E</mi>"):
    """Return a formula as the extension Math writes it: hidden MathML, and a picture."""
    tex = tex.replace("&", "&amp;").replace("<", "&lt;")
    return (
        '<span class="mwe-math-element" typeof="mw:Extension/math" about="#mwt9">'
        '<span class="mwe-math-mathml-inline mwe-math-mathml-a11y" style="display: none;">'
        f'<math alttext="{tex}"><semantics><mrow>{shown}</mrow>'
        f'<annotation encoding="application/x-tex">{{\\displaystyle {tex}}}</annotation>'
        '</semantics></math></span><img class="mwe-math-fallback-image-inline"'
        f' alt="{tex}"/></span>'
    )


def rendered(number):
    """Return a number as a template renders it."""
    return (
        f'<span about="#mwt2" typeof="mw:Transclusion" data-mw=\'{{"parts":[]}}\'>{number}</span>'
    )


def page(body, head=""):
    """Return a whole page as Parsoid writes it."""
    return (
        '<!DOCTYPE html>\n<html prefix="dc: http://purl.org/dc/terms/"><head><title>T</title>'
        f'<meta property="mw:pageId" content="1"/>{head}</head>'
        '<body class="mw-content-ltr mw-body-content parsoid-body mediawiki mw-parser-output">'
        f'<section data-mw-section-id="0" id="mwAQ">{body}</section></body></html>'
    )


def article(language):
    """Return the body of a small article in a language, with all that stands around prose."""
    sentence, first, second = SENTENCES[language]
    prose = sentence.format(rendered(first), rendered(second))
    return page(
        '<div class="hatnote navigation-not-searchable" role="note">HATNOTE</div>'
        '<table class="infobox vcard"><tbody><tr><th>BOX</th><td>1</td></tr></tbody></table>'
        f"<p>{prose}{REFERENCE}</p>"
        f'<table class="wikitable"><tbody><tr><th>A</th><th>B</th></tr>'
        f"<tr><td>{first}</td><td>{second}</td></tr></tbody></table>"
        '<div class="navbox" role="navigation">NAVBOX</div>'
    )


def record(number=7, html=None, **more):
    """Return a record of a dump; ``more`` replaces fields, None removes them."""
    fields = {
        "name": "Бас бет",
        "identifier": number,
        "date_modified": "2026-01-02T03:04:05Z",
        "version": {"identifier": number * 100, "is_minor_edit": True},
        "url": "https://kk.wikipedia.org/wiki/Бас_бет",
        "namespace": {"name": "", "identifier": 0},
        "in_language": {"name": "Kazakh", "identifier": "kk"},
        "is_part_of": {"name": "Wikipedia", "identifier": "kkwiki"},
        "article_body": {"html": page("<p>Мәтін.</p>") if html is None else html, "wikitext": "W"},
        "license": [{"name": "Creative Commons", "identifier": "CC-BY-SA-4.0", "url": "x"}],
        "templates": [{"name": "T"}],
    } | more
    return {name: value for name, value in fields.items() if value is not None}


def lines(*records):
    """Return records, or bytes, as lines."""
    rows = [
        each if isinstance(each, bytes) else json.dumps(each, ensure_ascii=False).encode()
        for each in records
    ]
    return b"".join(row + b"\n" for row in rows)


def tar(*contents, form=tarfile.PAX_FORMAT):
    """Return an archive of files; a folder stands before them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("dump")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for number, content in enumerate(contents):
            entry = tarfile.TarInfo(f"dump/{'long' * 40}_{number}.ndjson")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def tar_gz(*contents):
    """Return a packed archive of files."""
    return gzip.compress(tar(*contents), mtime=0)
