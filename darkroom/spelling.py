"""One spelling for labels that differ in case or blanks only."""


def folded(label: str) -> str:
    """The one spelling of a label, whatever others there are: so data that grow, and an evaluation set, have the same classes."""
    return " ".join(label.split()).casefold()
