"""Build the sample containers: distribute texts, make variants, markup and bytes, list them all."""
