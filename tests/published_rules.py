"""Gopher's, FineWeb's and C4's rules with their published limits, as in datatrove's filters.

A rule has datatrove's name for the reason of a drop, so that verdicts can be compared exactly.
"""

from curate.recipe.profile import Profile, Rule


def profile(**rules: tuple[str, float | None, float | None]) -> Profile:
    by_name = {
        name: Rule(signal=signal, min=low, max=high, undefined="keep")
        for name, (signal, low, high) in rules.items()
    }
    return Profile(name="oracle", rules=by_name)


QUALITY = profile(
    gopher_short_doc=("n_words", 50, None),
    gopher_long_doc=("n_words", None, 100_000),
    gopher_below_avg_threshold=("mean_word_length", 3, None),
    gopher_above_avg_threshold=("mean_word_length", None, 10),
    gopher_too_many_hashes=("hash_word_ratio", None, 0.1),
    gopher_too_many_ellipsis=("ellipsis_word_ratio", None, 0.1),
    gopher_too_many_bullets=("bullet_line_share", None, 0.9),
    gopher_too_many_end_ellipsis=("ellipsis_line_share", None, 0.3),
    gopher_below_alpha_threshold=("alphabetic_word_share", 0.8, None),
    gopher_enough_stop_words=("distinct_stop_words", 2, None),
)
REPETITION = profile(
    dup_para_frac=("dup_paragraph_share", None, 0.3),
    dup_para_char_frac=("dup_paragraph_char_share", None, 0.2),
    dup_line_frac=("dup_line_share", None, 0.3),
    dup_line_char_frac=("dup_line_char_share", None, 0.2),
    **{
        f"top_{n}_gram": (f"top_{n}gram_char_share", None, limit)
        for n, limit in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"duplicated_{n}_n_grams": (f"dup_{n}gram_char_share", None, limit)
        for n, limit in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    },
)
FINEWEB = profile(
    line_punct_ratio=("terminal_line_share", 0.12, None),
    short_line_ratio=("short_line_share", None, 0.67),
    char_dup_ratio=("dup_full_line_char_share", None, 0.01),
    list_ratio=("newline_word_ratio", None, 0.3),
)
C4 = profile(lorem_ipsum=("n_lorem_ipsum", None, 0), curly_bracket=("n_curly_brackets", None, 0))
