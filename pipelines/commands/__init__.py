"""The commands of `darkroom`, a file for each thing that they are about."""
