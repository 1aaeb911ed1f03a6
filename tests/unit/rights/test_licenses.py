"""Licences in one form: names, addresses and pages; what is not surely one licence is unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.rights.licenses import (
    GROUPS,
    checked_patterns,
    license_group,
    license_id,
    matches,
    page_license,
)
from tests.examples import examples

CC = "https://creativecommons.org/"


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0"),
        ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International License", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution-Share Alike 3.0 Unported", "CC-BY-SA-3.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivs 2.0", "CC-BY-NC-ND-2.0"),
        ("CC-BY-3.0-DE", "CC-BY-3.0-DE"),
        ("CC BY v4.0", "CC-BY-4.0"),
        ("cc-by", "CC-BY"),
        (CC + "licenses/by/4.0/", "CC-BY-4.0"),
        ("http://www.creativecommons.org/licenses/by-nd-nc/1.0", "CC-BY-NC-ND-1.0"),
        ("//creativecommons.org/licenses/by-sa/3.0/deed.de", "CC-BY-SA-3.0"),
        (CC + "licenses/by/2.5/ch/legalcode?x#y", "CC-BY-2.5-CH"),
        (CC + "publicdomain/zero/1.0/", "CC0-1.0"),
        (CC + "publicdomain/mark/1.0/deed.en", "CC-PDM-1.0"),
        (CC + "licenses/publicdomain/", "CC-PDDC"),
        ("CC0", "CC0-1.0"),
        ("Public Domain", "LicenseRef-public-domain"),
        ("MIT License", "MIT"),
        ("https://opensource.org/licenses/MIT", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("https://www.apache.org/licenses/LICENSE-2.0.txt", "Apache-2.0"),
        ("GNU Free Documentation License 1.3", "GFDL-1.3"),
        ("https://www.gnu.org/licenses/fdl-1.3.html", "GFDL-1.3"),
        ("https://www.gnu.org/copyleft/fdl.html", "GFDL"),
        ("odc-by", "ODC-By-1.0"),
        ("https://opendatacommons.org/licenses/odbl/1-0/", "ODbL-1.0"),
        # none, or not surely one
        (None, None),
        ("", None),
        ("other", None),
        ("CC", None),
        ("CC BY-BY 4.0", None),
        ("CC ND 4.0", None),
        ("CC BY 9.0", None),
        ("CC-BY-4.0-DE", None),
        ("CC BY 4.0 except pictures", None),
        ("not CC BY 4.0", None),
        ("MIT OR Apache-2.0", None),
        ("CC BY-SA 3.0, GFDL", None),
        ("ⅭⅭ BY 4.0", None),
        ("CC-BY-4.0<script>", None),
        (CC + "licenses/by/9.0/", None),
        (CC + "licenses/by/4.0/<b>", None),
        ("https://evil.example/creativecommons.org/licenses/by/4.0/", None),
        ("https://creativecommons.org.evil.example/licenses/by/4.0/", None),
        ("CC BY 4.0 " * 10_000, None),
    ],
)
def test_one_form(text, identifier):
    assert license_id(text) == identifier
    assert license_id(identifier) == identifier, "the form is its own form"


@examples(300)
@given(st.one_of(st.text(max_size=60), st.text("CBYSANDcc0-. 1234/", max_size=20)))
def test_identifiers_hold_nothing_of_a_text(text):
    identifier = license_id(text)
    if identifier is not None:
        assert identifier.replace("-", "").replace(".", "").isalnum() and len(identifier) < 30
        assert license_id(identifier) == identifier
        assert license_group(identifier) in GROUPS


def test_patterns_are_identifiers_families_and_wildcards():
    def kept(*patterns):
        among = ["CC-BY-4.0", "CC-BY-3.0-DE", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC0-1.0", None]
        return [one for one in among if matches(one, checked_patterns(patterns))]

    assert kept("CC-BY") == ["CC-BY-4.0", "CC-BY-3.0-DE"]
    assert kept("cc by 4.0") == ["CC-BY-4.0"]
    assert kept("cc-by-nc*", "unknown") == ["CC-BY-NC-4.0", None]
    assert kept("public_domain", "share_alike") == ["CC-BY-SA-4.0", "CC0-1.0"]
    assert kept("*") == ["CC-BY-4.0", "CC-BY-3.0-DE", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC0-1.0"]
    with pytest.raises(RecipeError, match="no licence 'share_alke'") as raised:
        checked_patterns(["share_alke"])
    assert "share_alike" in str(raised.value.hint)


BY = CC.encode() + b"licenses/by/4.0/"
LD = b'<script type="application/ld+json">%s</script>'


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'<a rel="license nofollow" href="%s">CC</a>' % BY, ("CC-BY-4.0", "link")),
        (b"<LINK HREF=%s REL=license>" % BY, ("CC-BY-4.0", "link")),
        (b'<meta name="DC.rights" content="CC BY 4.0">', ("CC-BY-4.0", "meta")),
        (b'<meta property="dcterms.license" content="%s">' % BY, ("CC-BY-4.0", "meta")),
        (LD % (b'{"@type": "NewsArticle", "license": "%s"}' % BY), ("CC-BY-4.0", "json-ld")),
        (
            LD % (b'{"@graph": [{"@type": ["WebPage"], "license": {"@id": "%s"}}]}' % BY),
            ("CC-BY-4.0", "json-ld"),
        ),
        (b'<p>%s</p><a rel=license href="%s">' % (b"x" * 200_000, BY), ("CC-BY-4.0", "link")),
        # of a picture, in a comment, in code, two at odds, damaged, or a name that is none
        (LD % (b'{"@type": "ImageObject", "license": "%s"}' % BY), None),
        (LD % (b'{"@type": "WebPage", "license": 7}'), None),
        (LD % b'{"@type": "WebPage", "license": "' + b"[" * 5000, None),
        (LD % (b'"license"' + b"[" * 100_000), None),
        (b'<!-- <a rel="license" href="%s"> -->' % BY, None),
        (b"<script>'<a rel=license href=%s>'</script>" % BY, None),
        (
            b'<a rel=license href="%s"><a rel=license href="%slicenses/by-sa/4.0/">'
            % (BY, CC.encode()),
            None,
        ),
        (b'<a href="%s">license</a>' % BY, None),
        (b'<meta name="DC.rights" content="All rights reserved">', None),
        (b"\xff<a rel=license href=\xff>", None),
        (b"", None),
    ],
)
def test_what_a_page_states(body, found):
    assert page_license(body) == found


@pytest.mark.parametrize(
    "piece", [b"<a ", b"<!--", b"<script ", b"<meta a=", b'<a rel="', b"<link"]
)
def test_a_page_of_beginnings_is_read_once(piece):
    assert page_license(b"license" + piece * 50_000) is None
