"""`tandem conflicts`: what both sides changed, shown side by side, and the decisions of people."""
