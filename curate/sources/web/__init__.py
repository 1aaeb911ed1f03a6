"""Web archives (WARC, ARC, WET) as sources."""
