"""What builds the sample containers: texts dealt out, variants, markup, bytes, a list of it all."""
