"""`python -m pipelines` is `darkroom`."""

from pipelines.cli import main

main()
