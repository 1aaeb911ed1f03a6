"""Text to text: repairs, fixes, masks and rewrites; and the words and lines of a text, counted."""
