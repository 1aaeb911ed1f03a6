"""MediaWiki dumps as sources."""
