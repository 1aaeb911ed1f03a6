"""What a block list costs: reading datatrove's domains, their memory, and lookups of addresses.

``python -m tests.benchmarks.block_lists``. CPU seconds of one process, the best of three.
"""

from __future__ import annotations

import time

from curate.rights.lists import Looked, digest_of_list, keys_of, read_list

URLS = [f"https://www.site-{n % 5000}.example.kz/news/2024/{n}?page=2" for n in range(50_000)]


def best(work, times=3):
    """Return the result of some work, and the fewest CPU seconds that it took."""
    seconds = []
    for _ in range(times):
        begin = time.process_time()
        result = work()
        seconds.append(time.process_time() - begin)
    return result, min(seconds)


def main() -> None:
    keys_of(["compiled before anything is measured"])
    digest = digest_of_list("domain", "datatrove")
    read_list_anew = read_list.__wrapped__
    entries, seconds = best(lambda: read_list_anew("domain", "datatrove", digest))
    megabytes = entries.keys.nbytes / 1e6
    print(f"{len(entries):,} domains read in {seconds:.1f} s, kept in {megabytes:.0f} MB")
    found, seconds = best(lambda: Looked(URLS).matching(entries))
    each = 1e6 * seconds / len(URLS)
    print(f"{len(URLS):,} addresses looked up, {found.sum()} found: {each:.1f} µs each")


if __name__ == "__main__":
    main()
