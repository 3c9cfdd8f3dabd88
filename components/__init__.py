"""The steps of the pipeline, a folder each, and the nouns that they hand each other, a file each."""

STEPS = ("ingest", "clean", "split", "augment", "train", "evaluate", "prune", "register", "report")
