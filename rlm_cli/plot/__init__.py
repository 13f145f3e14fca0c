"""Loss curves as a chart: in the terminal, as an SVG, a page or a picture."""
