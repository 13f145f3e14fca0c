"""Loss curves as a chart: from runs, in the terminal, as an SVG, a page or a picture."""
