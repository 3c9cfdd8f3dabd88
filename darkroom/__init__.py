"""The library below the steps: what they hand each other, a noun a file, and what they share, a folder each."""
